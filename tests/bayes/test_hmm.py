"""HMMMixture against path enumeration, exact fractions and hmmlearn."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclnb.bayes import HMMMixture, ZeroProbabilityError, families
from iclnb.errors import IclnbError


def path_sum(start, transition, emission, tokens):
    """P(tokens) as a sum over all paths of hidden states; the empty sequence has probability one."""
    total = 0.0
    for path in product(range(len(start)), repeat=len(tokens)):
        weight = 1.0
        for t, (state, token) in enumerate(zip(path, tokens, strict=True)):
            weight *= (transition[path[t - 1]][state] if t else start[state]) * emission[state][token]
        total += weight
    return total


def brute_predict(mixture, demonstrations, query):
    joint = np.zeros(mixture.observations)
    for prior, start in zip(mixture.prior, mixture.start, strict=True):
        weight = prior
        for x, y in demonstrations:
            weight *= path_sum(start, mixture.transition, mixture.emission, [*x, y])
        joint += [
            weight * path_sum(start, mixture.transition, mixture.emission, [*query, y])
            for y in range(mixture.observations)
        ]
    return joint / joint.sum()


@st.composite
def problems(draw):
    """A small mixture, with zeros in it, and a prompt of mixed lengths."""
    tasks, states, observations = (draw(st.integers(1, n)) for n in (3, 3, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sparse = draw(st.booleans())

    def rows(shape):
        weights = rng.random(shape)
        if sparse:
            weights *= rng.random(shape) < 0.6
            weights[..., 0] += 1e-3
        return weights / weights.sum(axis=-1, keepdims=True)

    mixture = HMMMixture(
        rows(tasks), rows((tasks, states)), rows((states, states)), rows((states, observations))
    )
    tokens = st.lists(st.integers(0, observations - 1), max_size=3)
    demonstrations = draw(st.lists(st.tuples(tokens, st.integers(0, observations - 1)), max_size=3))
    return mixture, demonstrations, draw(tokens)


@given(problems())
@settings(max_examples=80)
def test_predict_is_the_sum_over_all_paths(problem):
    mixture, demonstrations, query = problem
    with np.errstate(invalid="ignore"):
        expected = brute_predict(mixture, demonstrations, query)
    if np.isnan(expected).any():
        with pytest.raises(ZeroProbabilityError):
            mixture.predict(demonstrations, query)
    else:
        np.testing.assert_allclose(mixture.predict(demonstrations, query), expected, rtol=0, atol=1e-12)


def test_log_likelihood_agrees_with_hmmlearn():
    hmm = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn has no wheels for this Python")
    mixture = families.mixture(families.block_starts(4, 12), families.dirichlet(0.5), 7, seed=3)
    for length in (5, 1500):
        tokens = mixture.sample(np.zeros(1, dtype=int), length, np.random.default_rng(length))[0]
        found = mixture.log_likelihood(tokens)
        for task in range(mixture.tasks):
            model = hmm.CategoricalHMM(n_components=mixture.states, init_params="")
            model.startprob_, model.transmat_ = mixture.start[task], mixture.transition
            model.emissionprob_, model.n_features = mixture.emission, mixture.observations
            assert found[task] == pytest.approx(model.score(tokens[:, None]), rel=1e-12)


@pytest.mark.parametrize(
    ("demonstrations", "query", "where"),
    [
        ([([0], 1)], [0], "demonstration 0"),
        ([([0], 0), ([1], 1)], [0], r"demonstration 1 .*together with the 1 demonstration"),
        ([([0], 0)], [1], "the query .*together"),
        ([], [2], "the query"),
    ],
)
def test_a_prompt_of_probability_zero_is_named(demonstrations, query, where):
    """Task 0 repeats token 0, task 1 token 1; nothing emits token 2 first."""
    with pytest.raises(ZeroProbabilityError, match=where) as error:
        HMMMixture([0.5, 0.5], np.eye(2, 3), np.eye(3), np.eye(3)).predict(demonstrations, query)
    assert isinstance(error.value, IclnbError)
    assert isinstance(error.value, ValueError)


def test_underflow_is_not_taken_for_zero():
    tiny = 1e-200
    mixture = HMMMixture([0.5, 0.5], [[1, 0], [1 - tiny, tiny]], np.eye(2), [[1, 0, 0], [1 - tiny, 0, tiny]])
    expected = np.log(tiny) * 2  # starts in state 1 (1e-200) and emits token 2 (1e-200): 1e-400
    np.testing.assert_allclose(mixture.log_likelihood([2]), [-np.inf, expected], rtol=1e-15)
    np.testing.assert_allclose(mixture.task_posterior([([2], 0)], [2]), [0, 1], atol=1e-15)
    with pytest.raises(ZeroProbabilityError):
        mixture.predict([], [1])
    # state 1 falls to 1e-600 of state 0, then only state 1 can go on
    mixture = HMMMixture([1.0], [[1.0, tiny]], np.eye(2), [[1, 0], [tiny, 1]])
    np.testing.assert_allclose(mixture.log_likelihood([0, 0, 1]), [3 * np.log(tiny)], rtol=1e-13)
    np.testing.assert_allclose(mixture.predict([], [0, 0, 1]), [tiny, 1], rtol=1e-12)


GOOD = {
    "prior": [0.5, 0.5],
    "start": np.eye(2),
    "transition": np.eye(2),
    "emission": [[0.5, 0.5, 0], [0, 0, 1]],
}


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prior", [0.5, 0.6], "prior sums to 1.1"),
        ("transition", [[1, 0], [1.5, -0.5]], "transition: row 1 holds a negative probability: -0.5"),
        ("emission", [[np.nan, 0.5, 0.5], [0, 0, 1]], "emission: row 0 .*not finite: nan"),
        ("transition", np.eye(3), r"start has shape \(2, 2\), expected \(2, 3\)"),
        ("prior", [], "prior has shape"),
        ("start", [[1, 0], [1]], "start is not a rectangular array"),
    ],
)
def test_invalid_arrays_are_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        HMMMixture(**{**GOOD, name: value})


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("demonstrations", "query", "message"),
    [
        ([([0, 3], 0)], [], r"x of demonstrations\[0\]: entry 1 is 3, expected 0 to 2"),
        ([([0], 0), ([0], -1)], [], r"y of demonstrations\[1\]: entry 0 is -1"),
        ([], [0.0], "query: entry 0 is 0.0, expected an integer"),
        ([], 3, "query must be a sequence"),
        ([0], [], re.escape("demonstrations[0] must be a pair (x, y)")),
    ],
)
def test_invalid_prompts_are_named(demonstrations, query, message):
    with pytest.raises(ValueError, match=message):
        HMMMixture(**GOOD).predict(demonstrations, query)


def test_samples_have_the_probabilities_of_path_enumeration():
    mixture = families.mixture(families.block_starts(2, 4), families.dirichlet(0.5), 3, seed=1)
    tokens = mixture.sample(np.ones(40_000, dtype=int), 2, np.random.default_rng(5))
    observed = np.bincount(tokens @ [3, 1], minlength=9) / len(tokens)
    expected = [
        path_sum(mixture.start[1], mixture.transition, mixture.emission, pair)
        for pair in product(range(3), repeat=2)
    ]
    np.testing.assert_allclose(observed, expected, atol=5 * 0.5 / np.sqrt(len(tokens)))
    tasks = HMMMixture([0.25, 0.0, 0.75], np.eye(3), np.eye(3), np.eye(3)).sample_tasks(
        20_000, np.random.default_rng(6)
    )
    np.testing.assert_allclose(np.bincount(tasks) / len(tasks), [0.25, 0, 0.75], atol=0.02)


def test_families_have_the_stated_shape():
    apart = families.mixture(families.block_starts(2, 6), families.softmax(5.0), 4, seed=0, blocks=2)
    assert not apart.transition[:3, 3:].any()
    assert not apart.transition[3:, :3].any()
    flat = families.mixture(families.single_starts(2, 6), families.softmax(5.0), 4, seed=0, noise=1.0)
    assert flat.transition.all()
    np.testing.assert_allclose(flat.emission, 0.25)
    np.testing.assert_array_equal(flat.start.argmax(axis=1), [0, 3])  # one for each block
    np.testing.assert_array_equal(families.single_starts(3, 5).argmax(axis=1), [0, 1, 3])
    with pytest.raises(ValueError, match="7 states do not divide"):
        families.block_starts(2, 7)
    with pytest.raises(ValueError, match="got 1 states"):
        families.single_starts(2, 1)
