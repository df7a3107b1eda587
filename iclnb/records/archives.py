"""The measurements of the book's records as archives, one for each model, to be carried to another machine."""

import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from iclnb import ladders, paths, store
from iclnb.errors import IclnbError
from iclnb.keys.inputs import file_hash
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

    Raises IclnbError if the archive is not what its checksum says, or holds something else than measurements.
    """
    checksum = archive.with_name(f"{archive.name}.sha256")
    if not archive.is_file() or not checksum.is_file():
        raise IclnbError(f"{archive} and {checksum.name} beside it are needed, and one is missing")
    if file_hash(archive) != checksum.read_text(encoding="utf-8").split()[0]:
        raise IclnbError(f"{archive} is not what {checksum.name} says; fetch it again")
    root = store.root()
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        files = tar.getmembers()
        for file in files:
            if not file.isfile() or Path(file.name).suffix not in {".safetensors", ".json"}:
                raise IclnbError(f"{archive} holds {file.name!r}, which is no measurement; it was not read")
        tar.extractall(scratch, filter="data")  # nothing outside of the folder
        for file in files:
            (root / file.name).parent.mkdir(parents=True, exist_ok=True)
            Path(scratch, file.name).replace(root / file.name)
    return sum(file.name.endswith(".safetensors") for file in files)


def _archive(folder: Path, model: str, files: list[Path]) -> Path:
    target = folder / f"measurements-{model}.tar"
    digests = {store.about_shard(file)["code"] for file in files}
    codes = [store.root() / "codes" / f"{digest}.json" for digest in sorted(digests)]
    with paths.replacing(target) as temporary, tarfile.open(temporary, "w") as tar:
        for file in [*codes, *files]:
            tar.add(file, file.relative_to(store.root()).as_posix(), filter=_without_owner)
    paths.write(folder / f"{target.name}.sha256", f"{file_hash(target)}  {target.name}\n")
    return target


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    return member.replace(mtime=0, uid=0, gid=0, uname="", gname="", deep=False)
