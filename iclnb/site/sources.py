"""The sources of the book: a folder with pages, executed notebooks, downloads and configuration."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import yaml

from iclnb import paths
from iclnb.ladders import SUFFIX
from iclnb.records import status
from iclnb.records.own import Own
from iclnb.run import notebooks, run_one
from iclnb.site import architectures_page, bench, data_dictionary, here, pages, repository
from iclnb.site.results import claim_rows, margins, results_page
from iclnb.site.results import runs as all_runs
from iclnb.site.results.claim_rows import Row
from iclnb.site.summary import front_page, reproduction_page


def lay_out(project: Path, names: Sequence[str], target: Path) -> Path:
    """Lay out the whole book, with these chapters, in the place of ``target``.

    Raises IclnbError if ``book/papers.toml`` or ``book/margins.toml`` cannot be read, or a sentence does not hold.
    """
    with paths.replacing(target) as folder:
        _frame(project, folder)
        shutil.copyfile(project / "_toc.yml", folder / "_toc.yml")
        titles = {name: _title(project, name) for name in names}
        runs = all_runs.runs(project, names)
        rows = claim_rows.rows(runs, titles)
        for name in names:
            to = run_one.outputs(project, name)
            _chapter(project, name, to, folder, [row for row in rows if row.chapter == name])
        front = folder / "book" / "introduction.md"
        computed = {
            "book/introduction.md": front_page.fill(front.read_text("utf-8"), project, titles, runs, rows),
            "book/results.md": results_page.page(titles, runs, rows, margins.read(project)),
            "book/reproduction.md": reproduction_page.page(project, titles, runs, rows),
            "book/architectures.md": architectures_page.page(project),
            "book/benchmark.md": bench.page(project),
            "book/benchmark_gpu.md": bench.page(project, "cuda"),
            "book/data_dictionary.md": data_dictionary.page(project, titles),
            "downloads/claims.json": claim_rows.as_json(rows),
            "downloads/claims.csv": claim_rows.as_csv(rows),
        }
        for name, text in computed.items():
            (folder / name).write_text(text, encoding="utf-8")
    return target


def lay_out_own(project: Path, one: Own, folder: Path) -> Path:
    """Lay out one chapter, with a run of one's own in the place of the book's.

    Raises IclnbError if the files of the run are damaged.
    """
    name = one.notebook
    _frame(project, folder)
    listed = {"format": "jb-book", "root": f"notebooks/{name}", "chapters": [{"file": "book/bibliography"}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    rows = claim_rows.rows(all_runs.runs(project, [name], instead=one), {name: _title(project, name)})
    _chapter(project, name, one.outputs, folder, rows)
    return folder


def _title(project: Path, name: str) -> str:
    return notebooks.title(notebooks.read(notebooks.source(project, name)))


def _frame(project: Path, folder: Path) -> None:
    """What every book has: the folder ``book/``, the configuration, folders for the rest."""
    shutil.copytree(project / "book", folder / "book", ignore=shutil.ignore_patterns("recorded"))
    config = yaml.safe_load((project / "_config.yml").read_text(encoding="utf-8"))
    config = repository.configuration(config)
    (folder / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for part in ("notebooks", "downloads"):
        (folder / part).mkdir()


def _chapter(project: Path, name: str, to: run_one.Outputs, folder: Path, rows: Sequence[Row]) -> None:
    """Put one chapter's page and its downloads in place."""
    source = notebooks.source(project, name)
    plain = repository.for_colab(notebooks.read(source), repository.read(project))
    (folder / "downloads" / f"{name}.ipynb").write_text(nbformat.writes(plain) + "\n", encoding="utf-8")
    downloads = {f"../downloads/{name}.ipynb": "notebook"}
    for file, ending, kind in (
        (to.executed, "-executed.ipynb", "notebook with outputs"), (source, ".py", "Python script"),
        (to.results, ".json", "results"), (to.results.with_suffix(SUFFIX), SUFFIX, "findings (netCDF)"),
    ):  # fmt: skip
        if file.is_file():
            shutil.copyfile(file, folder / "downloads" / f"{name}{ending}")
            downloads[f"../downloads/{name}{ending}"] = kind
    results = json.loads(to.results.read_text(encoding="utf-8"))
    section = here.section(rows, results, status.of_notebook(project, name, to).state)
    page = pages.page(source, nbformat.read(to.executed, as_version=4), results, downloads, section)
    page = pages.with_origins(page, project, name)
    (folder / "notebooks" / f"{name}.ipynb").write_text(nbformat.writes(page), encoding="utf-8")
