"""Records, their places and states; sweeps that skip what is done, and fail one cell at a time."""

import json
import os
import shutil
import sys
from contextlib import closing

import numpy as np
import pytest
import xarray
from safetensors.numpy import save_file
from throwaway import ROOT, checkout, git, iclnb

import iclnb as package
from iclnb import findings
from iclnb.errors import IclnbError
from iclnb.keys import measurement
from iclnb.records import executors, needs, records, status, sweep
from iclnb.records.records import Cell
from iclnb.run import run_one
from iclnb.run.worker import Worker

MEASURE = """
import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb.errors import IclnbError
from iclnb.findings import Findings, variable


@dataclass(frozen=True, kw_only=True)
class Study(Findings):
    x: Float[np.ndarray, " draw"] = variable("draws", unit="1")


def measure(run):
    model, task = getattr(run, "model", "none"), getattr(run, "task", "none")
    with open("runs", "a") as runs:
        print(os.getpid(), model, task, run.data_seed, run.word, file=runs)
    if task == "broken":
        raise IclnbError("the task is broken")
    if task == "deadly":
        os.kill(os.getpid(), 9)
    origin = {"name": model, "source": "hub", "revision": "r"}
    return Study(x=np.random.default_rng(run.data_seed).normal(size=5), origins={"model": origin})
"""
NOTEBOOK = """
# %% [markdown]
# # Study

# %% tags=["parameters"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
model: str = by_profile("small", "small", "org/large")  # name
task: str = "sst2"  # name
data_seed: int = 0  # rows
word: str = "first"  # changes nothing

# %%
from iclnb import claims, ladders, settings
from iclnb.study.measure import measure

run = settings.read(globals())
results = claims.Results(ladders.measured("NAME", measure, run))

# %%
results.save();
"""
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
def project(tmp_path, monkeypatch):
    """A checkout with a room of its own, which is the one that measures in this process and in others."""
    theory = "\n".join(line for line in NOTEBOOK.splitlines() if not line.startswith(("model:", "task:")))
    folder = checkout(tmp_path, {"00_study": NOTEBOOK, "01_study": NOTEBOOK, "02_theory": theory})
    (folder / "iclnb" / "study").mkdir()
    (folder / "iclnb" / "study" / "__init__.py").write_text("")
    (folder / "iclnb" / "study" / "measure.py").write_text(MEASURE)
    (folder / "sweep.toml").write_text(SWEEP)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder / "iclnb")])
    monkeypatch.setattr(measurement, "root", lambda: folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("iclnb.study")]:
        del sys.modules[name]


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
    assert place == project / "book" / "recorded" / f"{where}.nc"


def test_a_sweep_runs_every_cell_once_and_a_failing_one_fails_alone(project):
    cells = sweep.read(project, project / "sweep.toml")
    assert len(cells) == 9
    words = {c.parameters.get("word") for c in cells if c.parameters.get("model") == "org/large"}
    assert words == {"bfloat16"}
    planned = sweep.plan(project, cells)
    assert [list(each.reasons) for each in planned] == [["never run"]] * 9 and planned[0].seconds is None
    failures = executors.run(project, cells, allow_changes=True, report=lambda line: None)
    broken = {("00_study", "broken"), ("01_study", "broken")}
    assert {(f.cell.notebook, f.cell.parameters["task"]) for f in failures} == broken
    assert len(failures) == 4 and failures[0].message == "the task is broken"
    assert len(runs(project)) == 9
    again = sweep.plan(project, cells)
    assert [each.cell.parameters["task"] for each in again] == ["broken"] * 4
    assert {each.seconds is None for each in again} == {False}  # from the other task of the same model
    place = project / "book/recorded/01_study/org--large/sst2.nc"
    data = xarray.load_dataset(place)  # in one line, as anybody may
    np.testing.assert_allclose(data.x, np.random.default_rng(0).normal(size=5), rtol=1e-6)
    assert json.loads(data.attrs["parameters"])["word"] == "bfloat16"


def test_status_names_every_state_and_why(project):
    executors.run(project, [Cell("00_study", {"word": "kept"})], allow_changes=True, report=lambda line: None)
    run_one.run(project, "00_study", {"word": "mine"})
    with pytest.raises(IclnbError, match="the task is broken"):
        run_one.run(project, "01_study", {"task": "broken"})

    def states():
        return {each.name: (each.state, list(each.reasons)) for each in status.everything(project)}

    found = states()
    assert found["00_study"] == found["00_study / small / sst2"] == (status.FRESH, [])
    assert found["01_study"][0] == status.FAILED and found["02_theory"][0] == status.NEVER
    source = project / "notebooks" / "00_study.py"
    source.write_text(source.read_text() + "\n# %%\n1 + 1\n")
    assert states()["00_study"] == (status.STALE, ["code changed: notebooks/00_study.py"])
    assert states()["00_study / small / sst2"] == (status.FRESH, [])  # it measures the same
    module = project / "iclnb" / "study" / "measure.py"
    module.write_text(MEASURE.replace("size=5", "size=6"))
    assert states()["00_study / small / sst2"] == (status.STALE, ["code changed: iclnb/study/measure.py"])
    done = iclnb(project, "status", "--check")
    assert done.returncode == 1 and "4 of 4 are not fresh" in done.stderr
    assert "code changed: iclnb/study/measure.py" in done.stdout


def test_a_run_stands_beside_the_recorded_ones(project):
    cells = [Cell("00_study", {"model": model}) for model in ("tiny-1m", "org/large-7b")]
    assert executors.run(project, cells, allow_changes=True, report=lambda line: None) == []
    run_one.run(project, "00_study", {"data_seed": 5})
    results = json.loads((project / "build/results/00_study.json").read_text())
    assert results["name"] == "this run" and results["parameters"]["data_seed"] == 5
    assert [run["name"] for run in results["ladder"]] == ["tiny-1M", "large-7B"]
    assert run_one.why_stale(project, "00_study", {"data_seed": 5}) == []
    place = records.path(project, cells[0])
    place.unlink()
    assert run_one.why_stale(project, "00_study", {"data_seed": 5}) == [
        "records changed: 00_study/tiny-1m/sst2.nc"
    ]


@pytest.fixture
def mine(project, monkeypatch):
    """Two tasks and a model of one's own, with 6 weights."""
    for task in ("fine", "broken"):
        shutil.copytree(ROOT / "iclnb" / "llm" / "data" / "example", project / "data" / task)
    (project / "mine").mkdir()
    (project / "mine" / "config.json").write_text("{}")
    save_file({"weight": np.zeros((2, 3), "float32")}, project / "mine" / "model.safetensors")
    monkeypatch.setenv("ICLNB_DATA", str(project / "data"))
    return '[[sweep]]\nnotebooks = ["00_study"]\nmodels = ["./mine"]\ntasks = ["fine", "broken"]\n'


def test_the_command_plans_runs_and_skips(project, mine):
    (project / "sweep.toml").write_text(mine)
    done = iclnb(project, "sweep", "sweep.toml", "--dry-run")
    assert done.returncode == 0 and "2 of 2 cells to run" in done.stdout and not (project / "runs").exists()
    assert "./mine: 0.0 B parameters, nothing to download, about 2 GB on the device" in done.stdout
    assert needs.parameters("./mine") == 6
    done = iclnb(project, "sweep", "sweep.toml", "--allow-changes")
    assert done.returncode == 1 and "1 of 2 cells failed" in done.stderr and "run_cells" not in done.stderr
    assert "00_study / mine-" in done.stderr
    done = iclnb(project, "sweep", "sweep.toml", "--dry-run")
    assert "1 of 2 cells to run" in done.stdout


def test_all_that_cannot_run_is_said_before_anything_does(project, mine, monkeypatch):
    """Out of reach of the hub: names that mean nothing, a gated model that is not here, damaged rows."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(project / "hub"))
    (project / "data" / "broken" / "train.csv").write_text("message,department\na,parcels\n")
    models = '"./mine", "nobody", "./gone", "meta-llama/Llama-2-7b-hf"'
    text = mine.replace('"./mine"', models).replace('"fine"', '"fine", "nothing", "mnli"')
    (project / "sweep.toml").write_text(text)
    for words in (["--dry-run"], ["--allow-changes"]):
        done = iclnb(project, "sweep", "sweep.toml", *words)
        assert done.returncode == 1 and not (project / "runs").exists()
        for said in (
            "unknown model 'nobody'", "./gone is no model", "meta-llama/Llama-2-7b-hf is gated",
            "unknown task 'nothing'", "train.csv, line 2", "mnli",
        ):  # fmt: skip
            assert said in done.stderr
        assert "meta-llama/Llama-2-7b-hf: 6.7 B parameters, 13.5 GB to download, about 15 GB" in done.stdout


def test_times_of_another_model_follow_its_size_and_the_points(project, monkeypatch):
    small, large, wide = "smollm2-135m-instruct", "Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-0.5B"
    counts = {small: 134_515_008, wide: 494_032_768, large: 7_615_616_512}
    made = [
        records.Record(
            project / f"book/recorded/00_study/{name}/sst2.nc", {"model": name, "points": points},
            {"cost": {"seconds": seconds}}, {},
        )
        for name, points, seconds in ((small, 10, 50.0), (wide, 20, 300.0))
    ]  # fmt: skip
    monkeypatch.setattr(records, "all_records", lambda project: iter(made))
    (planned,) = sweep.plan(project, [Cell("00_study", {"model": large})])
    assert planned.seconds == pytest.approx(300 * counts[large] / counts[wide] / 20)  # a run without points


def test_the_benchmarks_say_how_much_faster_the_gpu_is(tmp_path):
    (tmp_path / "book" / "recorded").mkdir(parents=True)
    for name, processor, times in (("bench", "C", [2.0, 9.0]), ("bench-cuda", "G", [0.5, 0.3])):
        timed = [
            {"experiment": "models", "way": way, "size": size, "seconds": [seconds] * 3}
            for way, size, seconds in zip(("small", "large"), (8, 16), times, strict=True)
        ]
        place = tmp_path / "book" / "recorded" / f"{name}.json"
        assert needs.faster(tmp_path) is None
        place.write_text(json.dumps({"processor": processor, "measurements": timed}))
    assert needs.faster(tmp_path) == ("G", pytest.approx(30))


def test_record_writes_the_findings_alone_and_only_from_a_commit(project):
    with pytest.raises(IclnbError, match="not a git repository"):
        records.make(project, Cell("00_study", {}))
    for words in (("init",), ("add", "-A"), ("commit", "-m", "all")):
        git(project, *words)
    done = iclnb(project, "run", "00_study", "--record", "-p", "word", "kept")
    assert done.returncode == 0, done.stderr
    recorded = project / "book" / "recorded" / "00_study" / "small" / "sst2.nc"
    assert findings.attributes(recorded)["parameters"]["word"] == "kept"
    assert not (project / "build").exists()
    before = recorded.read_bytes()
    with (project / "notebooks" / "00_study.py").open("a") as source:
        source.write("\n# %%\n1 + 1\n")
    done = iclnb(project, "run", "00_study", "--record")
    told = "notebooks/00_study.py" in done.stderr and "--allow-changes" in done.stderr
    assert done.returncode == 1 and told and recorded.read_bytes() == before
    assert iclnb(project, "run", "00_study", "--record", "--allow-changes").returncode == 0
    assert findings.attributes(recorded)["parameters"]["word"] == "first"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[sweep]]\nnotebook = 1", "unknown key notebook"),
        ("", r"no table \[\[sweep\]\]"),
        ("[[sweep", "cannot be read"),
        ('[[sweep]]\nnotebooks = ["00_study", "00_study"]', "two cells would write"),
        ('[[sweep]]\nnotebooks = ["00_study"]\nparameters = {data_seed = "x"}', "not a value for data_seed"),
        ('[[sweep]]\nnotebooks = ["00_study"]\nparameters = {seed = 1}', "unknown parameter 'seed'"),
        (
            '[[sweep]]\nnotebooks = ["00_study"]\nseeds = [0, 1]',
            r"seeds must be a list such as \[\{data_seed",
        ),
        ('[[sweep]]\nnotebooks = ["00_study"]\nmodels = "small"', "models must be a list"),
        ('[[sweep]]\nnotebooks = ["00_study"]\nmodels = ["a"]\nfor_model = {b = {}}', "for_model names 'b'"),
        ('[[sweep]]\nnotebooks = ["00_x"]\n[[sweep]]\nseeds = 1', r"(?s)notebook '00_x'.*names no notebooks"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_refused(project, text, message):
    (project / "sweep.toml").write_text(text)
    with pytest.raises(IclnbError, match=message):
        sweep.read(project, project / "sweep.toml")


@pytest.mark.parametrize("file", sorted((ROOT / "sweeps").glob("*.toml")), ids=lambda file: file.stem)
def test_the_books_own_sweeps_name_notebooks_and_parameters_that_there_are(file):
    cells = sweep.read(ROOT, file)
    models = [model for cell in cells if (model := vars(records.settings(ROOT, cell)).get("model"))]
    assert models == sorted(models, key=list(dict.fromkeys(models)).index), "one model after the other"


def test_jobs_on_local_processes_give_the_same(project):
    pytest.importorskip("submitit")
    cells = [c for c in sweep.read(project, project / "sweep.toml") if c.notebook != "01_study"]
    lines, options = [], {"executor": "local", "jobs": 2, "allow_changes": True}
    found = executors.run(project, cells, report=lines.append, **options)
    broken = [cell for cell in cells if cell.parameters.get("task") == "broken"]
    assert [failure.cell for failure in found] == broken
    assert all("the task is broken" in failure.message for failure in found)
    assert len(lines) == 3  # a job for each model and one for the chapter that has none
    assert not any(records.why_stale(project, cell) for cell in cells if cell not in broken)


def test_of_a_job_that_breaks_off_the_unfinished_cells_are_listed(project):
    pytest.importorskip("submitit")
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
    assert [seed for _, _, _, seed, *_ in runs(project)] == ["1", "0", "2"]


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


def test_a_sweep_stops_where_the_package_was_edited(project):
    """The process has the old code loaded: what it measured would be stamped as the new code's."""
    module = project / "iclnb" / "errors.py"

    def edit(line):
        if line.endswith("sst2@data_seed=1: done"):
            module.write_text(module.read_text() + "\nEDITED = 1\n")

    cells = [Cell("00_study", {"data_seed": seed}) for seed in range(4)]
    failures = sweep.run_cells(project, cells, allow_changes=True, report=edit)
    assert [failure.cell for failure in failures] == cells[2:] and "say it again" in failures[0].message
    assert len(runs(project)) == 2


def test_a_worker_survives_the_death_of_its_process(project):
    with closing(Worker(project)) as worker:
        run_one.run(project, "00_study", {}, worker=worker)
        os.kill(int(runs(project)[0][0]), 9)
        run_one.run(project, "00_study", {}, worker=worker)
    assert len({pid for pid, *_ in runs(project)}) == 2
