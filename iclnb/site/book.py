"""Build the book: run what changed, lay the pages out, let Jupyter Book make HTML of them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

import iclnb
from iclnb import paths
from iclnb.errors import IclnbError, unknown
from iclnb.records import records
from iclnb.records.own import Own
from iclnb.run import notebooks, run_many, run_one
from iclnb.run.run_many import Failure, Task
from iclnb.settings import PROFILES
from iclnb.site import repository


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
        target, made = project / "_build" / "html", project / "build" / "site.sha256"
        content = _content(project)
        if not force and (target / "index.html").is_file() and made.is_file() and made.read_text() == content:
            report("the pages: up to date")
            return target / "index.html"
        report("building the pages")
        from iclnb.site import sources  # with Matplotlib and SciPy, only where they are wanted

        made.unlink(missing_ok=True)
        pages = sources.lay_out(project, chapters(project), project / "build" / "site-source")
        index = _html(pages, project / "build" / "site", target)
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
    listed = yaml.safe_load((project / "_toc.yml").read_text(encoding="utf-8"))
    return re.findall(r'"(?:root|file)": "notebooks/(\w+)"', json.dumps(listed))


def own_page(project: Path, one: Own) -> Path:
    """The page of a chapter with a run of one's own in the place of the book's, in the folder of the run.

    Raises IclnbError if the files of the run are damaged, or Jupyter Book fails.
    """
    from iclnb.site import sources

    with tempfile.TemporaryDirectory(dir=one.folder, prefix=".page-") as scratch:
        pages = sources.lay_out_own(project, one, Path(scratch) / "sources")
        _html(pages, Path(scratch) / "site", one.folder / "page", strict=False)
    return one.folder / "page" / "notebooks" / f"{one.notebook}.html"


def _content(project: Path) -> str:
    """A hash of all that the pages are made from: notebooks, runs, records and their states, the package."""
    package = Path(iclnb.__file__).parent
    runs = [project / "build" / part for part in ("results", "executed")]
    files = [*project.glob("_*.yml"), *(project / "notebooks").glob("*.py")]
    for folder in (package, project / "book", *runs):
        files += (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    parts = [f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(files)]
    parts += (f"{one.path} {records.stale(project, one)}" for one in records.all_records(project))
    return hashlib.sha256("\n".join([version("jupyter-book"), *parts]).encode()).hexdigest()


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
