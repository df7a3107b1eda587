"""Types and shapes of arguments and results, checked in every test by jaxtyping and beartype.

Users run without: what they may get wrong, the package's functions refuse by themselves. Tests of that are
marked ``wrong_arguments``, which turns the checks off.
"""

import dataclasses
from pathlib import Path

import jaxtyping
from beartype import BeartypeConf, beartype
from beartype.door import is_bearable

TOWER = BeartypeConf(is_pep484_tower=True)
"""A whole number will do for a float."""

check = beartype(conf=TOWER)


refused = []
"""What was refused in this test, also where an ``except`` of the package or of a library swallowed it."""


def install():
    """Check what is imported from now on."""
    jaxtyping.TypeCheckError.__init__ = lambda self, *words: refused.append(words)
    package = Path(__file__).parents[1] / "iclnb"
    parts = {path.stem for path in package.iterdir() if path.stem.isidentifier() and path.stem[0] != "_"}
    jaxtyping.install_import_hook([f"iclnb.{part}" for part in sorted(parts)], "shapes.check")
    _check_findings_as_kept()


def _check_findings_as_kept():
    """Findings are made of all that becomes an array: their fields are checked once they are arrays."""
    from iclnb.findings import Findings

    keep = Findings.__post_init__

    def keep_and_check(self):
        keep(self)
        if jaxtyping.config.jaxtyping_disable or type(self).__module__.split(".")[0] != "iclnb":
            return
        with jaxtyping.jaxtyped("context"):
            for field in dataclasses.fields(self):
                if not is_bearable(getattr(self, field.name), field.type, conf=TOWER):
                    raise jaxtyping.TypeCheckError(f"{type(self).__name__}.{field.name} is no {field.type}")

    Findings.__no_type_check__ = True  # what its parts are made of
    Findings.__post_init__ = keep_and_check
