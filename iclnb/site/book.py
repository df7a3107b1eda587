"""Build the book: run what changed, lay the pages out, let Jupyter Book make HTML of them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import yaml
from filelock import FileLock, Timeout

import iclnb
from iclnb import paths
from iclnb.errors import IclnbError, unknown
from iclnb.keys.fingerprint import fingerprint
from iclnb.ladders import SUFFIX
from iclnb.records import records, status
from iclnb.records.own import Own
from iclnb.run import notebooks, run_many, run_one
from iclnb.run.run_many import Failure, Task
from iclnb.settings import PROFILES
from iclnb.site import computed_pages, here, origins, pages, repository
from iclnb.site.results import claim_rows
from iclnb.site.results import runs as all_runs
from iclnb.site.results.claim_rows import Row

PAGES = (".md", ".ipynb", ".py", ".rst", ".txt")  # Ends of the names of pages


def build(
    project: Path,
    profile: str,
    *,
    force: bool = False,
    jobs: int | None = None,
    report: Callable[[str], None],
) -> Path:
    """Run every notebook of the table of contents that changed, and build the book from all; gives its first page.

    A notebook that fails stops no other; those that finished, before the process was killed too, are not run
    again. The built pages take the place of the old ones only if the build succeeds without a warning. A
    second build of the same checkout waits for the first.

    Args:
        jobs: notebooks that run at a time; ``None`` for what the machine allows.

    Raises:
        IclnbError: if the profile is unknown, a notebook fails, or Jupyter Book warns of anything.
    """
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    with _alone(project / "build", report):
        tasks = _changed(project, profile, force, report)
        _raise(run_many.run_all(project, tasks, jobs=jobs, report=report), len(tasks))
        sources = stage(project, project / "build" / "site-source")
        target, made = project / "_build" / "html", project / "build" / "site.sha256"
        content = _content(sources)
        if not force and (target / "index.html").is_file() and made.is_file() and made.read_text() == content:
            report("the pages: up to date")
            return target / "index.html"
        report("building the pages")
        made.unlink(missing_ok=True)
        index = _html(sources, project / "build" / "site", target)
        made.write_text(content)
        return index


def _changed(project: Path, profile: str, force: bool, report: Callable[[str], None]) -> list[Task]:
    """The notebooks that are to run; a line for each of the others."""
    tasks = []
    for name in chapters(project):
        known = notebooks.parameters(notebooks.source(project, name))
        parameters = {"profile": profile} if "profile" in known else {}
        reasons = ["forced"] if force else run_one.why_stale(project, name, parameters)
        if reasons:
            tasks.append(Task(name, parameters, f"profile {profile} ({'; '.join(reasons)})"))
        else:
            report(f"{name}: up to date")
    seconds = _seconds(project) if tasks else {}
    return [task._replace(seconds=seconds.get(task.name, 0.0)) for task in tasks]


def _seconds(project: Path) -> dict[str, float]:
    """What each notebook took in its fastest recorded run."""
    found: dict[str, float] = {}
    for record in records.all_records(project):
        found[record.notebook] = min(record.seconds, found.get(record.notebook, record.seconds))
    return found


def _raise(failures: Sequence[Failure], ran: int) -> None:
    """The messages of all notebooks that failed, as one."""
    if failures:
        messages = "\n\n".join(failure.message for failure in failures)
        names = ", ".join(failure.name for failure in failures)
        done = "" if len(failures) == ran else "; the others are done and will not run again"
        raise IclnbError(f"{messages}\n\n{len(failures)} of {ran} notebooks failed ({names}){done}")


@contextmanager
def _alone(build: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process builds this checkout's book, then keep others waiting."""
    try:
        build.mkdir(exist_ok=True)
        lock = FileLock(build / ".lock-book")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report("another `iclnb book` is at work here; waiting for it")
            lock.acquire()
    except OSError as error:
        raise IclnbError(
            f"the folder {build} cannot be written ({error}); earlier results are as they were"
        ) from error
    try:
        yield
    finally:
        lock.release()


def chapters(project: Path) -> list[str]:
    """The names of the notebooks that the table of contents lists, in its order."""
    return [Path(file).stem for file in listed_pages(project) if file.startswith("notebooks/")]


def listed_pages(project: Path) -> list[str]:
    """The pages of the table of contents, in its order; what a ``glob`` stands for among them, sorted."""

    def files(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (node[key] for key in ("root", "file") if key in node)
            found = (
                (path.relative_to(project) for path in project.glob(node["glob"])) if "glob" in node else ()
            )
            yield from sorted({path.with_suffix("").as_posix() for path in found if path.suffix in PAGES})
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from files(child)

    return list(files(yaml.safe_load((project / "_toc.yml").read_text(encoding="utf-8"))))


def stage(project: Path, target: Path) -> Path:
    """Lay out a folder for Jupyter Book: pages, executed notebooks, downloads, results, configuration."""
    with paths.replacing(target) as folder:
        _stage_frame(project, folder)
        shutil.copyfile(project / "_toc.yml", folder / "_toc.yml")
        names = chapters(project)
        titles = {name: notebooks.title(notebooks.read(notebooks.source(project, name))) for name in names}
        runs = all_runs.runs(project, names)
        rows = claim_rows.rows(runs, titles)
        for name in names:
            to = run_one.outputs(project, name)
            _stage_notebook(project, name, to, folder, [row for row in rows if row.chapter == name])
        computed_pages.write(project, folder, titles, runs, rows)
        for page in listed_pages(project):
            _stage_page(project, page, folder)
    return target


def own_page(project: Path, one: Own) -> Path:
    """The page of a chapter with a run of one's own in the place of the book's, in the folder of the run.

    Raises IclnbError if the files of the run are damaged, or Jupyter Book fails.
    """
    name, to = one.notebook, one.outputs
    titles = {name: notebooks.title(notebooks.read(notebooks.source(project, name)))}
    rows = claim_rows.rows(all_runs.runs(project, [name], instead=one), titles)
    with tempfile.TemporaryDirectory(dir=one.folder, prefix=".page-") as scratch:
        sources = Path(scratch) / "sources"
        _stage_frame(project, sources)
        listed = {
            "format": "jb-book",
            "root": f"notebooks/{name}",
            "chapters": [{"file": "book/bibliography"}],
        }
        (sources / "_toc.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
        _stage_notebook(project, name, to, sources, rows)
        _html(sources, Path(scratch) / "site", one.folder / "page", strict=False)
    return one.folder / "page" / "notebooks" / f"{name}.html"


def _stage_frame(project: Path, folder: Path) -> None:
    """What every book has: the folder ``book/``, the configuration, folders for the rest."""
    shutil.copytree(project / "book", folder / "book", ignore=shutil.ignore_patterns("recorded"))
    config = yaml.safe_load((project / "_config.yml").read_text(encoding="utf-8"))
    config = repository.configuration(config)
    (folder / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for part in ("notebooks", "downloads"):
        (folder / part).mkdir()


def _stage_page(project: Path, page: str, folder: Path) -> None:
    """Put a page in place that lies neither in ``book/`` nor in ``notebooks/``, with the folder it lies in."""
    top = Path(page).parts[0]
    if top not in {"book", "notebooks"} and (project / top).is_dir():
        shutil.copytree(project / top, folder / top, dirs_exist_ok=True)
    for name in ("", *PAGES):
        if (project / (page + name)).is_file() and "/" not in page:
            shutil.copyfile(project / (page + name), folder / (page + name))
        if (folder / (page + name)).is_file():
            return
    raise IclnbError(f"_toc.yml lists {page}, and there is no such page ({', '.join(PAGES)})")


def _stage_notebook(project: Path, name: str, to: run_one.Outputs, folder: Path, rows: Sequence[Row]) -> None:
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
    page = origins.mark(page, project, name)
    (folder / "notebooks" / f"{name}.ipynb").write_text(nbformat.writes(page), encoding="utf-8")


def _content(sources: Path) -> str:
    """A hash of all that the pages are made from: their sources, Jupyter Book, and what is done after it."""
    files = sorted(path for path in sources.rglob("*") if path.is_file())
    package = Path(iclnb.__file__).parent
    documented = sorted(
        [package / "api.py", package / "kernel_regression.py", *(package / "llm").rglob("*.py")]
    )
    code = fingerprint(package / "site" / name for name in ("book.py", "repository.py"))
    parts = [code, version("jupyter-book")]
    parts += [
        f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for root, listed in ((sources, files), (package, documented))  # the page of the API is of docstrings
        for path in listed
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _html(sources: Path, output: Path, target: Path, *, strict: bool = True) -> Path:
    """Build ``sources``, as a rule with warnings as errors, then put the HTML in the place of ``target``."""
    shutil.rmtree(output, ignore_errors=True)
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    options = [*(["-W"] if strict else []), "--keep-going", "--all", "--path-output", str(output)]
    log = output.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with log.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-c", start, "build", str(sources), *options]
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        signs = ("WARNING", "ERROR", "Error:", "error:")
        warnings = [line for line in lines if any(sign in line for sign in signs)]
        raise IclnbError(
            "Jupyter Book failed; the old pages stay as they were. Its messages:\n"
            + "\n".join(warnings[:20] or lines[-20:])
            + f"\nAll of it: {log}"
        )
    _correct(output / "_build" / "html", repository.read(sources))
    with paths.replacing(target) as temporary:
        (output / "_build" / "html").rename(temporary)
    return target / "index.html"


def _correct(html: Path, address: repository.Repository) -> None:
    """What is changed in every page that Jupyter Book made: Colab's links, and a list without list items.

    Readers who do not see a page would hear of an empty list.
    """
    claims_a_list = '<div role="list" class="citation-list">'
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        changed = text.replace(claims_a_list, '<div class="citation-list">')
        changed = repository.colab_links(changed, address)
        if changed != text:
            page.write_text(changed, encoding="utf-8")
