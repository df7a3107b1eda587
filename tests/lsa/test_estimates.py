"""What decides the claims of chapter 05, on numbers worked out by hand and on small trained layers."""

import numpy as np
import pytest

from iclnb import claims
from iclnb.lsa import agreement, estimates, estimates_exact, generalisation, material, pictures, study
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
    assert estimates.law_ratio(gaps, seed=0).estimate.value == pytest.approx(1.5)
    stack = Comparison(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    assert estimates.stack_ratio(stack, seed=0).estimate.value == pytest.approx(0.625)
    measured = dict(
        zip(((v, 2.0) for v in estimates.VARIANTS), map(exact, (4.0, 8.0, 0.1, 0.2)), strict=True)
    )
    closed = estimates.closes_gap(measured, 2.0, **SIZE)
    assert closed.law == pytest.approx(8 / 14) and closed.constant.estimate.value == 0.1
    assert closed.normalised.estimate.value == 0.2 and closed.unmasked.estimate.value == 8.0
    assert {each.control for each in closed[:3]} == {4.0}
    assert (closed.criterion.low, closed.criterion.high) == pytest.approx((-0.16 / 14, 0.16 / 14))


def test_identities_hold_and_their_controls_do_not():
    rates = best_rates(2, **SIZE, prompts=500)
    assert estimates_exact.forms(**SIZE, init_seed=0, seed=1) < 1e-12
    for evidence in (
        estimates_exact.fewest_heads(**SIZE, init_seed=0, seed=1),
        estimates_exact.construction(**SIZE, seed=1),
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


def test_a_converged_study_supports_what_the_theory_says(trained):
    beside = agreement.beside_gd(trained, prompts=500, seed=0)
    assert estimates.sensitivity_cosine(beside, seed=0).estimate.value > 0.999
    assert estimates.sensitivity_cosine(beside, seed=0).control < 0.99
    lengths, means = generalisation.other_lengths(trained), generalisation.other_means(trained, 0)
    assert estimates.plateau(lengths, trained, seed=0).estimate.value == pytest.approx(1, abs=0.05)
    assert estimates.shift_cost(means, trained, seed=0).estimate.value == pytest.approx(1, abs=0.01)
    assert estimates.gap(trained, seed=0).estimate.value == pytest.approx(8 / 14, rel=0.01)
    assert abs(estimates.guess_excess(trained, CONVERGED, seed=0).estimate.value) < 1e-3
    gaps = study.trained_gaps(trained, [(2, 3)], seeds=2, data_seed=3, init_seed=4)
    assert estimates.law_ratio(gaps, seed=0).estimate.value == pytest.approx(1, abs=0.01)
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
    for name in ("gap-persists", "guess-closes-gap", "guess-with-paper-settings", "normalised-closes-gap"):
        results.claim(name, "s", claims.above(1), claims.Evidence(exact(value), 0.0, "none"))
    text = estimates.answer(results, trained)
    assert ("does not decide" in text) == (verdict == claims.INCONCLUSIVE)
    assert ("finds it." in text and "does not reach" not in text) == (verdict == claims.SUPPORTED)
    assert f"{100 * (2 / 14) / 1.5:.2g} %" in text


def test_a_stack_stays_near_gd():
    compared = train_stack(2, np.ones(2), n_context=3, steps=3, seeds=2, seed=0, batch=32, test_prompts=2000)
    assert compared.trained == pytest.approx(compared.gd, rel=0.05)
    assert compared.gd[0] != compared.gd[1]
