"""The pages and files of the book that are computed from results: written into the folder of its sources."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from iclnb.site import architectures_page, bench, data_dictionary
from iclnb.site.results import claim_rows, margins, results_page
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import Run
from iclnb.site.summary import front_page, reproduction_page


def write(
    project: Path,
    folder: Path,
    titles: Mapping[str, str],
    runs: Mapping[str, Sequence[Run]],
    rows: Sequence[Row],
) -> None:
    """Write every page that is computed and the downloads, and fill in the front page.

    Args:
        folder: the book's sources, with a copy of ``book/`` and the folder ``downloads``.

    Raises:
        IclnbError: if ``book/papers.toml`` or ``book/margins.toml`` cannot be read, or a sentence does not hold.
    """
    front = (folder / "book" / "introduction.md").read_text(encoding="utf-8")
    made = {
        "book/introduction.md": front_page.fill(front, project, titles, runs, rows),
        "book/results.md": results_page.page(titles, runs, rows, margins.read(project)),
        "book/reproduction.md": reproduction_page.page(project, titles, runs, rows),
        "book/architectures.md": architectures_page.page(project),
        "book/benchmark.md": bench.page(project),
        "book/data_dictionary.md": data_dictionary.page(project, titles),
        "book/benchmark_gpu.md": bench.page(project, "cuda"),
        "downloads/claims.json": claim_rows.as_json(rows),
        "downloads/claims.csv": claim_rows.as_csv(rows),
    }
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
