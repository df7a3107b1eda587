"""What a result was made with: revision, versions, machine, time."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import iclnb
from iclnb import paths
from iclnb.errors import IclnbError

LIBRARIES = ("torch", "transformers", "datasets", "jax", "numpy", "scipy", "scikit-learn")
COMPUTES = ("iclnb", "notebooks", "requirements.txt")


def provenance() -> dict[str, Any]:
    """Revision of the checkout, versions of what computed, machine and time (UTC, to the second).

    ``revision`` is ``None`` where no commit names the code, and ``no_revision`` then says why.
    """
    named: dict[str, str | None]
    try:
        named = {"revision": revision(paths.project_dir())}
    except IclnbError as error:
        named = {"revision": None, "no_revision": str(error)}
    return {
        "iclnb": iclnb.__version__,
        **named,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def revision(project: Path) -> str:
    """The commit of a checkout, with ``+changes`` where what computes differs from it.

    Raises IclnbError if no commit names the code: git is absent, refuses the folder, has no commit, or its
    repository is another one, in which the folder was unpacked.
    """
    changed = changes(project)
    return git(project, "log", "-1", "--format=%H") + ("+changes" if changed else "")


def changes(project: Path) -> str:
    """What computes and differs from the commit, as git lists it, or nothing. Raises as :func:`revision`."""
    if not git(project, "ls-files", "--", *COMPUTES):
        raise IclnbError(f"{project} lies in a git repository that does not have its files")
    git(project, "log", "-1", "--format=%H")
    return git(project, "status", "--porcelain", "--", *COMPUTES)


def git(project: Path, *words: str) -> str:
    """What git says of a checkout. Raises IclnbError with its words where it refuses, which say what to do."""
    command = ["git", "-C", str(project), *words]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise IclnbError(f"git cannot be run ({error}); install it to have revisions named") from error
    if done.returncode:
        raise IclnbError(f"git names no revision of {project}: {' '.join(done.stderr.split())}")
    return done.stdout.strip("\n")
