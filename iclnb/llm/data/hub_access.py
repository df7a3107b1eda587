"""Whether the hub is in reach, asked once and briefly: its own clients retry for half a minute and more."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from iclnb.errors import IclnbError

SECONDS = 5.0  # How long to wait for an answer


@contextmanager
def cache_if_out_of_reach() -> Iterator[bool]:
    """Within the block the hub's clients use their cache alone, unless the hub answers.

    Gives whether the hub is in reach; it is not where ``HF_HUB_OFFLINE`` is set.

    Raises IclnbError if a package is missing that the proxy of this machine needs.
    """
    if constants.HF_HUB_OFFLINE:
        yield False
    elif reachable(constants.ENDPOINT):
        yield True
    else:
        import datasets

        before = datasets.config.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        try:
            yield False
        finally:
            constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = False, before


def reachable(endpoint: str) -> bool:
    """Whether a server answers anything within :data:`SECONDS`, by the client that would be asked later."""
    answers: list[Exception | None] = []

    def ask() -> None:
        try:
            get_session().head(endpoint, timeout=SECONDS)
            answers.append(None)
        except Exception as error:  # of the network; which one it was does not matter
            answers.append(error)

    thread = Thread(target=ask, daemon=True)  # looking up a name can take longer than any timeout
    thread.start()
    thread.join(SECONDS)
    if answers and isinstance(answers[0], ImportError):  # SOCKS, which is no part of the client
        raise IclnbError(
            f"the proxy of this machine needs a package that is not installed ({answers[0]}); pip install "
            "socksio, or unset ALL_PROXY and HTTPS_PROXY"
        )
    return answers == [None]
