"""The page on speed and memory, from a made-up record; powers against numpy's own least squares."""

import json

import numpy as np
import pytest
from scipy.stats import t as student

from iclnb.site import bench_page, bench_record

SIZES = (250, 600, 2000)


def measured(experiment, way, axis, cost, sizes=SIZES, points=1, **more):
    for size in sizes:
        seconds = [cost(size) * part for part in (1.0, 1.1, 0.9)]
        row = {"experiment": experiment, "way": way, "axis": axis, "size": size, "seconds": seconds}
        yield row | {"megabytes": size / 2, "points": points, "left_out": None, **more}


@pytest.fixture
def record():
    rows = [
        *measured("machine", "product, float32", "width", lambda n: 0.1, (64,), gflop=2.0),
        *measured("machine", "product, bfloat16", "width", lambda n: 0.05, (64,), gflop=2.0),
        *measured("capture", "no attention", "tokens", lambda n: n / 1e3),
        *measured("capture", "last_token_attention", "tokens", lambda n: 1.04 * n / 1e3),
        *measured("capture", "transformers, eager", "tokens", lambda n: n**2 / 1e6, difference=3e-7),
        *measured("queries", "shared, float32", "queries", lambda n: n * 0.01, (16, 64), 1, gflop=0.1),
        *measured("queries", "one by one, eager", "queries", lambda n: 4 * 0.5, (16,), 4),
        *measured("batch", "shared, float32", "batch", lambda n: 0.512 / n, (8, 16, 64), 64, gflop=0.1),
        *measured("models", "shared, bfloat16", "queries", lambda n: n * 0.01, (64,), 64, gflop=0.1),
        *measured("models", "larger, qwen_x", "queries", lambda n: n * 0.05, (64,), 64, gflop=1.0),
        *measured("prompts", "posteriors, batched", "prompts", lambda n: n * 1e-4, (125, 500), 500),
        *measured("prompts", "posteriors, hmmlearn", "prompts", lambda n: 4.0, (125, 500), 4),
        *measured("sweep", "sweep, sampled", "batch", lambda n: 0.1, (2048,), 20),
    ]
    gone = {"experiment": "capture", "way": "nnsight", "axis": "tokens", "size": 250, "seconds": []}
    rows.append(gone | {"megabytes": None, "left_out": "No module named 'nn_sight'"})
    made = {"machine": "Linux, 2 cores", "time": "2026-01-02T", "revision": "abcdefghij"}
    run = {"experiments": ["machine", "capture"], "provenance": made, "load": [[0.5], [3.25]]}
    read = {"shown": 16, "tokens": 37, "suffix": 27, "batch": 64}
    fixed = {"queries": read, "batch": {"queries": 64}, "models": read, "prompts": {"tasks": 8}}
    about = {
        "device": "cpu",
        "processor": "A|B",
        "model": "m",
        "runs": [run],
        "rounds": 3,
        "threads": None,
        "dtype": "float32",
    }
    return about | {"fixed": fixed, "measurements": rows, "not_installed": {"dynamax==1": "no such wheel"}}


def page(tmp_path, record):
    place = bench_record.recorded(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(record))
    return bench_page.page(tmp_path)


def row_of(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name}"))


def test_tables_show_medians_spreads_ratios_and_memory(tmp_path, record):
    text = page(tmp_path, record)
    assert "| 624 [562, 686] | 2,080 [1,872, 2,288] | 1.04 |" in row_of(text, "ours: `last_token")
    assert "| 300 | 1,000 |" in row_of(text.partition("Memory in MB")[2], "ours: `last_token")
    assert "A\\|B" in text and "0.5 to 3.2" in text and "abcdefg." in text
    assert "`last_token_attention` 1.04 times with 2000 tokens; eager attention 2 times with 2000" in text
    assert "0.781 times the throughput of eager" in text
    assert "HMMs: hmmlearn, prompt by prompt, takes 10,000 times as long as ours." in text
    ours = row_of(text, "ours, float32")
    assert "| 640 [576, 704] | 0.781 |" in ours and "1 %" in ours
    assert "| 10,000 |" in row_of(text, "hmmlearn, prompt by prompt")
    assert "| 25 [22.5, 27.5] | 1 |" in row_of(text, "ours, sampled prompts")
    assert "| 10 [9, 11] | 11.1 | 25 % |" in row_of(text, "`m`")
    assert "| 50 [45, 55] | 22.2 | 50 % |" in row_of(text, "`qwen_x`")
    assert "nn\\_sight" in text and "no such wheel" in text


def test_the_largest_size_is_shown_of_those_that_reached_it(tmp_path, record):
    more = measured("capture", "no attention", "tokens", lambda n: n / 1e3, (8000,))
    record["measurements"] = [*more, *record["measurements"]]
    text = page(tmp_path, record)
    assert "| 8,000 [7,200, 8,800] | 1 |" in row_of(text, "the pass alone")
    assert "| 2,080 [1,872, 2,288] |  | 1.04 |" in row_of(text, "ours: `last_token")
    memory = text.partition("Memory in MB")[2]
    assert "| 1,000 | 4,000 |" in row_of(memory, "the pass alone")
    assert "| 1,000 |  |" in row_of(memory, "ours: `last_token")


def test_a_pass_that_takes_as_long_with_more_tokens_is_explained(tmp_path, record):
    assert "starting kernels" not in page(tmp_path, record)
    for row in record["measurements"]:
        if row["way"] == "no attention":
            row["seconds"] = [row["size"] ** 0.1 * noise for noise in (1.0, 1.1, 0.9)]
    bench_record.recorded(tmp_path).write_text(json.dumps(record))
    assert "(the power 0.1 of their number)" in bench_page.page(tmp_path)


def test_a_gpu_has_a_page_of_its_own_without_theory(tmp_path, record):
    assert "make bench DEVICE=cuda" in bench_page.page(tmp_path, "cuda")
    place = bench_record.recorded(tmp_path, "cuda")
    place.parent.mkdir(parents=True)
    record["dtype"] = "bfloat16"
    theory = ("prompts", "sweep")
    record["measurements"] = [r for r in record["measurements"] if r["experiment"] not in theory]
    place.write_text(json.dumps(record))
    text = bench_page.page(tmp_path, "cuda")
    assert text.startswith("# Speed and memory on a GPU") and "Theory" not in text and "HMM" not in text
    assert "rounds its scores to bfloat16" in text and "(ours in float32, the other in bfloat16)" in text
    assert "No benchmark" in bench_page.page(tmp_path)


def test_batches_have_a_table_and_no_power(tmp_path, record):
    text = page(tmp_path, record)
    assert "27 on average, 64 in one pass" in text
    assert row_of(text, "16 |") == "| 16 | 0.5 [0.45, 0.55] |"
    assert "batch |" not in text.partition("## How cost grows")[2]


def test_parts_measured_later_are_named(tmp_path, record):
    later = {"machine": "Linux, 2 cores", "time": "2026-03-04T", "revision": "0123456789"}
    record["runs"].append({"experiments": ["queries"], "provenance": later, "load": [[0.25], [4.5]]})
    text = page(tmp_path, record)
    assert "2026-01-02, revision abcdefg (machine, capture); 2026-03-04, revision 0123456 (queries)." in text
    assert "0.25 to 4.5 processes" in text


def test_it_says_how_memory_was_measured(tmp_path, record):
    assert "at once (of machine, capture: in the timed runs)." in page(tmp_path, record)
    later = {**record["runs"][0], "experiments": ["queries"], "memory_apart": True}
    record["runs"].append(later)
    place = bench_record.recorded(tmp_path)
    place.write_text(json.dumps(record))
    assert "at once (of machine, capture: in the timed runs)." in bench_page.page(tmp_path)
    record["runs"] = [later]
    place.write_text(json.dumps(record))
    assert "go back to the system at once." in bench_page.page(tmp_path)
    place.write_text(json.dumps({**record, "device": "cuda"}))
    assert "as PyTorch counts it." in bench_page.page(tmp_path)


def test_powers_are_those_of_the_costs(tmp_path, record):
    text = page(tmp_path, record)
    growth = text.partition("## How cost grows")[2]
    assert "| 250 to 2000 | 2 [2, 2] | 1 [1, 1] |" in row_of(growth, "tokens | transformers")
    assert "| 250 to 2000 | 1 [1, 1] | 1 [1, 1] |" in row_of(growth, "tokens | ours: `last")


def test_intervals_of_powers_equal_those_of_another_least_squares():
    rng = np.random.default_rng(0)
    sizes = np.array([250, 600, 1000, 2000, 4000, 8000])
    costs = 1e-3 * sizes**1.3 * np.exp(rng.normal(0, 0.1, 6))
    found = bench_record.exponent(sizes, costs)
    line, covariance = np.polyfit(np.log(sizes), np.log(costs), 1, cov=True)
    half = student.ppf(0.975, 4) * covariance[0, 0] ** 0.5
    np.testing.assert_allclose(found, (line[0], line[0] - half, line[0] + half), rtol=1e-9)
    assert np.isinf(bench_record.exponent((1, 2), (1, 2)).high)


def test_a_checkout_without_a_record_has_a_page(tmp_path):
    assert "make bench" in bench_page.page(tmp_path)
