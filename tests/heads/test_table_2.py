"""Table 2 against loops over prompts; claims count tasks, corrected for their number."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from archives import reviews, write_rows

from iclnb.claims import Evidence, NothingToMeasure
from iclnb.heads import estimates_appendix, material, table_2
from iclnb.heads.reconstruction import CHOSEN, MODEL
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.stats import Estimate

pytestmark = pytest.mark.tiny

RUN = {
    "source": "auto", "model": "tiny", "revision": None, "device_map": None, "dtype": None, "batch_size": 8,
    "second_encoder": None, "k": 4, "sets": 3, "points": 12, "permutations": 4, "data_seed": 0,
    "demonstration_seed": 1, "sampling_seed": 3,
}  # fmt: skip


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A tiny model, two tasks of which one has fewer rows, and embeddings that know nothing but words."""
    for name, column, size in (("sst2", "sentence", 12), ("rotten_tomatoes", "text", 9)):
        train, validation = reviews("train", 40, column), reviews("validation", size, column)
        write_rows(tmp_path, name, train=train, validation=validation)
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    made = tiny.reader("gpt2")
    monkeypatch.setattr(table_2, "load_reader", lambda *_, **__: made)

    def cosines(queries, texts):
        same = [[a.split()[-1] == b.split()[-1] for b in texts] for a in queries]
        return 0.2 + 0.7 * np.array(same, dtype=float)

    monkeypatch.setattr(table_2, "embedding_similarity", lambda encoder: cosines)
    return made


def drawn_by(reader):
    run = SimpleNamespace(table="sst2", **RUN)
    return material.draw_material(reader.tokenizer, *material.table_rows(run), run)


def test_a_row_for_every_task_against_loops(reader):
    found = table_2.measure(SimpleNamespace(table="sst2, rotten_tomatoes", **RUN))
    assert found.names == ["sst2", "rotten_tomatoes"] and found.hits.shape == (2, 2, 7, 3, 12)
    short = np.isnan(found.right[1]).all((0, 1, 2))
    assert short.tolist() == [False] * 9 + [True] * 3
    drawn = drawn_by(reader)
    weights = reader.kernel_weights(drawn.shared_prompts, drawn.wording, drawn.rows.truth)
    model = weights.answers.argmax(-1)
    np.testing.assert_array_equal(found.right[0, 0, 0], model == weights.truth)
    own = weights.weights["maximum"]
    votes = np.stack([(own * (weights.labels == c)[..., None, None, :]).sum(-1) for c in (0, 1)], -1).argmax(
        -1
    )
    hits = votes == model[..., None, None]
    for side in (0, 1):
        others, judged = drawn.half != bool(side), drawn.half == bool(side)
        mean = hits[:, others].mean((0, 1))
        layer, head = np.unravel_index(mean.argmax(), mean.shape)
        np.testing.assert_array_equal(found.hits[0, 0, 0][:, judged], hits[:, judged, layer, head])
        right = votes[:, judged, layer, head] == weights.truth[:, judged]
        np.testing.assert_array_equal(estimates_appendix.right(found, "sst2", CHOSEN)[:, judged], right)
    texts, queries = (drawn.rows.texts(part) for part in (drawn.rows.pool, drawn.rows.queries))
    for s, t in np.ndindex(3, 12):  # cosine: the words alike count .9, others .2
        ahead = sum((0.9 if texts[row].split()[-1] == queries[t].split()[-1] else 0.2) * (2 * y - 1)
                    for row, y in zip(drawn.shared.rows[s], drawn.shared.labels[s], strict=True))  # fmt: skip
        assert found.encoder_right[0, 0, 0, s, t] == ((ahead > 0) == weights.truth[s, t])
    assert np.isnan(found.encoder_right[:, 1]).all() and "no second encoder" in found.missing
    assert estimates_appendix.right(found, "rotten_tomatoes", MODEL).shape == (3, 9)
    rows = estimates_appendix.task_rows(found, seed=0)
    assert [*rows["sst2"]] == ["accuracy", "agreement", "performance", "MiniLM"]
    assert rows["sst2"]["accuracy"].value == pytest.approx((model == weights.truth).mean())
    assert estimates_appendix.at_chance(found, seed=0).keys() == {"sst2", "rotten_tomatoes"}


def test_the_bandwidth_is_chosen_on_the_other_half(reader, monkeypatch):
    """One half's texts tell their labels, the other's do not: the kernel that judges is as wide as that says."""
    drawn = drawn_by(reader)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(3, 12, 4))
    weights = KernelWeights({}, labels, np.zeros((3, 12, 2)), np.tile(drawn.rows.truth, (3, 1)))
    seen = []

    def chosen(distance, labels, truth, grid, classes):
        seen.append((len(truth), truth.tolist()))
        return SimpleNamespace(value=float(len(seen)))

    monkeypatch.setattr(table_2, "choose_bandwidth", chosen)
    table_2.encoder_answers(weights, drawn, "any")
    for side, (_, truth) in enumerate(seen):
        assert truth == np.tile(drawn.rows.truth[drawn.half != bool(side)], 3).tolist()


@pytest.mark.wrong_arguments  # names of tasks alone, no table
@pytest.mark.parametrize(("values", "expected"), [
    ([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], (1, 1, 1)),  # far above in all
    ([0.3, 0.3, 0.3, 0.3, -0.3, 0.06], (5 / 6, 4 / 6, 5 / 6)),  # one open, one shown to be below
    ([-0.3] * 6, (0, 0, 0)),
    ([0.125] * 6, (1, 0, 1)),  # each would be shown alone (z = 2.5), none of six
    ([0.125, np.nan, np.nan, np.nan, np.nan, np.nan], (1, 1, 1)),  # the paper has one of them
])  # fmt: skip
def test_tasks_are_counted_with_holms_correction(values, expected):
    names = [f"task{i}" for i in range(6)]
    found = SimpleNamespace(names=names)
    by_name = {
        name: Evidence(Estimate(value, value - 0.0588, value + 0.0588), 0.0, "")
        for name, value in zip(names, values, strict=True)
    }
    evidence = estimates_appendix.tasks_that_hold(found, lambda _, name: by_name[name], 0.05)
    assert tuple(evidence.estimate) == pytest.approx(expected)
    assert evidence.control == 0.5 and f"of {np.isfinite(values).sum()}" in evidence.control_is


def test_tasks_that_the_paper_does_not_have_leave_nothing_to_measure():
    sizes = {
        "half": (1, 4),
        "hits": (1, 2, 7, 2, 4),
        "right": (1, 2, 3, 2, 4),
        "encoder_right": (1, 2, 2, 2, 4),
    }
    ones = {name: np.ones(shape) for name, shape in sizes.items()}
    ours, theirs = (table_2.Table2(tasks=task, missing="", **ones) for task in ("movie_snippets", "sst2"))
    assert np.isnan(estimates_appendix.beyond_paper(ours, "movie_snippets", seed=0).estimate.value)
    with pytest.raises(NothingToMeasure, match="table 2"):
        estimates_appendix.tasks_that_hold(
            ours, lambda *of: estimates_appendix.beyond_paper(*of, seed=0), 0.0
        )
    beyond = estimates_appendix.beyond_paper(theirs, "sst2", seed=0).estimate
    assert beyond.value == pytest.approx(1 - 0.797)
