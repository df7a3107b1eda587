"""What findings depend on: the code that measures, found through imports, parameters, inputs and libraries.

Words, criteria, estimators and figures are not among them: they are made anew from findings whenever a page is.
"""

import importlib.metadata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import iclnb
from iclnb.keys import imports
from iclnb.keys.equivalence import Ledger
from iclnb.keys.fingerprint import fingerprint
from iclnb.keys.imports import PACKAGE
from iclnb.keys.inputs import input_now, inputs

PLUMBING = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "claims", "criteria", "display", "errors", "figures", "findings", "keys", "ladders", "paths",
        "provenance", "settings", "store",
    )
)  # fmt: skip
"""Modules that carry numbers and change none."""

COMPUTES = {
    "bm25s": "bm25s", "datasets": "datasets", "equinox": "equinox", "gguf": "gguf", "jax": "jax",
    "numpy": "numpy", "optax": "optax", "scipy": "scipy", "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn", "tokenizers": "tokenizers", "torch": "torch", "transformers": "transformers",
}  # fmt: skip
"""Libraries whose version may change a number: what is imported, and the name of its distribution."""

IMMATERIAL = ("profile", "batch_size")
"""Settings that change no number: a profile stands for the values of others."""


def root() -> Path:
    """The folder that holds the running package."""
    return Path(iclnb.__file__).parents[1]


def code(*modules: str, project: Path | None = None, gpu: bool = False) -> dict[str, str]:
    """Every file of the package that measures, with its fingerprint.

    Args:
        modules: dotted names of the modules that measure; what they import, directly or not, counts.
        gpu: whether it ran on a GPU: then what a GPU alone runs counts too.
    """
    project = project or root()
    sources = [_file(project, module) for module in modules]
    files = {*sources, *imports.package_files(project, *sources, gpu=gpu, without=PLUMBING)}
    of = (lambda path: fingerprint([path])) if gpu else imports.fingerprint_of
    return {path.relative_to(project).as_posix(): of(path) for path in sorted(files)}


def libraries(*modules: str, project: Path | None = None) -> dict[str, str]:
    """The versions of the libraries that modules compute with, without the part that names a build."""
    project = project or root()
    sources = [_file(project, module) for module in modules]
    files = {*sources, *imports.package_files(project, *sources, gpu=True, without=PLUMBING)}
    names = imports.libraries(project, files) & COMPUTES.keys()
    return {COMPUTES[name]: version(COMPUTES[name]) for name in sorted(names)}


def key(module: str, parameters: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What findings were made from."""
    gpu = on_gpu(provenance)
    return {
        "module": module,
        "device": "cuda" if gpu else "cpu",
        "code": code(module, gpu=gpu),
        "versions": libraries(module),
        "parameters": {name: value for name, value in parameters.items() if name not in IMMATERIAL},
        "inputs": inputs(provenance),
    }


def on_gpu(provenance: Mapping[str, Any]) -> bool:
    """Whether a GPU computed."""
    return str(provenance.get("model", {}).get("device", "")).startswith("cuda")


class Freshness(tuple[str, ...]):
    """Why findings are not what a run would give now; empty where they are.

    ``carried``: whether other code made them, and a proof says that it measures the same.
    """

    carried = False


def stale(
    stored: Mapping[str, Any],
    project: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> Freshness:
    """Why findings are not what a run, with these parameters (default: their own), would give now."""
    if not _file(project, stored["module"]).is_file():
        return Freshness([f"there is no module {stored['module']} any more"])
    now = code(stored["module"], project=project, gpu=stored["device"] == "cuda")
    carried = Ledger.of(project).carry(stored["code"], now)
    reasons = [
        *differing("code changed", stored["code"] if carried is None else carried, now),
        *differing("versions differ", stored["versions"], libraries(stored["module"], project=project)),
    ]
    if parameters is not None:
        both = stored["parameters"].keys() & parameters.keys()
        then, wanted = (
            {name: values[name] for name in both} for values in (stored["parameters"], parameters)
        )
        reasons += differing("parameters differ", then, wanted)
    freshness = Freshness([*reasons, *inputs_changed(stored["inputs"], stored["parameters"])])
    freshness.carried = not freshness and stored["code"] != now
    return freshness


def differing(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A line with the names that two states do not agree in; none where they agree."""
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return [f"{what}: {', '.join(names)}"] if names else []


def inputs_changed(stored: Mapping[str, str], parameters: Mapping[str, Any]) -> list[str]:
    """A line for each input that is at hand and is another one now."""
    now = {name: input_now(name, parameters) for name in stored}
    return [f"changed: {name}" for name, then in stored.items() if now[name] not in (None, then)]


def _file(project: Path, module: str) -> Path:
    place = project.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def version(name: str) -> str:
    """Of an installed library, without the part that names a build."""
    return importlib.metadata.version(name).split("+")[0]
