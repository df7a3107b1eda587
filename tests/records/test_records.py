"""Records, their places and states; sweeps that skip what is done, and fail one cell at a time."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from throwaway import QUICK, ROOT, checkout, iclnb

from iclnb.errors import IclnbError
from iclnb.publish import records
from iclnb.publish.records import Cell
from iclnb.records import executors, status, sweep
from iclnb.run import run_one
from iclnb.run.worker import Worker

PARAMETERS = """profile: str = "laptop"  # smoke, laptop or paper
model: str = by_profile("small", "small", "org/large")  # name
task: str = "sst2"  # name
data_seed: int = 0  # rows
"""
STUDY = QUICK.replace('profile: str = "laptop"  # smoke, laptop or paper\n', PARAMETERS).replace(
    "# %% tags=", "# %%\nfrom iclnb.settings import by_profile\n\n# %% tags="
)
COUNTED = STUDY.replace("if fail:\n", """with open("runs", "a") as runs:
    print(os.getpid(), model, task, data_seed, file=runs)
if task == "broken" or fail:
""")  # fmt: skip
SWEEP = """
[[sweep]]
notebooks = ["00_study", "01_study"]
models = ["small", "org/large"]
tasks = ["sst2", "broken"]
[sweep.parameters]
word = "swept"
[sweep.for_model."org/large"]
word = "bfloat16"

[[sweep]]
notebooks = ["02_theory"]
seeds = [{data_seed = 3}]
"""


@pytest.fixture
def project(tmp_path):
    theory = COUNTED.replace('model: str = by_profile("small", "small", "org/large")  # name\n', "").replace(
        'task: str = "sst2"  # name\n', 'task, model = "none", "none"\n'
    )
    folder = checkout(tmp_path, {"00_study": COUNTED, "01_study": COUNTED, "02_theory": theory})
    (folder / "sweep.toml").write_text(SWEEP)
    return folder


def runs(project):
    return [line.split() for line in (project / "runs").read_text().splitlines()]


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "00_study/small/sst2"),
        ({"profile": "paper"}, "00_study/org--large/sst2"),
        ({"model": "/home/me/my model/", "task": "a/b"}, "00_study/my--model/a--b"),
        ({"data_seed": 7, "word": "x"}, "00_study/small/sst2@data_seed=7"),
        ({"model": "../.."}, "00_study/unnamed/sst2"),
    ],
)
def test_a_record_stands_under_its_notebook_model_and_task(project, given, where):
    place = records.path(project, Cell("00_study", given))
    assert place == project / "book" / "recorded" / f"{where}.json"


def test_a_sweep_runs_every_cell_once_and_a_failing_one_fails_alone(project):
    cells = sweep.read(project, project / "sweep.toml")
    assert len(cells) == 9
    assert {cell.parameters.get("word") for cell in cells if cell.parameters.get("model") == "org/large"} == {
        "bfloat16"
    }
    planned = sweep.plan(project, cells)
    assert [each.reasons for each in planned] == [["never run"]] * 9 and planned[0].seconds is None
    failures = executors.run(project, cells, allow_changes=True, report=lambda line: None)
    assert {(f.cell.notebook, f.cell.parameters["task"]) for f in failures} == {
        ("00_study", "broken"),
        ("01_study", "broken"),
    }
    assert len(failures) == 4 and "the middle cell fails" in failures[0].message
    done = runs(project)
    assert len(done) == 9 and len({pid for pid, *_ in done}) == 5  # also a new one after an error
    again = sweep.plan(project, cells)
    assert [each.cell.parameters["task"] for each in again] == ["broken"] * 4
    assert {each.seconds is None for each in again} == {False}  # from the other task of the same model
    record = json.loads((project / "book/recorded/01_study/org--large/sst2.json").read_text())
    assert record["values"]["word"] == "bfloat16" and record["key"]["parameters"]["word"] == "bfloat16"


def test_status_names_every_state_and_why(project):
    executors.run(project, [Cell("00_study", {"word": "kept"})], allow_changes=True, report=lambda line: None)
    run_one.run(project, "00_study", {"word": "mine"})
    with pytest.raises(IclnbError):
        run_one.run(project, "01_study", {"fail": True})

    def states():
        return {each.name: (each.state, each.reasons) for each in status.everything(project)}

    found = states()
    assert found["00_study"] == found["00_study / small / sst2"] == (status.FRESH, [])
    assert found["01_study"][0] == status.FAILED and found["02_theory"][0] == status.NEVER
    source = project / "notebooks" / "00_study.py"
    source.write_text(source.read_text() + "\n# a comment\n")
    assert states()["00_study"] == (status.FRESH, [])
    source.write_text(source.read_text() + "\n# %%\n1 + 1\n")
    assert states()["00_study / small / sst2"] == (status.STALE, ["code changed: notebooks/00_study.py"])
    done = iclnb(project, "status", "--check")
    assert done.returncode == 1 and "4 of 4 are not fresh" in done.stderr
    assert "code changed: notebooks/00_study.py" in done.stdout


def test_the_command_plans_runs_and_skips(project):
    text = '[[sweep]]\nnotebooks = ["00_study"]\ntasks = ["sst2", "broken"]\n'
    (project / "sweep.toml").write_text(text)
    done = iclnb(project, "sweep", "sweep.toml", "--dry-run")
    assert done.returncode == 0 and "2 of 2 cells to run" in done.stdout and not (project / "runs").exists()
    done = iclnb(project, "sweep", "sweep.toml", "--allow-changes")
    assert done.returncode == 1 and "1 of 2 cells failed" in done.stderr and "run_cells" not in done.stderr
    assert "00_study / small / broken" in done.stderr
    done = iclnb(project, "sweep", "sweep.toml", "--dry-run")
    assert "1 of 2 cells to run" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[sweep]]\nnotebook = 1", "unknown key notebook"),
        ("", r"no table \[\[sweep\]\]"),
        ("[[sweep", "cannot be read"),
        ('[[sweep]]\nnotebooks = ["00_study", "00_study"]', "two cells would write"),
        ('[[sweep]]\nnotebooks = ["00_study"]\nparameters = {data_seed = "x"}', "not a value for data_seed"),
        ('[[sweep]]\nnotebooks = ["00_study"]\nparameters = {seed = 1}', "unknown parameter 'seed'"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_refused(project, text, message):
    (project / "sweep.toml").write_text(text)
    with pytest.raises(IclnbError, match=message):
        sweep.read(project, project / "sweep.toml")


@pytest.mark.parametrize("file", sorted((ROOT / "sweeps").glob("*.toml")), ids=lambda file: file.stem)
def test_the_books_own_sweeps_name_notebooks_and_parameters_that_there_are(file):
    cells = sweep.read(ROOT, file)
    models = [model for cell in cells if (model := records.model(ROOT, cell))]
    assert models == sorted(models, key=list(dict.fromkeys(models)).index), "one model after the other"


def test_jobs_on_local_processes_give_the_same(project):
    pytest.importorskip("submitit")
    cells = sweep.read(project, project / "sweep.toml")
    cells = [cell for cell in cells if cell.notebook != "01_study"]
    lines, options = [], {"executor": "local", "jobs": 2, "allow_changes": True}
    found = executors.run(project, cells, report=lines.append, **options)
    broken = [cell for cell in cells if cell.parameters.get("task") == "broken"]
    assert [failure.cell for failure in found] == broken
    assert all("the middle cell fails" in failure.message for failure in found)
    assert len(lines) == 3  # a job for each model and one for the chapter that has none
    assert not any(records.why_stale(project, cell) for cell in cells if cell not in broken)


def test_of_a_job_that_breaks_off_the_unfinished_cells_are_listed(project):
    pytest.importorskip("submitit")
    path = project / "notebooks" / "00_study.py"
    deadly = 'if task == "deadly":\n    os.kill(os.getppid(), 9)\n'
    path.write_text(path.read_text().replace("# %%\nprint(", f"# %%\n{deadly}print("))
    cells = [Cell("00_study", {"task": task}) for task in ("sst2", "deadly", "last")]
    options = {"executor": "local", "allow_changes": True, "report": lambda line: None}
    found = executors.run(project, cells, **options)
    assert [failure.cell for failure in found] == cells[1:] and "broke off" in found[0].message


def test_what_is_submitted_in_place_of_a_stopped_job_goes_on_where_it_was(project):
    submitit = pytest.importorskip("submitit")
    cells = [Cell("00_study", {"data_seed": seed}) for seed in range(3)]
    records.make(project, cells[1], allow_changes=True)
    again = executors.Job(project, cells, True).checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function() == []
    assert [seed for *_, seed in runs(project)] == ["1", "0", "2"]


SBATCH = """#!/bin/sh
cp "$1" submitted
echo Submitted batch job 17
"""


def test_the_cluster_is_asked_for_what_the_command_says(project, monkeypatch):
    """`sbatch` is played by a script that keeps what it is given."""
    pytest.importorskip("submitit")
    (project / "bin").mkdir()
    for name in ("sbatch", "srun"):
        (project / "bin" / name).write_text(SBATCH)
        (project / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{project / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(project)
    asked = {"partition": "long", "gpus": 2, "cpus": 3, "minutes": 90, "requeue": 5, "jobs": 4}
    queue = executors.engine(project, "slurm", **asked)
    with queue.batch():
        submitted = [queue.submit(executors.Job(project, [], True)) for _ in range(6)]
    assert [job.job_id for job in submitted] == [f"17_{number}" for number in range(6)]
    flags = {line.removeprefix("#SBATCH --") for line in (project / "submitted").read_text().splitlines()}
    assert {
        "partition=long", "gpus-per-node=2", "cpus-per-task=3", "time=90", "requeue", "array=0-5%4",
    } <= flags  # fmt: skip


def cluster_answers():
    """Whether there is a SLURM cluster here with a node that takes jobs."""
    if not shutil.which("sbatch"):
        return False
    words = ["sinfo", "--noheader", "--states=idle,mixed,allocated"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


@pytest.mark.skipif(not cluster_answers(), reason="no SLURM cluster answers here (Debian: slurm-wlm)")
def test_a_cluster_runs_the_cells_of_a_sweep(project):
    pytest.importorskip("submitit")
    cells = sweep.read(project, project / "sweep.toml")[:4]
    options = {"executor": "slurm", "cpus": 1, "minutes": 5, "allow_changes": True}
    found = executors.run(project, cells, report=lambda line: None, **options)
    broken = [cell for cell in cells if cell.parameters["task"] == "broken"]
    assert [failure.cell for failure in found] == broken
    assert not any(records.why_stale(project, cell) for cell in cells if cell not in broken)


def test_a_change_of_the_package_replaces_the_process_that_has_it_loaded(project):
    module = project / "iclnb" / "errors.py"

    def edit(line):
        if line.endswith("sst2@data_seed=1: done"):
            module.write_text(module.read_text() + "\nEDITED = 1\n")

    cells = [Cell("00_study", {"data_seed": seed}) for seed in range(4)]
    assert sweep.run_cells(project, cells, allow_changes=True, report=edit) == []
    processes = [pid for pid, *_ in runs(project)]
    assert processes[0] == processes[1] != processes[2] == processes[3]


def test_without_the_extra_a_message_says_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(IclnbError, match="pip install submitit"):
        executors.run(project, [Cell("00_study", {})], executor="slurm", report=print)


def test_a_worker_keeps_its_process_and_survives_a_dead_one(project):
    with Worker(project, keep_models=2) as worker:
        for name in ("00_study", "01_study"):
            executed = run_one.run(project, name, {}, worker=worker)
        assert len({pid for pid, *_ in runs(project)}) == 1
        cells = json.loads(executed.read_text())["cells"]
        counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
        assert counts == list(range(1, len(counts) + 1))
        kernel = runs(project)[0][0]
        subprocess.run(["kill", "-9", kernel], check=True)
        run_one.run(project, "00_study", {}, worker=worker)
        assert runs(project)[-1][0] != kernel


def test_nothing_of_one_notebook_is_left_for_the_next(project):
    leaky = QUICK + "\n# %%\nleft_over = 1\n"
    nosy = QUICK.replace("if fail:", 'assert "left_over" not in globals()\nif fail:')
    for name, text in (("03_leaky", leaky), ("04_nosy", nosy)):
        (project / "notebooks" / f"{name}.py").write_text(text.replace("NAME", name).lstrip())
    with Worker(project) as worker:
        run_one.run(project, "03_leaky", {}, worker=worker)
        run_one.run(project, "04_nosy", {}, worker=worker)
