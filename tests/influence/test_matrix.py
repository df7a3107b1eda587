"""The influence matrix against prompts read one by one, and by hand; centring against means entry by entry."""

import numpy as np
import planted
import pytest
import torch
from scipy import special
from sklearn.linear_model import Ridge

from iclnb.influence import matrix, readings
from iclnb.influence.material import ARBITRARY, OWN, draw_material
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny


@pytest.fixture(scope="module")
def read():
    """A planted model with its rows, material and readings, in arbitrary words."""
    model = planted.plant()
    reader, rows = Reader(model.loaded), model.rows()
    drawn = draw_material(reader.tokenizer, rows, 6, 3, 4, seed=1, arbitrary=planted.LABEL_WORDS)
    return reader, rows, drawn[ARBITRARY], readings.read_sets(reader, drawn[ARBITRARY])


def test_influence_is_that_of_prompts_read_one_by_one(read):
    reader, rows, drawn, known = read
    found = matrix.influence(known.answers, drawn.words_shown)
    for s, i in ((0, 0), (1, 3), (2, 5)):
        labels = drawn.words_shown[s].copy()
        labels[i] = 1 - labels[i]
        queries = [rows.queries[q] for q in drawn.queries[s]]
        table = Demonstrations(np.tile(drawn.rows[s], (4, 1)), np.tile(labels, (4, 1)))
        flipped = write(reader.tokenizer, drawn.wording, rows.pool, table, queries)
        plain, changed = (reader.answers(one, drawn.wording) for one in (drawn.prompts[s], flipped))
        own = drawn.words_shown[s, i]
        expected = (plain[:, own] - plain[:, 1 - own]) - (changed[:, own] - changed[:, 1 - own])
        np.testing.assert_allclose(found[s, :, i], expected, atol=2e-3)


def test_weights_are_the_readers(read):
    reader, _, drawn, known = read
    expected = reader.kernel_weights(drawn.prompts, drawn.wording, drawn.truth)
    np.testing.assert_allclose(known.weights, expected.weights["maximum"], atol=1e-5)


def test_three_words_by_hand():
    """Log-odds of the word shown against both others, and probabilities among all."""
    contexts = [[0.2, 0.3, 0.5], [0.4, 0.2, 0.4], [0.1, 0.5, 0.4], [0.2, 0.5, 0.3]]
    shown, answers = np.array([[2, 0]]), np.log(contexts)[None, :, None]
    found = matrix.influence(answers + 0.7, shown)  # what the words have in common does not count
    np.testing.assert_allclose(
        found[0, 0], [special.logit(0.5) - special.logit(0.4), special.logit(0.2) - special.logit(0.1)]
    )
    np.testing.assert_allclose(matrix.influence(answers, shown, matrix.probability)[0, 0], [0.1, 0.1])
    summed, together = matrix.changes(answers, "probability")
    np.testing.assert_allclose(summed[0, 0], [0.1, 0.1, -0.2], atol=1e-12)
    np.testing.assert_allclose(together[0, 0], [0, 0.2, -0.2], atol=1e-12)


def test_weights_of_kernel_regression_come_back():
    """Probabilities that a kernel regression gives: its weights are the pulls, they sum to one and add up."""
    rng, k = np.random.default_rng(0), 5
    shown, weights = rng.integers(3, size=(2, k)), rng.dirichlet(np.ones(k), size=(2, 4))
    flips = np.concatenate([np.zeros((1, k), int), np.eye(k, dtype=int), np.ones((1, k), int)])
    words = np.eye(3)[(shown[:, None] + flips) % 3]  # (sets, contexts, k, words)
    with np.errstate(divide="ignore"):
        answers = np.log(np.einsum("spk,sckw->scpw", weights, words))
    np.testing.assert_allclose(matrix.influence(answers, shown, matrix.probability), weights, atol=1e-12)
    summed, together = matrix.changes(answers, "probability")
    np.testing.assert_allclose(summed, together, atol=1e-12)


def test_ridge_weights_are_what_a_flipped_label_changes():
    rng = np.random.default_rng(0)
    shown, queries = rng.normal(size=(7, 2, 20)), rng.normal(size=(3, 2, 20))
    found = readings.ridge_weights(torch.tensor(queries), torch.tensor(shown)).numpy()
    labels = rng.choice([-1.0, 1.0], size=7)
    for layer in range(2):
        states = shown[:, layer] - shown[:, layer].mean(0)
        alpha = readings.RIDGE * np.square(states).sum(1).mean()
        for i in range(7):
            flipped = np.where(np.arange(7) == i, -labels, labels)
            one, other = (Ridge(alpha=alpha, fit_intercept=False).fit(states, y) for y in (labels, flipped))
            asked = queries[:, layer] - shown[:, layer].mean(0)
            change = (one.predict(asked) - other.predict(asked)) / (2 * labels[i])
            np.testing.assert_allclose(found[:, layer, i], change, atol=1e-9)


def test_wordings_share_texts_and_truth_follows_the_mapping(read):
    reader, rows, *_ = read
    drawn = draw_material(reader.tokenizer, rows, 6, 5, 4, seed=1, arbitrary=planted.LABEL_WORDS)
    own, other = drawn[OWN], drawn[ARBITRARY]
    for s, prompts in np.ndindex(own.prompts.shape):
        one, two = (m.prompts[s, prompts].text.split() for m in (own, other))
        assert one[0::4] == two[0::4]
    assert (own.right == own.truth).all() and (own.words_shown == own.labels).all()
    swapped = (other.words_shown != other.labels).any(1)
    np.testing.assert_array_equal(other.right, np.where(swapped[:, None], 1 - other.truth, other.truth))
    assert 0 < swapped.sum() < 5, "the mapping is drawn for each set"


TRUTH, LABELS = np.array([0, 1, 0, 1, 1]), np.array([1, 0, 0, 1, 1, 0, 1])


@pytest.fixture
def made():
    return np.random.default_rng(0).normal(size=(len(TRUTH), len(LABELS)))


def by_hand(values, truth, labels):
    """Every entry minus the means of its row and of its column, plus that of both, inside its block."""
    found = np.empty_like(values)
    for (q, i), value in np.ndenumerate(values):
        row, column = np.flatnonzero(truth == truth[q]), np.flatnonzero(labels == labels[i])
        block = values[np.ix_(row, column)]
        found[q, i] = value - values[q, column].mean() - values[row, i].mean() + block.mean()
    return found


def test_pairs_and_texts_by_hand(made):
    blind = np.zeros(len(TRUTH), int), np.zeros(len(LABELS), int)
    np.testing.assert_allclose(matrix.centred(made, "pairs", TRUTH, LABELS), by_hand(made, *blind))
    np.testing.assert_allclose(matrix.centred(made, "texts", TRUTH, LABELS), by_hand(made, TRUTH, LABELS))
    whole = matrix.centred(made, "whole", TRUTH, LABELS)
    np.testing.assert_allclose(whole, made - made.mean())


def test_moments_are_those_of_centred_matrices(made):
    others = np.random.default_rng(1).normal(size=(3, *made.shape))
    squares, products = matrix.moments(others[None], made[None], TRUTH[None], LABELS[None])
    for place, level in enumerate(matrix.LEVELS):
        one = matrix.centred(made, level, TRUTH, LABELS)
        for head in range(3):
            other = matrix.centred(others[head], level, TRUTH, LABELS)
            assert squares[place, 0, head] == pytest.approx(np.mean(other**2))
            assert products[place, 0, head] == pytest.approx(np.mean(other * one))
