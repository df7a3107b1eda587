"""Files of the hub checked against the hash that the hub itself states for them."""

import re
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from iclnb.errors import IclnbError
from iclnb.keys.inputs import file_hash


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
