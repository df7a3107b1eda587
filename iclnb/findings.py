"""Findings: all numbers that a chapter's claims, tables and figures need, and no text and no model.

A chapter's findings are a frozen dataclass whose fields say their dimensions, meaning and unit::

    @dataclass(frozen=True, kw_only=True)
    class Allocation(Findings):
        coordinates: ClassVar = {"group": ("labels", "first token")}
        ratio: Float[np.ndarray, "group prompt layer"] = variable("attention over its uniform share", unit="1")

They are saved as netCDF, which ``xarray.load_dataset(path)`` opens anywhere; provenance and key are attributes of
the file. ``Float`` is kept in single precision, ``Float64`` in double.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, get_args

import numpy as np

from iclnb import paths
from iclnb.errors import IclnbError

if TYPE_CHECKING:
    import xarray

_KINDS = {"Float": "float32", "Float32": "float32", "Float64": "float64", "Int": "int64", "Bool": "bool"}
_SCALARS = {int: "whole number", float: "number", str: "name", bool: "yes or no"}


class Variable(NamedTuple):
    """One field of findings."""

    name: str  # of the field
    kind: str  # `float32`, `float64`, `int64`, `bool`, or of a scalar `whole number` and so on
    dimensions: tuple[str, ...]  # their names; empty for a scalar
    meaning: str  # in words
    unit: str  # `1` for a ratio, else a word ("nats", "layers")
    optional: bool  # whether a run may leave it out
    bits: int | None  # of the mantissa that are kept; `None` for all


def variable(meaning: str, *, unit: str, bits: int | None = None, **default: Any) -> Any:
    """A field of findings.

    Args:
        unit: ``1`` for a ratio, else a word ("nats", "layers").
        bits: of the mantissa that are kept, of single precision's 23: 12 for a relative error of 0.0001, 8 for
            0.002. Fewer make smaller files.
        default: ``default=None`` for a field that a run may leave out.
    """
    return dataclasses.field(metadata={"meaning": meaning, "unit": unit, "bits": bits}, **default)


F = TypeVar("F", bound="Findings")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The base of every chapter's findings.

    Raises ValueError if an array has not as many dimensions as its field says, or two fields disagree on the
    size of a dimension.
    """

    # for some dimensions the names, or the numbers, of their places
    coordinates: ClassVar[Mapping[str, Sequence[str | float]]] = {}
    # where the model and the data came from (`model`, `data`), for the provenance
    origins: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {name: len(places) for name, places in self.coordinates.items()}
        for field in variables(type(self)):
            value = getattr(self, field.name)
            if value is None and field.optional:
                continue
            if field.kind in _SCALARS.values():
                value = value.item() if isinstance(value, np.generic) else value
            else:
                value = _rounded(np.asarray(value, field.kind), field.bits)
                if value.ndim != len(field.dimensions):
                    raise ValueError(f"{field.name}: expected {field.dimensions}, got {value.shape}")
                for name, size in zip(field.dimensions, value.shape, strict=True):
                    if sizes.setdefault(name, size) != size:
                        raise ValueError(f"{field.name}: {size} along {name}, elsewhere {sizes[name]}")
            object.__setattr__(self, field.name, value)

    def dataset(self, attributes: Mapping[str, Any] | None = None) -> "xarray.Dataset":
        """The findings with named dimensions; attributes are kept as JSON."""
        import xarray

        arrays = {}
        for field in variables(type(self)):
            value = getattr(self, field.name)
            if value is None:
                continue
            arrays[field.name] = (field.dimensions, value, {"long_name": field.meaning, "units": field.unit})
        used = {name for dims, *_ in arrays.values() for name in dims}
        places = {name: list(named) for name, named in self.coordinates.items() if name in used}
        facts = {name: json.dumps(value, default=str) for name, value in (attributes or {}).items()}
        return xarray.Dataset(arrays, places, {"findings": type(self).__name__} | facts)

    def save(self, path: Path, attributes: Mapping[str, Any] | None = None) -> Path:
        """Write the findings as netCDF, in one step."""
        data = self.dataset(attributes)
        packed = {
            name: {"zlib": True, "complevel": 9, "shuffle": True}
            for name, array in data.data_vars.items()
            if array.ndim and array.dtype.kind in "fiub"
        }
        with paths.replacing(path) as temporary:
            data.to_netcdf(temporary, engine="h5netcdf", encoding=packed)
        return path

    @classmethod
    def load(cls: type[F], path: Path) -> F:
        """The findings of a file.

        Raises IclnbError if it holds findings of another kind, or of an earlier version of these.
        """
        import xarray

        try:
            data = xarray.load_dataset(path, engine="h5netcdf")
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        values: dict[str, Any] = {}
        for field in variables(cls):
            if field.name not in data.variables:
                if not field.optional:
                    raise IclnbError(
                        f"{path} has no {field.name}: it is of an earlier version; measure it again"
                    )
                values[field.name] = None
                continue
            array = data[field.name]
            if array.dims != field.dimensions:
                raise IclnbError(f"{path}: {field.name} has dimensions {array.dims}; measure it again")
            values[field.name] = array.values if field.dimensions else array.item()
        for name, places in cls.coordinates.items():
            if name in data.coords and list(map(str, data[name].values)) != list(map(str, places)):
                raise IclnbError(f"{path}: {name} names other places; measure it again")
        return cls(**values, origins=_facts(data.attrs).get("provenance", {}))


def attributes(path: Path) -> dict[str, Any]:
    """The attributes of a file of findings. Raises IclnbError if it is not one."""
    import h5netcdf

    try:
        with h5netcdf.File(path) as file:
            return _facts(file.attrs)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _facts(attributes: Mapping[str, str]) -> dict[str, Any]:
    """Attributes read back from JSON."""
    return {name: json.loads(text) for name, text in attributes.items() if name != "findings"}


def variables(kind: type[Findings]) -> list[Variable]:
    """The fields of a type of findings, in order: its part of the data dictionary."""
    return [_variable(field) for field in dataclasses.fields(kind) if "unit" in field.metadata]


def same(one: "xarray.Dataset", other: "xarray.Dataset") -> float:
    """The largest :func:`difference` between two sets of findings (:meth:`Findings.dataset`, or what a file holds).

    Infinite where one has a variable that the other has not, or a name differs.
    """
    if {*one.variables} != {*other.variables}:
        return np.inf
    return max((difference(one[name].values, other[name].values) for name in one.variables), default=0.0)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two arrays, relative to the larger of one and their size.

    Infinite where shapes, whole numbers or missing values differ.
    """
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return np.inf
    if one.dtype.kind != "f":
        return 0.0 if np.array_equal(one, other) else np.inf
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return np.inf
    one, other = (np.nan_to_num(array.astype(float)) for array in (one, other))
    return float(np.max(np.abs(one - other) / np.maximum(1, np.abs(one)), initial=0))


def _variable(field: dataclasses.Field) -> Variable:
    parts = [part for part in get_args(field.type) if part is not type(None)]
    optional = bool(parts)
    kind = parts[0] if optional else field.type
    if kind in _SCALARS:
        name, dimensions = _SCALARS[kind], ()
    else:
        name, dimensions = _KINDS[kind.__name__.partition("[")[0]], tuple(kind.dim_str.split())
    facts = field.metadata
    return Variable(field.name, name, dimensions, facts["meaning"], facts["unit"], optional, facts["bits"])


def _rounded(values: np.ndarray, bits: int | None) -> np.ndarray:
    """Single-precision numbers with so many bits of their mantissa, rounded to the nearest, ties to even."""
    if bits is None:
        return values
    drop = 23 - bits
    whole = values.view(np.uint32)
    half = np.uint32((1 << (drop - 1)) - 1) + ((whole >> np.uint32(drop)) & np.uint32(1))
    kept = ((whole + half) & ~np.uint32((1 << drop) - 1)).view(np.float32)
    return np.where(np.isfinite(values), kept, values)


def _unreadable(path: Path, error: Exception) -> IclnbError:
    return IclnbError(f"{path} holds no findings ({error}); delete it and measure it again")
