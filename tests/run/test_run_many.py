"""Many notebooks at a time: each in a fresh process, each failing alone, none of them left running."""

import json
import re
import signal
import subprocess
import sys

import pytest
from throwaway import QUICK, alive, checkout, command, listed, made, outputs, wait_for

from iclnb.errors import IclnbError
from iclnb.run import run_many
from iclnb.run.run_many import Task
from iclnb.site import book

MEET = """import time
print("threads", os.environ.get("OMP_NUM_THREADS"))
Path("here-NAME").write_text(str(os.getpid()))
deadline = time.monotonic() + 300
while not Path("here-OTHER").exists():
    assert time.monotonic() < deadline, "the other never came"
    time.sleep(0.02)
if fail:
"""
"""Ends only if another notebook runs at the same time."""

ALONE = """import time
others = [path for path in Path(".").glob("at-work-*")]
assert not others, others
Path("at-work-NAME").touch()
time.sleep(0.3)
Path("at-work-NAME").unlink()
if fail:
"""
"""Fails if another notebook runs at the same time."""

LEAVE = """assert "left" not in globals()
left = 1
print("process", os.getpid())
if fail:
"""


def quick(middle, other=""):
    return QUICK.replace("if fail:\n", middle.replace("OTHER", other))


def failing(message):
    return QUICK.replace("if fail:", f'raise KeyError("{message}")\nif fail:', 1)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "_html", lambda pages, output, target: target)
    return checkout(tmp_path, {})


def write(project, **chapters):
    """These notebooks, and a table of contents that lists them in this order."""
    for name, text in chapters.items():
        name = name.removeprefix("n")
        (project / "notebooks" / f"{name}.py").write_text(text.replace("NAME", name).lstrip())
    lines = [f"- file: notebooks/{name.removeprefix('n')}\n" for name in chapters]
    (project / "_toc.yml").write_text(
        "format: jb-book\nroot: book/introduction\nchapters:\n" + "".join(lines)
    )
    return [name.removeprefix("n") for name in chapters]


def run_all(project, names, **options):
    lines = []
    failures = run_many.run_all(project, [Task(name, {}) for name in names], report=lines.append, **options)
    return failures, lines


def test_two_chapters_run_at_the_same_time_share_the_cores_and_have_lines_each(project, monkeypatch):
    monkeypatch.setattr(run_many, "cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert run_many._threads(2) == {}
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert run_many._threads(1) == {}
    names = write(project, n00_a=quick(MEET, "01_b"), n01_b=quick(MEET, "00_a"))
    failures, lines = run_all(project, names, jobs=2)
    assert failures == []
    for name in names:
        own = [line for line in lines if line.startswith(f"{name}: ")]
        assert own[0] == f"{name}: running" and re.fullmatch(rf"{name}: done in (\d+ min )?\d+ s", own[1]), (
            own
        )
        assert "threads 3\n" in outputs(project / "build" / "executed" / f"{name}.ipynb")
    assert len(lines) == 4


@pytest.mark.parametrize(("names", "jobs"), [(("00_a", "01_b", "02_c"), 1), (("00_a", "00a_b", "00b_c"), 2)])
def test_one_job_and_the_parts_of_a_chapter_run_one_after_another(project, names, jobs):
    write(project, **{f"n{name}": quick(ALONE) for name in names})
    failures, lines = run_all(project, names, jobs=jobs)
    assert failures == [] and [line.split(":")[0] for line in lines] == [
        n for name in names for n in (name,) * 2
    ]


def test_the_chapter_that_may_take_longest_starts_first(project):
    names = write(project, n00_a=QUICK, n01_b=QUICK, n01a_c=QUICK, n02_d=QUICK)
    lines = []
    tasks = [Task(name, {}, "", seconds) for name, seconds in zip(names, (3, 2, 2, 1), strict=True)]
    assert run_many.run_all(project, tasks, jobs=1, report=lines.append) == []
    begun = [line.split(":")[0] for line in lines if line.endswith("running")]
    assert begun == ["01_b", "01a_c", "00_a", "02_d"]


def test_failures_hide_no_other_and_are_told_in_the_order_of_the_book(project):
    """The first to be told is the last to fail: it waits for the other."""
    late = quick(MEET, "01_b").replace("if fail:", 'raise KeyError("late")\nif fail:')
    early = failing("early").replace(
        "import json", "from pathlib import Path\nPath('here-01_b').touch()\nimport json"
    )
    names = write(project, n00_a=QUICK, n01_b=QUICK, n02_c=QUICK, n02a_d=QUICK)
    book.build(project, "smoke", report=lambda line: None)
    before = [made(project, name) for name in names[:2]]
    write(project, n00_a=late, n01_b=early, n02_c=QUICK + "\n# %%\n1 + 1\n", n02a_d=QUICK)
    lines = []
    with pytest.raises(IclnbError) as failed:
        book.build(project, "smoke", jobs=2, report=lines.append)
    message = str(failed.value)
    assert message.index("KeyError: 'late'") < message.index("KeyError: 'early'")
    assert "2 of 3 notebooks failed (00_a, 01_b); the others are done" in message
    assert [made(project, name) for name in names[:2]] == before
    assert listed(project / "build" / "failed") == {"00_a.ipynb", "01_b.ipynb"}
    begun = [line for line in lines if "failed after" in line or "up to date" in line or "done in" in line]
    assert sorted(line.split(" ")[0] + line.split(" ")[1] for line in begun) == [
        "00_a:failed", "01_b:failed", "02_c:done", "02a_d:up",
    ]  # fmt: skip


def test_a_lane_keeps_its_process_without_the_variables_of_the_notebook_before(project):
    names = write(project, n00_a=quick(LEAVE), n00a_b=quick(LEAVE), n01_c=quick(LEAVE))
    failures, _ = run_all(project, names, jobs=1)
    assert failures == []
    files = [project / "build" / "executed" / f"{name}.ipynb" for name in names]
    said = [outputs(file) for file in files]
    cells = json.loads(files[-1].read_text())["cells"]
    assert [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"] == [1, 2, 3, 4]
    assert len({re.search("process (.*)", text)[1] for text in said}) == 1
    assert all(text.count(sys.executable) == 1 and str(project) in text for text in said)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_killed_book_leaves_old_results_whole_and_no_process(project, number, status):
    start = """import time
Path("started-NAME").write_text(str(os.getpid()))
time.sleep(300)
"""
    slow = QUICK.replace("if fail:", start + "if fail:", 1)
    names = write(project, n00_a=slow, n01_b=slow)
    for part, ending in (("executed", "ipynb"), ("results", "json")):
        (project / "build" / part).mkdir(parents=True)
        for name in names:
            (project / "build" / part / f"{name}.{ending}").write_text("old")
    before = [made(project, name) for name in names]
    started = [project / f"started-{name}" for name in names]
    process = subprocess.Popen(
        command("book", "--profile", "smoke", "--jobs", "2"),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert wait_for(lambda: all(path.is_file() and path.read_text() for path in started))
    kernels = [int(path.read_text()) for path in started]
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert process.returncode == status, error
    assert number == signal.SIGKILL or "earlier results are as they were" in error
    assert [made(project, name) for name in names] == before
    assert wait_for(lambda: not any(alive(kernel) for kernel in kernels)), "a kernel outlived the book"
    assert not (project / "build" / "failed").exists() or not listed(project / "build" / "failed")


def test_two_at_a_time_need_two_cores_and_memory_for_two(monkeypatch):
    class Memory:
        available = 64 * 2**30

    monkeypatch.setattr(run_many.psutil, "virtual_memory", Memory)
    for cores, expected in {1: 1, 2: 2, 64: 2}.items():
        monkeypatch.setattr(run_many, "cores", lambda cores=cores: cores)
        assert run_many.at_a_time() == expected
    Memory.available = 2**30
    assert run_many.at_a_time() == 1
