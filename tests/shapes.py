"""Types and shapes of arguments and results, checked in every test by jaxtyping and beartype.

Users run without: what they may get wrong, the package's functions refuse by themselves. Tests of that are
marked ``wrong_arguments``, which turns the checks off.
"""

from pathlib import Path

import jaxtyping
from beartype import BeartypeConf, beartype

UNCHECKED = {"bayes", "heads", "lsa"}
"""Parts of the package that are not checked yet."""

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""A whole number will do for a float."""


refused = []
"""What was refused in this test, also where an ``except`` of the package or of a library swallowed it."""


def install():
    """Check what is imported from now on."""
    jaxtyping.TypeCheckError.__init__ = lambda self, *words: refused.append(words)
    package = Path(__file__).parents[1] / "iclnb"
    parts = {path.stem for path in package.iterdir() if path.stem.isidentifier() and path.stem[0] != "_"}
    jaxtyping.install_import_hook([f"iclnb.{part}" for part in sorted(parts - UNCHECKED)], "shapes.check")
