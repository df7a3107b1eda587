"""Files of the hub checked against the hash that the hub itself states for them."""

import hashlib
import re
from pathlib import Path

from huggingface_hub import scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from iclnb import paths
from iclnb.errors import IclnbError


def verify(repository: str, commit: str) -> None:
    """Check the downloaded weights of one commit; each file is hashed once and then known by size and time.

    The cache names a large file by the SHA-256 that the hub states; a download that was damaged on the way,
    or afterwards, has another one. Damaged files are deleted, so that the next run fetches them anew.

    Args:
        repository: id on the hub.
        commit: 40 hexadecimal digits.

    Raises:
        IclnbError: if a file is damaged.
    """
    for link, blob in _large_files(repository, commit):
        if _mark(blob).is_file() and _mark(blob).read_text() == _state(blob):
            continue
        with blob.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != blob.name:
            blob.unlink()
            link.unlink(missing_ok=True)
            raise IclnbError(
                f"{link.name} of {repository} is damaged: its SHA-256 is {found[:12]}..., the hub states "
                f"{blob.name[:12]}...; it was deleted, run again to download it anew"
            )
        with paths.replacing(_mark(blob)) as temporary:
            temporary.write_text(_state(blob))


def _large_files(repository: str, commit: str) -> list[tuple[Path, Path]]:
    """The cached files of a commit that are named by a SHA-256: each link with what it points to."""
    try:
        repos = [repo for repo in scan_cache_dir().repos if repo.repo_id == repository]
    except CacheNotFound:
        return []
    revisions = [rev for repo in repos for rev in repo.revisions if rev.commit_hash == commit]
    files = [(file.file_path, file.blob_path.resolve()) for rev in revisions for file in rev.files]
    return [(link, blob) for link, blob in files if re.fullmatch(r"[0-9a-f]{64}", blob.name)]


def _mark(blob: Path) -> Path:
    return paths.cache_dir() / "verified" / hashlib.sha256(str(blob).encode()).hexdigest()


def _state(blob: Path) -> str:
    status = blob.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
