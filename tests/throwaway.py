"""A small checkout with notebooks that run in seconds, for the tests of running and building."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

NOTEBOOK = """
# %% [markdown]
# # Does a mean converge?
#
# About $\\bar x = \\frac1n \\sum_i x_i$ and {cite}`han2025kernel`.

# %% tags=["parameters"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
k: int = by_profile(10, 100, 1000)  # draws
scale: float = 1.0  # standard deviation of a draw
loud: bool = False  # say more
seed: int = 0  # seeds the draws

# %% [markdown]
# ## Method
#
# $$ \\hat\\mu = \\frac{1}{n} \\sum_{i=1}^n x_i $$

# %%
import matplotlib.pyplot as plt
import numpy as np

from iclnb import claims, figures, ladders, settings, stats
from iclnb.mean.measure import measure

run = settings.read(globals())
ladder = ladders.measured("00_mean", measure, run)
results = claims.Results(ladder)
x = ladder.here.x

# %% [markdown]
# The running mean.

# %%
figure, axes = plt.subplots()
axes.plot(np.cumsum(x) / np.arange(1, len(x) + 1))
plt.close(figure)
figures.Picture(figure, alt=f"The running mean of {len(x)} draws")

# %% [markdown]
# ## Claims

# %%
results.claim(
    "mean",
    "the norm $|\\mu|$ is above 0",
    claims.above(0),
    lambda one: claims.Evidence(stats.interval(one.x, seed=1), 0.0, "no effect"),
    section="1",
)

# %%
results.save();
"""

MEASURE = '''
"""What the chapter about a mean measures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb.findings import Findings, variable


@dataclass(frozen=True, kw_only=True)
class Draws(Findings):
    """Draws of a normal distribution."""

    x: Float[np.ndarray, " draw"] = variable("draws", unit="1")


def measure(run):
    """Draw them."""
    origin = {"source": "hub", "revision": "r"}
    model = {"model": {**origin, "name": run.model}} if hasattr(run, "model") else {}
    return Draws(x=np.random.default_rng(run.seed).normal(1, run.scale, run.k), origins=model)
'''

QUICK = """
# %% [markdown]
# # Quick

# %% tags=["parameters"]
profile: str = "laptop"  # smoke, laptop or paper
word: str = "first"  # what is saved
fail: bool = False  # whether the middle cell fails

# %%
import json, os, sys
from pathlib import Path

fail = fail or Path("break").is_file()

# %%
if fail:
    raise RuntimeError("the middle cell " + "fails")

# %%
print(sys.executable)
print(Path.cwd())
folder = Path(os.environ["ICLNB_RESULTS"])
folder.mkdir(exist_ok=True)
text = json.dumps({"notebook": "NAME", "name": "this run", "model": "", "task": "", "record": None,
                   "parameters": {"profile": profile}, "claims": [], "left_out": {}, "values": {"word": word},
                   "provenance": {"machine": "none", "time": "", "revision": None}, "ladder": []})
(folder / "NAME.json").write_text(text);
"""
"""Needs no package, so that it runs as fast as a kernel starts."""


def checkout(folder: Path, notebooks: Mapping[str, str]) -> Path:
    """A checkout in ``folder`` with these notebooks, a copy of the package and of the book's pages."""
    ignore = shutil.ignore_patterns("__pycache__", "[0-9][0-9][a-z_]*", "equivalent.toml")
    for part in ("iclnb", "book"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignore)
    for part in ("_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(ROOT / part, folder / part)
    set_address(folder / "_config.yml", "")
    (folder / "iclnb" / "mean").mkdir()
    (folder / "iclnb" / "mean" / "__init__.py").write_text("")
    (folder / "iclnb" / "mean" / "measure.py").write_text(MEASURE.lstrip())
    (folder / "notebooks").mkdir()
    for name, text in notebooks.items():
        (folder / "notebooks" / f"{name}.py").write_text(
            text.replace("NAME", name).lstrip(), encoding="utf-8"
        )
    return folder


def set_address(config: Path, url: str) -> None:
    """The repository's address in a ``_config.yml``, whatever the fork that is tested has there."""
    text, lines = re.subn(r"(?m)^(  url:) .*$", rf'\1 "{url}"', config.read_text(encoding="utf-8"))
    assert lines == 1
    config.write_text(text, encoding="utf-8")


def iclnb(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, run in a checkout."""
    return subprocess.run(command(*words), cwd=project, capture_output=True, text=True, check=False)


def git(folder: Path, *words: str) -> str:
    """git in a folder, by somebody; what it prints."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "iclnb.cli", *words]


def outputs(path: Path) -> str:
    """Everything that an executed notebook printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join("".join(out.get("text", [])) for cell in cells for out in cell.get("outputs", []))


def made(project, name="00_quick"):
    """The outputs of ordinary runs, as they lie on disk."""
    paths = (project / "build" / "executed" / f"{name}.ipynb", project / "build" / "results" / f"{name}.json")
    return {path: path.read_bytes() for path in paths}


def listed(folder):
    """What lies in a folder, but for the empty files that runs lock."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".lock-")}


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    return False


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
