"""The page on speed and memory, from a made-up record; powers against numpy's own least squares."""

import json

import numpy as np
import pytest
from scipy.stats import t as student

from iclnb.site import bench

SIZES = (250, 600, 2000)


def measured(experiment, way, cost, sizes=SIZES, points=1):
    """Rounds of cost(size) seconds a test point, and a tenth more and less."""
    for size in sizes:
        seconds = [points * cost(size) * part for part in (1.0, 1.1, 0.9)]
        row = {"experiment": experiment, "way": way, "axis": "size", "size": size, "seconds": seconds}
        yield row | {"megabytes": size / 2, "points": points, "left_out": None}


@pytest.fixture
def record():
    rows = [
        *measured("machine", "product, float32", lambda n: 0.1, (64,)),
        *measured("capture", "no attention", lambda n: n / 1e3, (*SIZES, 8000)),
        *measured("capture", "last_token_attention", lambda n: 1.04 * n / 1e3),
        *measured("capture", "transformers, eager", lambda n: n**2 / 1e6),
        *measured("queries", "shared, float32", lambda n: 0.01, (16, 64), 64),
        *measured("queries", "one by one, eager", lambda n: 0.5, (16,), 4),
        *measured("models", "shared, bfloat16", lambda n: 0.01, (64,), 64),
        *measured("models", "larger, qwen_x", lambda n: 0.05, (64,), 64),
        *measured("prompts", "posteriors, batched", lambda n: 1e-4, (125, 500, 2000), 125),
        *measured("prompts", "posteriors, hmmlearn", lambda n: 1.0, (125, 500, 2000), 4),
    ]
    gone = {"experiment": "capture", "way": "nnsight", "size": 250, "seconds": [], "points": None}
    rows.append(gone | {"megabytes": None, "left_out": "No module named 'nn_sight'"})
    run = {"experiments": ["machine", "capture"], "load": [[0.5], [3.25]]}
    first = {"machine": "Linux, 2 cores", "time": "2026-01-02T", "revision": "abcdefghij"}
    later = {**first, "time": "2026-03-04T", "revision": "0123456789"}
    about = {"device": "cpu", "processor": "A|B", "model": "m", "rounds": 3, "dtype": "float32"}
    runs = [{**run, "provenance": first}, {**run, "provenance": later}]
    return about | {"runs": runs, "measurements": rows, "not_installed": {"dynamax==1": "no such wheel"}}


def page(tmp_path, record, device="cpu"):
    place = bench.recorded(tmp_path, device)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(record))
    return bench.page(tmp_path, device)


def row_of(text, name):
    (line,) = [line for line in text.splitlines() if f"| {name} |" in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_shows_medians_spreads_ratios_memory_and_powers(tmp_path, record):
    text = page(tmp_path, record)
    assert row_of(text, "the pass alone, no attention") == [
        "last token's attention of one prompt, 8000 tokens", "the pass alone, no attention",
        "8,000 [7,200, 8,800]", "1", "4,000", "1",
    ]  # fmt: skip
    ours = row_of(text, "ours: `last_token_attention`")
    assert ours[0].endswith("2000 tokens") and ours[2:5] == ["2,080 [1,872, 2,288]", "1.04", "1,000"]
    eager = row_of(text, "transformers, eager")
    assert eager[0] == "", "said once for every size"
    assert eager[3] == "2" and eager[5].startswith("2")
    assert row_of(text, "transformers, eager, one by one")[2:4] == ["500 [450, 550]", "50"]
    assert row_of(text, "`qwen_x`")[3] == "5" and row_of(text, "`m`")[3] == "1"
    assert row_of(text, "hmmlearn, prompt by prompt")[3:5] == ["10,000", "1,000"]


def test_it_says_where_it_was_measured_and_what_was_not(tmp_path, record):
    text = page(tmp_path, record)
    assert "A\\|B" in text and "2026-01-02 (revision abcdefg), 2026-03-04 (revision 0123456)" in text
    assert "load was 0.5 to 3.2 processes" in text
    assert "nnsight, last rows saved at 250 (No module named 'nn\\_sight')" in text
    assert "no such wheel" in text and "Seconds for one prompt of 2000 tokens: " in text


def test_a_gpu_has_a_page_of_its_own_and_a_checkout_without_a_record_a_sentence(tmp_path, record):
    assert "`make bench DEVICE=cuda` makes one" in bench.page(tmp_path, "cuda")
    record["measurements"] = [r for r in record["measurements"] if r["experiment"] != "prompts"]
    text = page(tmp_path, record, "cuda")
    assert text.startswith("# Speed and memory on a GPU") and "HMM" not in text
    assert "`make bench` makes one" in bench.page(tmp_path)


def test_intervals_of_powers_equal_those_of_another_least_squares():
    rng = np.random.default_rng(0)
    sizes = np.array([250, 600, 1000, 2000, 4000, 8000])
    costs = 1e-3 * sizes**1.3 * np.exp(rng.normal(0, 0.1, 6))
    found = bench.exponent(sizes, costs)
    line, covariance = np.polyfit(np.log(sizes), np.log(costs), 1, cov=True)
    half = student.ppf(0.975, 4) * covariance[0, 0] ** 0.5
    np.testing.assert_allclose(found, (line[0], line[0] - half, line[0] + half), rtol=1e-9)
    assert np.isinf(bench.exponent((1, 2), (1, 2)).high)
