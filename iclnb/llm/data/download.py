"""One pinned file of a package index, downloaded by name through pip and checked against its SHA-256."""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tqdm.auto import tqdm

from iclnb.errors import IclnbError


class NotThere(IclnbError):
    """pip did not get the file: no index that has it, no network, no pip."""


@dataclass(frozen=True)
class Distribution:
    """What to download."""

    name: str  # name on the index
    version: str  # pinned version
    sha256: str  # of the file
    size: int  # of the file in bytes, for the progress bar
    source: bool = False  # whether to take the sdist instead of the wheel

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def pins(name: str) -> dict[str, Any]:
    """A table of what is pinned."""
    path = Path(__file__).with_name("pins") / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def download(wanted: Distribution, scratch: Path) -> Path:
    """Download one file into an empty folder, where pip also keeps its temporary files; returns its path.

    pip is silent; on a terminal a bar counts the bytes. pip installs nothing; of an sdist it runs the pinned
    ``setup.py`` to read the metadata.

    Raises NotThere if pip did not get the file, with what to do about it; IclnbError: wrong hash, full disk;
    likewise; OSError if ``scratch`` cannot be written.
    """
    requirement, log, archives = scratch / "requirement.txt", scratch / "log.txt", scratch / "archives"
    requirement.write_text(f"{wanted.name}=={wanted.version} --hash=sha256:{wanted.sha256}\n")
    with log.open("wb") as errors:
        status = _watch(_command(wanted, requirement, archives), errors, wanted, scratch)
    found = list(archives.iterdir()) if archives.is_dir() else []
    if status or len(found) != 1:
        raise _failure(wanted, log.read_text(errors="replace"))
    return found[0]


def _command(wanted: Distribution, requirement: Path, archives: Path) -> list[str]:
    # pip reads an sdist's metadata with our setuptools: a build environment would fetch an unpinned one.
    kind = ["--no-binary=:all:", "--no-build-isolation"] if wanted.source else ["--only-binary=:all:"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--retries=2"]
    pinned = ["--no-deps", "--require-hashes", *kind, f"--requirement={requirement}", f"--dest={archives}"]
    return [sys.executable, "-m", "pip", "download", *quiet, *pinned]


def _watch(command: list[str], errors: BinaryIO, wanted: Distribution, scratch: Path) -> int:
    """Run pip and show the bytes that arrive; its exit status."""
    environment = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
    bar = tqdm(total=wanted.size, desc=f"fetching {wanted}", unit="B", unit_scale=True, disable=None)
    try:
        while process.poll() is None:
            bar.update(min(_bytes_in(scratch), wanted.size) - bar.n)
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        bar.update(wanted.size - bar.n if process.returncode == 0 else 0)
    finally:
        process.kill()  # no effect unless we were interrupted
        process.wait()
        bar.close()
    return process.returncode


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return total


def _failure(wanted: Distribution, log: str) -> IclnbError:
    """What pip's words mean and what to do about it."""
    errors = [line for line in log.splitlines() if line.startswith("ERROR")]
    reason = errors[-1] if errors else log.strip()[-300:]
    kind: type[IclnbError] = NotThere
    if "No module named pip" in log:
        advice = f"this Python has no pip; add it with `{sys.executable} -m ensurepip`"
    elif "DO NOT MATCH THE HASHES" in log:
        kind = IclnbError
        advice = "the file that the package index sent is not the pinned one and was thrown away; "
        advice += "run `pip cache purge` and try again, or ask another index"
    elif "No space left" in log:
        kind = IclnbError
        advice = "the disk is full; free some space, or set ICLNB_CACHE to a folder elsewhere"
    elif "No matching distribution" in log or "onnection" in log:
        advice = (
            "no package index answered with it; connect to a network, or point pip to an index that this "
        )
        advice += "machine can reach (PIP_INDEX_URL), and run `iclnb fetch` once: then no network is needed"
    else:
        advice = "see what pip said"
    return kind(f"could not fetch {wanted}: {advice}. pip: {reason}")
