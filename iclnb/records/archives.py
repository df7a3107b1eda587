"""The measurements of the book's records as archives, one for each model, to be carried to another machine."""

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from iclnb import ladders, paths, store
from iclnb.errors import IclnbError
from iclnb.records import records

_NO_MODEL = "theory"


def write(project: Path, folder: Path, *, report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Write ``measurements-<model>.tar`` and its checksum for each model of the records.

    An archive holds the shards that the records are made from, and the states of the code that measured them.

    Raises IclnbError if shards of a record are not on this machine.
    """
    shards: dict[str, set[Path]] = {}
    for record in records.all_records(project):
        report(f"{records.label(project, record.path)}: its shards")
        measure = records.measuring(project / "notebooks" / f"{record.notebook}.py")
        with store.tally() as tally:
            ladders.measure_one(measure, SimpleNamespace(**record.parameters))
        if tally.measured:
            raise IclnbError(
                f"{tally.measured} shards of {records.label(project, record.path)} were not on this machine; they "
                "are now: say it again"
            )
        model = record.path.parent.name if record.provenance.get("model") else _NO_MODEL
        shards.setdefault(model, set()).update(tally.paths)
    return [_archive(folder, model, sorted(files)) for model, files in sorted(shards.items())]


def read(archive: Path) -> int:
    """Put the shards of an archive into this machine's store; returns how many there were.

    Raises IclnbError if the archive is not what its checksum says, or holds something else than shards.
    """
    checksum = archive.with_name(f"{archive.name}.sha256")
    if not archive.is_file() or not checksum.is_file():
        raise IclnbError(f"{archive} and {checksum.name} beside it are needed, and one is missing")
    if _sha256(archive) != checksum.read_text(encoding="utf-8").split()[0]:
        raise IclnbError(f"{archive} is not what {checksum.name} says; fetch it again")
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            target = store.root() / member.name
            inside = target.resolve().is_relative_to(store.root().resolve())
            if not member.isfile() or not inside or target.suffix not in {".safetensors", ".json"}:
                raise IclnbError(f"{archive} holds {member.name!r}, which is no measurement; it was not read")
            content = tar.extractfile(member).read()
            with paths.replacing(target) as temporary:
                temporary.write_bytes(content)
                damaged = target.suffix == ".safetensors" and store.read(temporary) is None
            if damaged:
                target.unlink()
                raise IclnbError(f"{archive}: {member.name} is damaged; fetch it again")
            count += target.suffix == ".safetensors"
    return count


def _archive(folder: Path, model: str, files: list[Path]) -> Path:
    target = folder / f"measurements-{model}.tar"
    digests = {store.about_shard(file)["code"] for file in files}
    codes = [store.root() / "codes" / f"{digest}.json" for digest in sorted(digests)]
    with paths.replacing(target) as temporary, tarfile.open(temporary, "w") as tar:
        for file in [*codes, *files]:
            member = tar.gettarinfo(file, file.relative_to(store.root()).as_posix())
            member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
            with file.open("rb") as stream:
                tar.addfile(member, stream)
    paths.write(folder / f"{target.name}.sha256", f"{_sha256(target)}  {target.name}\n")
    return target


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
