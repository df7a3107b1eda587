"""Heads and their weights: who is chosen, and on which test points they are looked at."""

import numpy as np

from iclnb.llm.kernel_weights import KernelWeights
from iclnb.steering import head_widths

RNG = np.random.default_rng(0)
POINTS, LAYERS, HEADS, K = 12, 7, 3, 4
TRUE = (4, 2)  # of layers 4 and 5, the middle ones of seven


def reading(seed):
    """Weights of heads of which one decides every answer; one of the first layer does as well."""
    rng = np.random.default_rng(seed)
    weights, labels = rng.random((POINTS, LAYERS, HEADS, K)), rng.integers(2, size=(POINTS, K))
    weights[:, 0, 0] = weights[:, *TRUE]
    votes = np.array(
        [[w[y == c].sum() for c in (0, 1)] for w, y in zip(weights[:, *TRUE], labels, strict=True)]
    )
    return KernelWeights({"maximum": weights}, labels, np.log(votes + 1e-9), np.zeros(POINTS, dtype=int))


class Study:
    """Reads conditions off a dictionary."""

    points = POINTS

    def __init__(self):
        self.read = {"random": reading(1), "nearest": reading(2)}
        self.apart = {name: RNG.random((POINTS, K)) for name in self.read}

    def kernel_weights(self, name):
        return self.read[name]

    def distances(self, name):
        return self.apart[name]


def test_the_head_that_answers_is_found_and_the_other_half_is_kept():
    study = Study()
    found = head_widths.measure(study, {name: name for name in study.read}, 2, seed=3)
    assert found.heads[0] == TRUE and found.heads[1][0] in (4, 5)
    assert found.agreement == 1
    kept = np.sort(np.random.default_rng(3).permutation(POINTS)[POINTS // 2 :])
    for name, read in study.read.items():
        for place, head in enumerate(found.heads):
            expected = read.weights["maximum"][kept][:, *head]
            np.testing.assert_array_equal(found.weights[name][:, place], expected)
            np.testing.assert_array_equal(found.distance[name][:, place], study.apart[name][kept])
    last = [(read.labels[kept, -1] == read.answers[kept].argmax(1)).mean() for read in study.read.values()]
    assert found.last_label == np.mean(last)


def test_agreement_is_the_vote_of_each_head():
    read = reading(5)
    found = head_widths.agreement(read)
    for place in np.ndindex(found.shape):
        weights, labels = read.weights["maximum"][place], read.labels[place[0]]
        vote = weights[labels == 1].sum() > weights[labels == 0].sum()
        assert found[place] == (vote == read.answers[place[0]].argmax())
    assert found[:, *TRUE].all() and not found.all()


def test_ties_go_to_the_earlier_head():
    score = np.zeros((7, 3))
    score[0] = 9  # a first layer does not count
    score[5, 1] = 1
    assert head_widths.best_heads(score, 3) == ((5, 1), (4, 0), (4, 1))


def test_permuted_weights_stay_in_their_prompt():
    weights = RNG.random((200, 2, 4))
    found = head_widths.permuted(weights, seed=1)
    np.testing.assert_array_equal(np.sort(found), np.sort(weights))
    centred = [(part - part.mean(-1, keepdims=True)).ravel() for part in (found, weights)]
    assert (found != weights).any() and abs(np.corrcoef(*centred)[0, 1]) < 0.1
