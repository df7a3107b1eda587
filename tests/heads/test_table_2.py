"""Table 2 against loops over prompts; its claims are judged in the task that does worst."""

import numpy as np
import pytest
from planted import answering

from iclnb.heads import estimates, nulls, table_2, tables
from iclnb.heads.material import split
from iclnb.heads.reconstruction import agree
from iclnb.llm.kernel_weights import KernelWeights

SETTINGS = {"permutations": 20, "seed": 0}


def weighed(lead, seed=0, k=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=(*lead, k))
    answers = np.log(rng.dirichlet([2, 1], size=lead))
    weights = rng.random((*lead, 2, 3, k)).astype(np.float32)
    return KernelWeights({"maximum": weights}, labels, answers, rng.integers(2, size=lead))


@pytest.mark.parametrize("lead", [(80,), (3, 40)])
def test_a_row_of_table_2(lead):
    found = weighed(lead)
    keep = split(lead[-1], seed=0)
    cosine = np.random.default_rng(1).uniform(-0.2, 1, size=found.labels.shape)
    row = table_2.row("sst2", found, keep, {"MiniLM": cosine}, **SETTINGS)
    assert row.arm == ("shared" if len(lead) == 2 else "fresh")
    part = found.take(~keep)
    assert row.estimates["accuracy"].value == pytest.approx((part.answers.argmax(-1) == part.truth).mean())
    shares = nulls.reconstruct(part.weights["maximum"], part.labels, 2)
    votes = shares[..., *row.agreement.head, :].argmax(-1)
    assert row.estimates["agreement"].value == pytest.approx((votes == part.answers.argmax(-1)).mean())
    assert row.estimates["performance"].value == pytest.approx((votes == part.truth).mean())
    own = np.compress(~keep, cosine, cosine.ndim - 2).reshape(-1, cosine.shape[-1])
    shown, truth = part.labels.reshape(len(own), -1), part.truth.ravel()
    votes = [np.bincount(y, weights=np.maximum(w, 0), minlength=2) for w, y in zip(own, shown, strict=True)]
    right = np.argmax(votes, axis=1) == truth
    np.testing.assert_array_equal(row.encoder_hits["MiniLM, cosine"].ravel(), right)


def test_the_table_shows_the_papers_number_and_what_is_at_chance():
    found = weighed((200,))
    keep = split(200, seed=0)
    row = table_2.row("sst2", found, keep, {"MiniLM": np.ones((200, 6))}, **SETTINGS)
    assert row.at_chance
    lines = tables.table_2([row]).data.splitlines()
    agrees = next(line for line in lines if "| agreement |" in line)
    assert f"{row.estimates['agreement'].value:.3g} [" in agrees and "| 0.797 |" in agrees
    knows = np.log(np.eye(2)[found.truth] * 0.98 + 0.01)
    certain = KernelWeights(found.weights, found.labels, knows, found.truth)
    other = table_2.row("sst2", certain, keep, {}, **SETTINGS)
    assert not other.at_chance
    assert table_2.at_chance([row, other]) == {"sst2": False}


def test_claims_are_judged_in_the_task_that_does_worst():
    keep = split(400, 0.5, seed=0)
    settings = {"permutations": 40, "seed": 0}
    rows, parts = [], {}
    for name, share in (("easy", 0.0), ("hard", 1.0), ("middling", 0.4)):
        found = parts[name] = answering(share, seed=len(rows))
        oracle = np.where(found.labels == found.truth[:, None], 1.0, -1.0)  # an encoder that knows the answer
        cosine = oracle if name == "middling" else np.random.default_rng(9).random(found.labels.shape)
        rows.append(table_2.row(name, found, keep, {"MiniLM": cosine}, **settings))
    blind = agree(answering(1.0, seed=7), keep, corrected=True, **settings)
    easy, hard, middling = rows

    def claims(of):
        return (
            estimates.worst_beyond_modal(of),
            estimates.worst_beyond_controls(of, blind, seed=0),
            estimates.worst_beyond_encoders(of, seed=0),
        )

    raw, controls, encoders = claims(rows)
    assert all(found.control_is.endswith("worst task: hard") for found in (raw, controls))
    given = parts["hard"].answers[~keep].argmax(-1)
    modal = np.bincount(given).max() / len(given)
    assert raw.estimate.value == pytest.approx(hard.agreement.best.mean() - modal)
    assert raw.estimate.low < 0.05 and controls.estimate.low < 0.05
    assert encoders.control_is.endswith("worst task: middling") and encoders.estimate.high < 0
    hits = middling.encoder_hits["MiniLM, bandwidth chosen"]
    assert hits.mean() > 0.9
    assert encoders.estimate.value == pytest.approx(middling.agreement.performance.mean() - hits.mean())
    alone = claims([easy])
    assert alone[0].estimate.low > 0.05 and alone[1].estimate.low > 0.05
    assert all(np.isnan(found.estimate.value) for found in claims([]))
