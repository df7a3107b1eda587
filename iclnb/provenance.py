"""What a result was made with: revision, versions, machine, time."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Any

import iclnb
from iclnb import paths

LIBRARIES = ("torch", "transformers", "datasets", "jax", "numpy", "scipy", "scikit-learn")
COMPUTES = ("iclnb", "notebooks", "requirements.txt")


def provenance() -> dict[str, Any]:
    """Revision of the checkout, versions of what computed, machine and time (UTC, to the second)."""
    return {
        "iclnb": iclnb.__version__,
        "revision": _revision(),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _revision() -> str | None:
    """The commit, with ``+changes`` where what computes differs from it; ``None`` outside a checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(paths.project_dir()), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--", *COMPUTES) else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None
