"""Whether the hub is in reach, asked once and briefly: its own clients retry for half a minute and more."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from huggingface_hub import constants
from huggingface_hub.utils import get_session

SECONDS = 5.0
"""How long to wait for an answer."""


@contextmanager
def cache_if_out_of_reach() -> Iterator[bool]:
    """Within the block the hub's clients use their cache alone, unless the hub answers.

    Gives whether the hub is in reach; it is not where ``HF_HUB_OFFLINE`` is set.
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
    answered: list[bool] = []

    def ask() -> None:
        with suppress(Exception):  # of the network; which one it was does not matter
            get_session().head(endpoint, timeout=SECONDS)
            answered.append(True)

    thread = Thread(target=ask, daemon=True)  # looking up a name can take longer than any timeout
    thread.start()
    thread.join(SECONDS)
    return bool(answered)
