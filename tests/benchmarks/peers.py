"""The environment of the peers: `.venv-bench`, made from `requirements-bench.txt`, line by line."""

import subprocess
import sys
from pathlib import Path


def install(project: Path) -> tuple[Path, dict[str, str]]:
    """Make the environment unless it is there.

    Returns:
        Its Python, and for each requirement that could not be installed the reason.
    """
    folder, file = project / ".venv-bench", project / "requirements-bench.txt"
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    failed = {}
    for line in filter(None, lines):
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", line]
        command += ["--constraint", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            failed[line] = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    return python, failed
