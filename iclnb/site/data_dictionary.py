"""The data dictionary: every variable of every chapter's findings, as their types declare it."""

from collections.abc import Mapping
from pathlib import Path

from iclnb.display import table
from iclnb.ladders import SUFFIX

INTRODUCTION = """# Data dictionary

Each chapter keeps what it measures as *findings*: all numbers that its claims, tables and figures need, and no text
of the data and no model. They are netCDF files with named dimensions. Recorded runs lie in the repository under
`book/recorded/<chapter>/<model>/<task>.nc`; those of this machine lie in `build/results/`. One line of Python opens
them:

```python
import xarray
data = xarray.load_dataset("book/recorded/02_attention_allocation/smollm2-135m-instruct/sst2.nc")
```

Attributes of a file, as JSON: `parameters` of the run, `provenance` (model, data, revision, versions, machine,
cost) and `key` (the code that measured, by file).
"""


def page(project: Path, titles: Mapping[str, str]) -> str:
    """The page in Markdown."""
    parts = [INTRODUCTION]
    for name, title in titles.items():
        path = project / "build" / "results" / f"{name}{SUFFIX}"
        if path.is_file():
            parts += [f"## [{title}](../notebooks/{name})", _chapter(path)]
    return "\n\n".join(parts) + "\n"


def _chapter(path: Path) -> str:
    """A chapter's variables, and a line for each dimension whose places have names."""
    import xarray

    with xarray.open_dataset(path, engine="h5netcdf") as data:
        rows = [
            (name, array.attrs["long_name"], ", ".join(map(str, array.dims)) or "-", array.attrs["units"])
            for name, array in data.data_vars.items()
        ]
        places = [f"`{name}`: {', '.join(map(str, named.values))}." for name, named in data.coords.items()]
    return "\n\n".join([table(("variable", "meaning", "dimensions", "unit"), rows).data, *places])
