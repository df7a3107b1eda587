"""The runs that the head explorer offers: its list, and a script of data for each record."""

import json
from collections.abc import Iterable

from iclnb.site.results.runs import Run


def scripts(listed: Iterable[Run]) -> dict[str, str]:
    """Scripts by name: ``runs.js`` is the list, and each other holds what one recorded run shows.

    Scripts, not JSON, since a page opened from a disk may load those alone.

    Args:
        listed: runs whose values may have ``explorer`` (:func:`iclnb.heads.explorer.for_page`).
    """
    shown = [run for run in listed if run.recorded and "explorer" in run.results.get("values", {})]
    files = {f"run-{i}.js": _data(i, run) for i, run in enumerate(shown)}
    runs = [{"title": _title(run), "file": file} for run, file in zip(shown, files, strict=True)]
    return {"runs.js": f"window.iclnbRuns = {json.dumps(runs)};\n", **files}


def _title(run: Run) -> str:
    return f"{run.name}, {'stale record' if run.stale else 'record'}"


def _data(i: int, run: Run) -> str:
    data = json.dumps(run.results["values"]["explorer"], ensure_ascii=False, separators=(",", ":"))
    return f"window.iclnbRuns[{i}].data = {data};\n"
