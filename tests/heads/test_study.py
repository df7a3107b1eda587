"""Table 2 and the material of notebook 03 against loops over prompts."""

import itertools
import json

import numpy as np
import pytest
import tiny

from iclnb.errors import IclnbError
from iclnb.heads import agreement, kernel, study, table
from iclnb.heads.kernel import Weighed

pytestmark = pytest.mark.tiny

WORDS = ("plot", "cast", "score", "pace", "tone")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A little task of movie reviews whose texts tell which row they are."""
    (tmp_path / "sst2").mkdir()
    for split, size in (("train", 30), ("validation", 12)):
        rows = [{"sentence": f"{split} {i} {WORDS[i % 5]}", "label": i % 2} for i in range(size)]
        (tmp_path / "sst2" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))


def gathered(**changes):
    settings = {
        "k": 4,
        "sets": 3,
        "points": 50,
        "fresh": 5,
        "data_seed": 0,
        "demonstration_seed": 1,
    } | changes
    return study.gather(tiny.tokenizers()["gpt2"], "sst2", **settings)


def test_the_rows_are_those_that_the_prompts_show(data):
    found = gathered()
    assert len(found.queries) == 12 and len(found.shared) == 3 and len(found.fresh) == 5
    arms = [*zip(found.shared_rows, (prompts[0] for prompts in found.shared), strict=True)]
    arms += zip(found.fresh_rows, found.fresh, strict=True)
    for rows, prompt in arms:
        texts = found.texts(rows.tolist())
        assert all(text in prompt.text for text in texts)
        assert [prompt.text.index(text) for text in texts] == sorted(prompt.text.index(t) for t in texts)
    for text, label, prompt in zip(found.texts(), found.truth, found.shared[1], strict=True):
        assert prompt.text.endswith(f"{text}\nSentiment:") and int(text.split()[2]) % 2 == label


def overlap(queries, texts):
    return np.array([[len(set(a.split()) & set(b.split())) for b in texts] for a in queries], dtype=float)


def test_likeness_belongs_to_set_point_and_demonstration(data):
    found = gathered()
    shared, own = study.likeness(found, overlap), study.own_likeness(found, overlap)
    queries = found.texts()
    for s, t, i in itertools.product(range(3), range(12), range(4)):
        shown = found.texts([int(found.shared_rows[s, i])])
        assert shared[s, t, i] == overlap([queries[t]], shown)[0, 0]
    for t, i in itertools.product(range(5), range(4)):
        assert own[t, i] == overlap([queries[t]], found.texts([int(found.fresh_rows[t, i])]))[0, 0]
    assert study.own_likeness(gathered(fresh=0), overlap).shape == (0, 4)


def test_relabelled_prompts_differ_in_labels_alone(data):
    found = gathered()
    tokenizer = tiny.tokenizers()["gpt2"]
    changed = study.relabelled(tokenizer, found, 1, seed=0)
    mixed = [prompts for prompts in found.shared if len(set(prompts[0].labels)) == 2]
    assert 0 < len(changed) == len(mixed)
    for before, after in zip(mixed, changed, strict=True):
        for one, other in zip(before, after, strict=True):
            labels = np.array(one.labels), np.array(other.labels)
            assert (labels[0] != labels[1]).all()  # two classes: every label is the other one
            bare = [
                t.replace("Sentiment: good", "").replace("Sentiment: bad", "") for t in (one.text, other.text)
            ]
            assert bare[0] == bare[1]


def test_unknown_tasks_are_named(data):
    with pytest.raises(IclnbError, match="unknown task"):
        study.gather(tiny.tokenizers()["gpt2"], "sst3", k=1, sets=1, points=1, fresh=1, data_seed=0,
                     demonstration_seed=0)  # fmt: skip


def weighed(lead, seed=0, k=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=(*lead, k))
    said = np.log(rng.dirichlet([2, 1], size=lead))
    return Weighed({"maximum": rng.random((*lead, 2, 3, k)).astype(np.float32)}, labels, said,
                   rng.integers(2, size=lead))  # fmt: skip


@pytest.mark.parametrize("lead", [(80,), (3, 40)])
def test_a_row_of_table_2(lead):
    found = weighed(lead)
    keep = agreement.split(lead[-1], seed=0)
    cosine = np.random.default_rng(1).uniform(-0.2, 1, size=found.labels.shape)
    row = table.row("sst2", found, keep, {"MiniLM": cosine}, permutations=20, seed=0)
    assert row.arm == ("shared" if len(lead) == 2 else "fresh")
    part = found.take(~keep)
    assert row.estimates["accuracy"].value == pytest.approx((part.said.argmax(-1) == part.truth).mean())
    votes = kernel.reconstruct(part.weights["maximum"], part.labels, 2)[..., *row.agreement.head, :].argmax(
        -1
    )
    assert row.estimates["agreement"].value == pytest.approx((votes == part.said.argmax(-1)).mean())
    assert row.estimates["performance"].value == pytest.approx((votes == part.truth).mean())
    own = np.compress(~keep, cosine, cosine.ndim - 2).reshape(-1, cosine.shape[-1])
    shown, truth = part.labels.reshape(len(own), -1), part.truth.ravel()
    votes = [np.bincount(y, weights=np.maximum(w, 0), minlength=2) for w, y in zip(own, shown, strict=True)]
    right = np.argmax(votes, axis=1) == truth
    np.testing.assert_array_equal(row.encoder_hits["MiniLM, cosine"].ravel(), right)


def test_the_table_shows_the_papers_number_and_says_what_is_at_chance():
    found = weighed((200,))
    keep = agreement.split(200, seed=0)
    row = table.row("sst2", found, keep, {}, permutations=20, seed=0)
    assert row.at_chance
    text = table.markdown([row])
    agrees = next(line for line in text.splitlines() if line.startswith("| agreement |"))
    assert f"{row.estimates['agreement'].value:.3f} [" in agrees and "(0.797)" in agrees
    certain = Weighed(found.weights, found.labels, np.log(np.eye(2)[found.truth] * 0.98 + 0.01), found.truth)
    assert not table.row("sst2", certain, keep, {}, permutations=20, seed=0).at_chance
