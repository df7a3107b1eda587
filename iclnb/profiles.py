"""How large a run is: every notebook has the profiles ``smoke``, ``laptop`` and ``paper``."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from iclnb.errors import unknown

PROFILES = ("smoke", "laptop", "paper")
"""Seconds to see that everything runs; minutes on two cores; the paper's own sizes and models."""


def choose(profile: str, sizes: Mapping[str, Mapping[str, Any]], **overrides: Any) -> SimpleNamespace:
    """The settings of one profile, with what the user set by hand in their place.

    Args:
        profile: one of :data:`PROFILES`.
        sizes: for each profile, a value for every setting.
        overrides: settings given by hand; ``None`` leaves the profile's value.

    Returns:
        A namespace with one attribute for each setting.

    Raises:
        IclnbError: if the profile or an overridden setting is unknown; the message lists the known ones.
    """
    if profile not in sizes:
        raise unknown("profile", profile, sizes)
    settings = dict(sizes[profile])
    for name, value in overrides.items():
        if name not in settings:
            raise unknown("setting", name, settings)
        if value is not None:
            settings[name] = value
    return SimpleNamespace(**settings)
