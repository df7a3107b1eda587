"""The hub: whether it is in reach, and whether what came from it is what it says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.utils import get_session

from iclnb.errors import IclnbError
from iclnb.keys.inputs import file_hash

SECONDS = 5.0  # How long to wait for an answer: the hub's own clients retry for half a minute and more


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


def verify(repository: str, commit: str, file: str = "config.json") -> None:
    """Check the downloaded weights of one commit; each file is hashed once and then known by size and time.

    The cache names a large file by the SHA-256 that the hub states; a download that was damaged on the way,
    or afterwards, has another one. Damaged files are deleted, so that the next run fetches them anew. (The
    hub's own ``verify_repo_checksums`` asks the network each time.)

    Raises IclnbError if a file is damaged.
    """
    known = try_to_load_from_cache(repository, file, revision=commit)
    if not isinstance(known, str):
        return
    folder = Path(known).parents[len(Path(file).parts) - 1]
    for link in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = link.resolve()
        if re.fullmatch(r"[0-9a-f]{64}", blob.name) and (found := file_hash(blob)) != blob.name:
            blob.unlink()
            link.unlink(missing_ok=True)
            raise IclnbError(
                f"{link.name} of {repository} is damaged: its SHA-256 is {found[:12]}..., the hub states "
                f"{blob.name[:12]}...; it was deleted, run again to download it anew"
            )
