"""Pictures of computed pages, kept from build to build; drawn anew if what they show or the code changed."""

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import iclnb
from iclnb import paths
from iclnb.figures import Picture
from iclnb.keys import imports
from iclnb.keys.fingerprint import fingerprint


def folder(project: Path) -> Path:
    """Where a checkout keeps pictures."""
    return project / "build" / "pictures"


def html(draw: Callable[[Any], Picture], shown: Any, place: Path) -> str:
    """The picture as it stands in a page; the ``repr`` of what is shown must tell all of it."""
    file = place / f"{draw.__name__}-{_key(draw, shown)}.html"
    if not file.is_file():
        paths.write(file, draw(shown)._repr_html_())
    return file.read_text(encoding="utf-8")


def _key(draw: Callable[[Any], Picture], shown: Any) -> str:
    source = Path(inspect.getfile(inspect.unwrap(draw))).resolve()
    root = Path(iclnb.__file__).resolve().parents[1]
    code = fingerprint(sorted({source, *imports.package_files(root, source)}))
    return hashlib.sha256(f"{code} {version('matplotlib')} {shown!r}".encode()).hexdigest()[:20]
