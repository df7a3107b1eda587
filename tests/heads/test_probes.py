"""Ridge probes against least squares with rows for the penalty; what is planted is found there only."""

import numpy as np
import planted
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclnb.errors import IclnbError
from iclnb.heads import probes
from iclnb.llm.attention import prepare

pytestmark = pytest.mark.tiny


def features(sets=6, k=8, layers=2, kv_heads=2, dim=5, seed=0, **changes):
    rng = np.random.default_rng(seed)
    n, size = sets * k, (layers, kv_heads, len(probes.OFFSETS), sets * k, dim)
    present = np.ones((len(probes.OFFSETS), n), dtype=bool)
    present[-1, k - 1 :: k] = False  # behind the last label of each set
    made = {
        "keys": rng.normal(size=size), "values": rng.normal(size=size), "present": present,
        "sets": np.repeat(np.arange(sets), k), "texts": np.arange(n), "labels": rng.integers(0, 3, n),
    }  # fmt: skip
    return probes.Features(**made | changes)


def ridge(x, y, penalty=0.01):
    """Least squares on centred data with one row more for each weight, which pulls it to 0."""
    mean, level = x.mean(0), y.mean(0)
    rows = np.vstack([x - mean, np.sqrt(penalty) * np.eye(x.shape[1])])
    weights = np.linalg.lstsq(rows, np.vstack([y - level, np.zeros((x.shape[1], y.shape[1]))]), rcond=None)[0]
    return lambda z: (z - mean) @ weights + level


def by_least_squares(vectors, made, targets, folds):
    """Accuracy by set: one ridge regression for each layer, head, position and fold."""
    sets = made.sets.max() + 1
    accuracy = np.zeros((sets, *vectors.shape[:3]))
    _, classes = np.unique(targets, return_inverse=True)
    for layer, head, position in np.ndindex(vectors.shape[:3]):
        for fold in range(folds):
            held = made.sets % folds == fold
            train = ~held & made.present[position] & ~np.isin(made.texts, made.texts[held])
            x = vectors[layer, head, position]
            predict = ridge(x[train], np.eye(classes.max() + 1)[classes[train]])
            for number in np.unique(made.sets[held]):
                own = (made.sets == number) & made.present[position]
                accuracy[number, layer, head, position] = np.mean(predict(x[own]).argmax(1) == classes[own])
    return accuracy


@settings(max_examples=8)
@given(st.integers(0, 99), st.integers(2, 7), st.sampled_from([3, 60]))
def test_probes_are_ridge_regressions(seed, folds, dim):
    """Also with more dimensions than demonstrations, and with texts that stand in several sets."""
    made = features(seed=seed, layers=1, dim=dim, texts=np.random.default_rng(seed).integers(0, 60, 48))
    found = probes.probe(made.values, made.labels, made, folds=folds, shuffles=1, seed=0)
    expected = by_least_squares(made.values, made, made.labels, min(folds, 6))
    np.testing.assert_allclose(found.accuracy, expected, atol=1e-12)


def test_controls_are_probes_of_permuted_targets():
    made = features()
    found = probes.probe(made.values, made.labels, made, folds=3, shuffles=2, seed=7)
    rng = np.random.default_rng(7)
    for control in found.control:
        permuted = rng.permutation(made.labels)
        np.testing.assert_allclose(control, by_least_squares(made.values, made, permuted, 3), atol=1e-12)


def test_the_majority_is_that_of_the_training_sets():
    labels = np.array([0] * 6 + [1] * 2 + [1] * 5 + [0] * 3 + [1] * 8)
    made = features(sets=3, k=8, labels=labels)
    found = probes.probe(made.values, labels, made, folds=3, shuffles=1, seed=0)
    np.testing.assert_allclose(found.majority[:, 0], [2 / 8, 5 / 8, 0])  # says 1, 1, 0
    np.testing.assert_allclose(found.majority[:, -1], [1 / 7, 5 / 7, 0])  # without each set's last one


def test_a_class_not_seen_in_training_is_never_answered():
    made = features(sets=2, k=8, labels=np.array([0, 1] * 4 + [2] * 8))
    found = probes.probe(made.keys, made.labels, made, folds=2, shuffles=0, seed=0)
    assert (found.accuracy == 0).all()


def test_a_text_that_is_held_out_is_not_trained_on():
    """The same texts in both sets, each telling its label: nothing may be learnt from them."""
    made = features(sets=3, k=8, texts=np.tile(np.arange(8), 3))
    with pytest.raises(IclnbError, match="other demonstrations"):
        probes.probe(made.keys, made.labels, made, folds=3, seed=0)


@pytest.fixture(scope="module")
def model():
    return planted.plant()


def prefixes(model, prompts):
    for prompt in prompts:
        yield prepare(model.loaded.model, prompt.input_ids[: prompt.query.start]), prompt


def test_cut_takes_the_models_own_keys_and_values(model):
    prompts, _ = model.prompts(3, k=4, seed=0)
    found = probes.cut(prefixes(model, prompts))
    assert found.keys.shape == (planted.LAYERS, planted.HEADS, 5, 12, planted.DIM)
    with torch.no_grad():
        cache = model.loaded.model(torch.tensor([prompts[1].input_ids[:16]])).past_key_values
    for layer, position, i in np.ndindex(planted.LAYERS, 5, 4):
        token = 4 * i + 2 + probes.OFFSETS[position]  # labels are the third of four tokens
        assert found.present[position, 4 + i] == (token < 16)
        for mine, theirs in (
            (found.keys, cache.layers[layer].keys), (found.values, cache.layers[layer].values)
        ):  # fmt: skip
            expected = theirs[0, :, token] if token < 16 else torch.zeros(planted.HEADS, planted.DIM)
            np.testing.assert_allclose(mine[layer, :, position, 4 + i], expected, atol=1e-5)
    assert found.sets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.labels.tolist() == [y for prompt in prompts for y in prompt.labels]
    words = [word for prompt in prompts for word in prompt.text.split()[:-2] if word.startswith("w")]
    assert [[a == b for b in found.texts] for a in found.texts] == [[a == b for b in words] for a in words]


def test_the_planted_model_holds_words_in_keys_and_labels_in_values(model):
    prompts, _ = model.prompts(30, k=8, seed=3)
    found = probes.cut(prefixes(model, prompts))
    at = probes.OFFSETS.index(0)
    layer, head = model.head
    words = np.array([int(w[1:]) for p in prompts for w in p.text.split()[:-2] if w.startswith("w")])
    clusters = model.clusters[words]
    keys = probes.probe(found.keys, clusters, found, seed=0)
    values = probes.probe(found.values, found.labels, found, seed=0)
    assert keys.accuracy.mean(0)[layer, head, at] > 0.9
    assert values.accuracy.mean(0)[layer, head, at] > 0.95
    selective = [(one.accuracy - one.control.mean(0)).mean(0)[layer, head] for one in (keys, values)]
    assert selective[0][at] > 0.3
    assert abs(selective[1][probes.OFFSETS.index(-1)]) < 0.15  # the cue does not know it
