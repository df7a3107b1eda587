"""What decides the claims of chapter 05, on numbers worked out by hand and on small trained layers."""

import numpy as np
import pytest

from iclnb import claims
from iclnb.lsa import (
    agreement,
    conditions,
    estimates,
    estimates_exact,
    generalisation,
    material,
    pictures,
    pictures_exact,
    starts,
    study,
)
from iclnb.lsa.deep import Comparison, best_rates, train_stack
from iclnb.lsa.study import CONVERGED, EXACT, SAMPLED
from iclnb.stats import exact

D, CONTEXT = 3, 4
SIZE = {"d": D, "n_context": CONTEXT}


@pytest.fixture(scope="module")
def trained():
    """A real sweep of d = 3, trained to convergence in a second."""
    models = material.sweep_models("1", "0,2", D)
    options = {"steps": 3000, "batch": 32, "seeds": 2, "sampled_seeds": 1, "data_seed": 3, "init_seed": 4}
    return study.train_models(models, **SIZE, **options)


def by_hand(risks):
    """A study of one head, d + 1 heads and y_q-LSA at norms 0 and 2, with the risks given."""
    models = material.sweep_models("4", "0,2", D)
    keep = [m for m in models if m.heads != D]
    risks = np.asarray(risks, dtype=float)
    return study.Study(
        D, CONTEXT, tuple(keep), {}, {CONVERGED: risks, EXACT: 2 * risks}, np.full(len(keep), 2.0)
    )


def test_settings_of_a_sweep():
    models = material.sweep_models("7,2", "0,1.5", D)
    assert [m.heads for m in models[::2]] == [1, 2, 3, 4, 7, 1]
    assert [m.train_guess for m in models] == [False] * 10 + [True] * 2
    assert material.dimensions("2x10,5x3") == [(2, 10), (5, 3)]


def test_estimates_by_hand():
    # H = 1 at norms 0, 2; H = 4 at 0, 2; y_q at 0, 2; d (1 - η*) = 3 (1 - 1/2) = 1.5
    made = by_hand([[2.0, 4.0, 2.0, 3.0, 2.0, 1.8], [2.2, 4.4, 2.0, 3.2, 2.0, 1.65]])
    assert made.floor == 1.5 and made.top == 2 and made.most == 4
    gap = estimates.gap(made, seed=0)
    assert gap.estimate.value == pytest.approx(1.6) and gap.control == pytest.approx(0.5)
    guess = estimates.guess_excess(made, CONVERGED, seed=0)
    assert guess.estimate.value == pytest.approx(0.15) and guess.control == pytest.approx(4.2 / 1.5 - 1)
    worst = estimates.convergence(made, seed=0)
    assert worst.estimate.value == pytest.approx(110) and worst.control == pytest.approx(340)
    assert made.worst_excess()[CONVERGED] == pytest.approx(np.array([[10, 120], [0, 60], [0, -10]]))


def test_ratios_by_hand():
    gaps = study.Gaps([(3, 4)], [1.0, 2.0], np.array([[0.5, 2.0]]), np.array([[[0.5, 4.0]], [[1.0, 2.0]]]))
    assert estimates.law_deviation(gaps, seed=0).estimate.value == pytest.approx(
        1
    )  # largest of 0, 1 and 1, 0
    stack = Comparison(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    assert estimates.stack_ratio(stack, seed=0).estimate.value == pytest.approx(0.625)
    measured = dict(
        zip(((v, 2.0) for v in estimates.VARIANTS), map(exact, (4.0, 8.0, 0.1, 0.2)), strict=True)
    )
    closed = estimates.closes_gap(measured, 2.0, **SIZE)
    assert closed.law == pytest.approx(8 / 14) and closed.multiples["constant coordinate"] == 0.1 * 14 / 8
    assert closed.normalised.estimate.value == 0.2 and closed.unmasked.estimate.value == 8.0
    assert {each.control for each in closed[:2]} == {4.0}
    assert (closed.criterion.low, closed.criterion.high) == pytest.approx((-0.16 / 14, 0.16 / 14))


def test_identities_hold_and_their_controls_do_not():
    rates = best_rates(2, **SIZE, prompts=500)
    assert estimates_exact.forms(**SIZE, init_seed=0, seed=1) < 1e-12
    for evidence in (
        estimates_exact.fewest_heads(**SIZE, init_seed=0, seed=1),
        estimates_exact.construction(**SIZE, seed=1),
        estimates_exact.constant_coordinate(**SIZE, seed=1),
        estimates_exact.stack_construction(**SIZE, rates=rates, seed=1),
    ):
        assert evidence.estimate.value < 1e-12 < 1e-3 < evidence.control


def test_exact_claims_on_small_numbers():
    share = estimates_exact.gap_share(**SIZE, norm=1.0)  # gap 2/14 and GD from 0: (3 + 1)/2, beside 1.5
    assert share.estimate.value == pytest.approx(2 / 14 / 1.5) and share.control == pytest.approx(2 / 1.5 - 1)
    idle = estimates_exact.last_head(**SIZE, norm=2.0)
    assert abs(idle.estimate.value) < 1e-6 < 1e-3 < idle.control
    noisy = estimates_exact.last_head_under_noise(**SIZE, norm=20.0, noise_std=1.0)
    assert noisy.estimate.value > 1e-6 > abs(noisy.control)
    searched = estimates_exact.head_law(**SIZE, norms=[2.0])
    assert searched.estimate.value < 1e-5 < 1e-2 < searched.control
    end = estimates_exact.head_law_end(**SIZE, norm=1e4)
    assert end.estimate.value < 1e-6 and end.control == pytest.approx(2 / 6 - 2 / 14, abs=1e-6)


def test_a_converged_study_supports_what_the_theory_says(trained):
    beside = agreement.beside_gd(trained, prompts=500, seed=0)
    assert estimates.sensitivity_cosine(beside, seed=0).estimate.value > 0.999
    assert estimates.sensitivity_cosine(beside, seed=0).control == pytest.approx(beside.many[:, 2].mean())
    assert (
        estimates.prediction_distance(beside, seed=0).estimate.value < 0.2 and beside.from_zero[0, 2] < 0.99
    )
    lengths, means = generalisation.other_lengths(trained), generalisation.other_means(trained, 0)
    assert estimates.plateau(lengths, trained, seed=0).estimate.value == pytest.approx(1, abs=0.05)
    assert estimates.shift_cost(means, trained, seed=0).estimate.value == pytest.approx(1, abs=0.01)
    assert estimates.gap(trained, seed=0).estimate.value == pytest.approx(8 / 14, rel=0.01)
    assert abs(estimates.guess_excess(trained, CONVERGED, seed=0).estimate.value) < 1e-3
    gaps = study.trained_gaps(trained, [(2, 3)], seeds=2, data_seed=3, init_seed=4)
    assert estimates.law_deviation(gaps, seed=0).estimate.value < 0.02
    assert gaps.law == pytest.approx(np.array([[8 / 14], [8 / 8]]))
    at_zero = generalisation.other_lengths(trained).least_squares
    assert at_zero[0] == pytest.approx((1 - 1 / D) * (D + 4)) and at_zero[-1] == 0


def test_pictures_say_what_they_show(trained):
    excess = trained.optimum[trained.column(1, 2.0)] - trained.floor
    assert f"from {excess:.3g} with one head to {8 / 14:.3g}" in pictures.gap_by_heads(trained, seed=0).alt
    parts = pictures.head_parts(trained.trained[CONVERGED].layer(0, trained.column(1, 2.0, guess=True)))
    assert parts[:D, :D] == pytest.approx(np.eye(D) / 2, abs=0.01)  # η* = 1 / (1 + 4/4)
    assert parts[:D, D] == pytest.approx(-parts[:D, D + 1], abs=0.01) and parts[D, D] == 1
    for picture in (pictures.learning_curves(trained), pictures.trained_head(trained)):
        assert picture._repr_html_().count("<img") == 1
    assert SAMPLED in pictures.learning_curves(trained).alt


@pytest.mark.parametrize("verdict", [claims.SUPPORTED, claims.NOT_SUPPORTED, claims.INCONCLUSIVE])
def test_the_answer_follows_the_verdicts(trained, verdict):
    value = {claims.SUPPORTED: 2.0, claims.NOT_SUPPORTED: 0.0}.get(verdict, np.nan)
    results = claims.Results("05", {})
    for name in ("gap-persists", "guess-closes-gap", "head-law"):
        results.claim(name, "s", claims.above(1), claims.Evidence(exact(value), 0.0, "none"))
    text = estimates.answer(results, trained)
    assert ("does not decide" in text) == (verdict == claims.INCONCLUSIVE)
    assert ("finds it." in text and "does not reach" not in text) == (verdict == claims.SUPPORTED)
    assert f"{100 * (2 / 14) / 1.5:.2g} %" in text


def test_a_stack_stays_near_gd():
    compared = train_stack(2, np.ones(2), n_context=3, steps=3, seeds=2, seed=0, batch=32, test_prompts=2000)
    assert compared.trained == pytest.approx(compared.gd, rel=0.05)
    assert compared.gd[0] != compared.gd[1]


def test_other_priors_and_inputs_against_their_formulas():
    at = conditions.vary_conditions(**SIZE, norm=2.0, places=3)
    assert at.by_noise[0] == pytest.approx(1) and np.all(np.diff(at.by_noise) < 0)
    assert at.by_prior == pytest.approx(1)
    spectrum = np.geomspace(1, 0.01, D)
    assert at.widest[-1] == pytest.approx(D * spectrum[0] / spectrum.sum())
    assert at.narrowest[-1] == pytest.approx(D * spectrum[-1] / spectrum.sum())


def test_a_prior_of_any_covariance_by_regression_on_sampled_prompts():
    """The best y_q = 0 tensor by least squares on prompts with w ~ N(w*, Σ), beside the best step of GD."""
    rng, d, n_context, count = np.random.default_rng(0), 2, 2, 150_000
    prior, mean = np.array([[2.0, 0.5], [0.5, 0.3]]), np.array([3.0, 1.0])
    x, query = rng.normal(size=(count, n_context, d)), rng.normal(size=(count, d))
    w = mean + rng.normal(size=(count, d)) @ np.linalg.cholesky(prior).T
    y, target = np.einsum("pcd,pd->pc", x, w), np.sum(w * query, axis=1)
    tokens = np.concatenate([x, y[..., None]], axis=2)
    seen = np.einsum("pca,pcb->pab", tokens, tokens) / n_context
    every = (seen[:, *np.triu_indices(d + 1)][:, :, None] * query[:, None]).reshape(count, -1)
    step = (np.einsum("pc,pca->pa", y - x @ mean, x)[:, :, None] * query[:, None]).reshape(count, -1)

    def errors(features, goal):
        return (goal - features @ np.linalg.lstsq(features, goal, rcond=None)[0]) ** 2

    draws = errors(every, target) - errors(step, target - query @ mean)
    expected = conditions.gap(d, n_context, mean, prior=prior)
    assert expected == pytest.approx(2 * mean @ mean / (n_context * d + 2))
    assert abs(draws.mean() - expected) < 4 * draws.std() / count**0.5


def made_starts(guess, many):
    shape = (len(starts.SCALES), len(starts.TIMES), 2)
    fill = [np.broadcast_to(np.array(part)[:, None], shape) for part in (guess, many)]
    return starts.Starts(*fill, np.array([1.0, 3.0]), 2.5)


def test_a_comparison_that_depends_on_the_start_is_no_comparison():
    low, high = [[0.01, 0.03]] * 3, [[0.02, 0.04]] * 3
    same = made_starts(low, high)
    assert same.comparable and same.lower_share == 1 and made_starts(high, low).comparable
    mixed = made_starts([[0.01, 0.05]] * 3, high)
    assert not mixed.comparable and mixed.lower_share == 0.5
    assert "**not comparable**" in estimates.comparison(mixed, 4) and "below 4 heads in 50 %" in (
        estimates.comparison(mixed, 4)
    )
    assert "In 1 of our seeds" in estimates.comparison(same, 4) and "excess is 1 %" in estimates.comparison(
        same, 4
    )
    assert estimates.longer_training(same, seed=0).estimate.value == pytest.approx(0.02)


def test_starts_are_trained_and_more_steps_come_nearer():
    varied = starts.vary_starts(2, 1.0, **SIZE, steps=300, seeds=2, data_seed=0, init_seed=1)
    assert varied.guess.shape == varied.many.shape == (3, 2, 2)
    assert np.all(varied.guess[:, 1] < varied.guess[:, 0]) and np.all(varied.guess > -1e-5)
    assert varied.reach == pytest.approx(0.15) and len(np.unique(varied.guess)) == 12


def test_exact_pictures_say_what_they_show(trained):
    alt = pictures_exact.head_law(**SIZE, norms=[2.0]).alt
    assert f"{2 / 14:.3g} with 3" in alt and f"is {2 / 6:.3g} and {2 / 14:.3g}" in alt
    at, lengths = conditions.vary_conditions(**SIZE, norm=2.0), generalisation.other_lengths(trained)
    assert "1.00 for the prior" in pictures_exact.conditions(at, lengths, trained, seed=0).alt
