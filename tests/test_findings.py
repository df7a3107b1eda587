"""Findings: saved and read back, opened by others, refused where they are not what their type says."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Bool, Float, Float64, Int

from iclnb import findings
from iclnb.errors import IclnbError
from iclnb.findings import Findings, variable


@dataclass(frozen=True, kw_only=True)
class Everything(Findings):
    """Of every kind."""

    coordinates: ClassVar = {"arm": ("shared", "fresh"), "point": (0.0, 0.125, 0.25, 0.5, 1.0)}

    rate: Float[np.ndarray, "arm point"] = variable("how often", unit="1")
    exact: Float64[np.ndarray, " point"] = variable("to the last digit", unit="nats")
    rough: Float[np.ndarray, " point"] = variable("to a hundredth", unit="1", bits=7)
    right: Bool[np.ndarray, " point"] = variable("whether", unit="yes or no")
    label: Int[np.ndarray, "arm point"] = variable("which", unit="label")
    extra: Float[np.ndarray, " head"] | None = variable("not always", unit="1", default=None)
    layers: int = variable("how many", unit="layers")
    share: float = variable("how much", unit="1")
    best: str = variable("its name", unit="name")
    cued: bool = variable("whether", unit="yes or no")


def everything(**changes):
    rng = np.random.default_rng(0)
    values = {
        "rate": rng.random((2, 5)), "exact": rng.random(5), "rough": rng.normal(size=5),
        "right": rng.random(5) < 0.5, "label": rng.integers(3, size=(2, 5)), "layers": 28, "share": 0.1,
        "best": "17/10 é", "cued": True,
    }  # fmt: skip
    return Everything(**values | changes)


@pytest.mark.parametrize("extra", [None, np.array([np.nan, -0.0, np.inf])])
def test_what_is_saved_is_what_is_read(tmp_path, extra):
    made = everything(extra=extra, origins={"model": {"name": "m"}})
    path = made.save(tmp_path / "a.nc", {"provenance": {"model": {"name": "m"}}, "parameters": {"k": 16}})
    read = Everything.load(path)
    assert findings.same(made.dataset(), read.dataset()) == 0 and read.origins == made.origins
    for name in ("rate", "exact", "rough", "right", "label"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
        assert getattr(made, name).dtype == getattr(read, name).dtype
    assert (read.layers, read.share, read.best, read.cued) == (28, 0.1, "17/10 é", True)
    assert findings.attributes(path)["parameters"] == {"k": 16}
    assert made.exact.dtype == float and made.rate.dtype == np.float32


def test_others_open_it_in_one_line(tmp_path):
    """Coordinates are saved as what they are: names, or numbers."""
    made = everything()
    data = xarray.load_dataset(made.save(tmp_path / "a.nc"))
    np.testing.assert_array_equal(data["point"].values + 1, [1, 1.125, 1.25, 1.5, 2])
    assert data.rate.sel(arm="fresh").values.tolist() == made.rate[1].tolist()
    assert data.rate.attrs == {"long_name": "how often", "units": "1"} and data.rate.dims == ("arm", "point")


def test_the_data_dictionary_is_made_from_the_type():
    told = {field.name: field for field in findings.variables(Everything)}
    names = ["rate", "exact", "rough", "right", "label", "extra", "layers", "share", "best", "cued"]
    assert list(told) == names and set(everything().dataset().data_vars) == {*names} - {"extra"}
    assert told["rate"][1:5] == ("float32", ("arm", "point"), "how often", "1")
    assert told["extra"].optional and not told["rate"].optional and told["rough"].bits == 7
    assert told["layers"].kind == "whole number" and told["layers"].dimensions == ()


@given(arrays(np.float32, 20, elements=st.floats(-1e6, 1e6, width=32)))
def test_bits_that_are_kept_bound_the_relative_error(values):
    kept = findings._rounded(values, 7)
    assert np.all(np.abs(kept - values) <= np.abs(values) * 2.0**-8 + 1e-38)
    assert np.array_equal(findings._rounded(kept, 7), kept)  # what is recorded is what was judged


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": np.zeros(5)}, "expected"),
        ({"rate": np.zeros((3, 5))}, "3 along arm, elsewhere 2"),
        ({"exact": np.zeros(4)}, "4 along point, elsewhere 5"),
    ],
)
def test_shapes_are_those_of_the_type(changes, message):
    with pytest.raises(ValueError, match=message):
        everything(**changes)


@dataclass(frozen=True, kw_only=True)
class Newer(Everything):
    """With a field more."""

    more: Float[np.ndarray, " point"] = variable("new", unit="1")


@dataclass(frozen=True, kw_only=True)
class Renamed(Everything):
    """With other places."""

    coordinates: ClassVar = {"arm": ("shared", "own")}


@pytest.mark.parametrize(("kind", "message"), [(Newer, "has no more"), (Renamed, "other places")])
def test_files_of_another_version_are_refused(tmp_path, kind, message):
    path = everything().save(tmp_path / "a.nc")
    with pytest.raises(IclnbError, match=message):
        kind.load(path)
    path.write_bytes(b"garbage")
    with pytest.raises(IclnbError, match="holds no findings"):
        Everything.load(path)


def test_differences_are_seen():
    made = everything()

    def apart(**change):
        return findings.same(made.dataset(), everything(**change).dataset())

    assert apart() == 0
    assert apart(exact=made.exact + np.array([0, 0, 3e-4, 0, 0])) == pytest.approx(3e-4)
    missing = np.where(np.arange(5) == 1, np.nan, made.exact)
    for change in (
        {"label": 1 - made.label}, {"best": "x"}, {"layers": 27}, {"extra": np.ones(2)}, {"exact": missing},
    ):  # fmt: skip
        assert apart(**change) == np.inf
