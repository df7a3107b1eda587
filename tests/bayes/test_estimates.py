"""What decides the claims of chapter 01 and its appendices, on findings worked out by hand."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from iclnb.bayes import (
    estimates,
    estimates_table_3,
    estimates_theorem,
    estimates_transformer,
    pictures,
    tables,
)
from iclnb.bayes.counterexample import POSITIVE, THIRDS, TWO_TASKS
from iclnb.bayes.findings import DESIGNS, Learning
from iclnb.bayes.learning import BAYES, FITTED, IGNORING, LEARNERS, TUNED
from iclnb.bayes.material import SHARES
from iclnb.bayes.measure_table_3 import READINGS, Table3
from iclnb.bayes.measure_theorem import LIMITS_OF, Limits
from iclnb.bayes.measure_transformer import ANSWERERS, EVERY_TASK, KERNELS, REFERENCES, SOURCES, Following
from iclnb.bayes.table_3 import DEMONSTRATIONS, DISTANCE
from iclnb.claims import NothingToMeasure
from iclnb.ladders import HERE, Ladder, Rung

NS = np.array([1, 10, 100, 1000, 10_000])
LAST = len(SHARES) - 1


def ladder_of(findings):
    return Ladder("01", [Rung(HERE, findings, SimpleNamespace(), {}, {}, None)])


def hand_made(bayes=(1.0, 1.0), kernel=(2.0, 2.0), tuned=(1.5, 1.5), fitted=(1.2, 1.2), laws=(1.0, 1.0)):
    """Two HMMs whose errors fall as 10^a / n on the corpus, until they are down to a limit.

    ``a`` is given by learner and HMM; off the corpus Bayes stays at half the share held out. Theory says the
    same but for a factor ``laws``. Ignoring the demonstrations has an error of 1.
    """
    shape = (len(DESIGNS), 2, len(SHARES), len(LEARNERS))
    power = dict.fromkeys(LEARNERS, kernel) | {BAYES: bayes, TUNED: tuned, FITTED: fitted}
    error, limit = np.empty((*shape, len(NS))), np.zeros(shape)
    for k, name in enumerate(LEARNERS):
        for hmm in range(2):
            error[:, hmm, :, k] = 10.0 ** power[name][hmm] / NS
        if name == IGNORING:
            error[..., k, :], limit[..., k] = 1, 1
        if name == BAYES:
            limit[..., k] = np.array(SHARES) / 2
            error[:, :, 1:, k, :] = limit[:, :, 1:, k, None]
    predicted = error.copy()
    predicted[:, :, :, [LEARNERS.index(name) for name in (BAYES, "ratio")]] /= np.reshape(
        laws, (1, 2, 1, 1, 1)
    )
    predicted[:, :, 1:, LEARNERS.index(BAYES)] = error[:, :, 1:, LEARNERS.index(BAYES)]
    return Learning(
        error=error, predicted=predicted, limit=limit, divergence=np.ones(shape[:3]),
        rank=np.full(shape[:2], 25), ns=NS,
    )  # fmt: skip


def test_where_falling_errors_meet_a_level():
    errors = np.array([[1.0, 0.5, 0.05, 0.05, 0.0], [0.1, 1, 1, 1, 1], [1, 1, 1, 1, 0.9]])
    found = estimates.needed(NS, errors, np.array([0.5 / 10**0.5, 0.5, 0.5]))
    assert found[0] == pytest.approx(10**1.5)  # halfway from 0.5 to 0.05, in logarithms
    assert (found[1], found[2]) == (1, np.inf)  # one is the least; never


def test_overtaking_is_for_good():
    rival = np.full((3, 5), 0.1)
    errors = np.array([[0.01, 1.0, 1.0, 0.01, 0.01], [1, 1, 1, 1, 1], [0.01] * 5])
    found = estimates.overtaking(NS, errors, rival)
    assert found[0] == pytest.approx(10**2.5)  # ten times the rival's at 100, a tenth at 1000
    assert (found[1], found[2]) == (np.inf, 1)


def test_counts_on_the_corpus_are_judged_in_the_worst_design():
    found = hand_made(tuned=(2.0, 2.2))
    worse = found.error.copy()
    worse[1, :, :, LEARNERS.index(TUNED)] /= 10
    fewer, hurt = (estimates.bayes_needs_fewer(each, seed=0) for each in (found, replace(found, error=worse)))
    assert fewer.estimate.value == pytest.approx(1.1, abs=1e-5)  # means of log10 of 10 and 10^1.2
    assert hurt.estimate.value == pytest.approx(0.1, abs=1e-4) and DESIGNS[1] in hurt.control_is


def test_laws_beside_their_rivals():
    found = hand_made(laws=(2.0, 2.0))
    for learner, count in ((BAYES, 20), ("ratio", 200)):
        evidence = estimates.law(found, learner, seed=0)
        assert evidence.estimate.value == pytest.approx(2, rel=1e-4)
        rival = np.log([4, 8]) if learner == BAYES else np.array([25 / 0.25])
        expected = estimates.halving(found, 0, learner)[0] / rival
        assert np.isclose(evidence.control, expected).any()
        assert estimates.halving(found, 0, learner)[0] == pytest.approx(count, rel=1e-4)


def test_crossings_off_the_corpus():
    """A kernel of error 100 / n against Bayes at share / 2: n* = 200 / share, predicted half of that."""
    found = hand_made(laws=(2.0, 2.0))
    n = estimates.crossings(found, 0, "ratio", LAST)
    assert n[0] == pytest.approx(200, rel=1e-4)
    evidence = estimates.crossing_as_predicted(found, seed=0)
    assert evidence.estimate.value == pytest.approx(2, rel=1e-4)
    rivals = [(200 / share) / (25 / (share / 2) ** 2) for share in SHARES[1:]]
    assert evidence.control == pytest.approx(np.exp(np.mean(np.log(rivals))), rel=1e-4)
    with pytest.raises(NothingToMeasure):
        estimates.crossing_as_predicted(hand_made(kernel=(9.0, 9.0)), seed=0)


def test_who_ends_nearer_and_who_needs_fewer_off_the_corpus():
    found = hand_made()
    ends = estimates.kernels_end_nearer(found, seed=0)
    assert ends.estimate.value == 1 and ends.control == 0
    limit = found.limit.copy()
    limit[2, 0, LAST, LEARNERS.index("belief")] = 0.6  # one kernel, one HMM, one design: beyond 1 / 2
    ends = estimates.kernels_end_nearer(replace(found, limit=limit), seed=0)
    assert ends.estimate.value == 0.5 and DESIGNS[2] in ends.control_is
    fewer = estimates.fitting_needs_fewer(hand_made(tuned=(3.0, 3.2), fitted=(2.0, 2.0)), seed=0)
    assert fewer.estimate.value == pytest.approx(1.1, abs=1e-4)
    limit[1, 1, 2, LEARNERS.index("ratio")] = 0.01
    assert estimates.repaired_outside(replace(found, limit=limit)).estimate.value == pytest.approx(0.01)


def test_winners_have_the_least_mean_error():
    found = hand_made(bayes=(1.0, 1.0), fitted=(0.0, 0.5))
    won = estimates.winners(found, 0, [BAYES, FITTED, IGNORING])
    np.testing.assert_array_equal(won[0], [2, 1, 1, 1, 1])  # at n = 1 nobody knows anything
    assert won[LAST, 0] == 0 and won[LAST, -1] == 1


def test_theorem_1_in_the_reading_that_errs_less():
    error, x = estimates_theorem.worst_limit(THIRDS, "printed")
    assert (error, x) == (Fraction(16, 9), (2, 2))  # limit 2 where the truth is 2/9
    found = estimates_theorem.counterexample(POSITIVE)
    printed = float(Fraction(247187, 1325900) - Fraction(193, 1300))
    assert found.control == 0 and 0.007 < found.estimate.value < printed  # the covariance errs less
    beyond = estimates_theorem.beyond_bound(TWO_TASKS)
    centred = estimates_theorem.worst_limit(TWO_TASKS, "centred")[0] / TWO_TASKS.bound_at_most("centred")
    assert beyond.estimate.value == float(centred) > 6 and beyond.control == 0
    repairs = estimates_theorem.repairs_in_fractions(POSITIVE, THIRDS, TWO_TASKS)
    assert repairs.estimate.value == 0 < repairs.control
    told = tables.two_tasks(TWO_TASKS, (0, 1)).data
    assert "0.843" in told and "1.02" not in told  # the smaller divergence is told
    assert "0.693" in told


def test_bound_and_limits_of_small_hmms():
    worst = np.full((3, len(LIMITS_OF)), 0.5)
    worst[:, LIMITS_OF.index("labels only")] = 0.1
    worst[1, LIMITS_OF.index("ratio")], worst[:, LIMITS_OF.index("unweighted")] = 1e-9, 0
    worst[[0, 2], LIMITS_OF.index("ratio")] = 0
    found = Limits(median=worst, worst=worst, bound=np.array([1.0, 10.0, 1000.0]))
    bound = estimates_theorem.bound_over_blind(found, seed=0)
    assert bound.estimate.value == pytest.approx(100) and bound.control == pytest.approx(5)
    assert estimates_theorem.repaired_limit(found).estimate.value == 1e-9
    assert "the theorem's bound η²ε: 10" in pictures.bounds(ladder_of(found)).alt
    assert "| labels only | 0.1 | 0.1 |" in tables.limits(found).data


def table_3(**by_reading):
    """Four HMMs; ``by_reading`` gives the printed kernel's distances under readings by number, added to table 3."""
    shape = (len(READINGS), 4, 4, len(DEMONSTRATIONS))
    blank = np.full(shape, np.nan)
    arrays = {name: blank.copy() for name in ("distance", "squared", "accuracy", "negative")}
    without = np.full((len(READINGS), 4, len(DEMONSTRATIONS)), np.nan)
    for name, shifts in by_reading.items():
        place = int(name[1:])
        for array in arrays.values():
            array[place] = 1.5
        arrays["distance"][place, :, 0] = np.array(DISTANCE) + np.array(shifts)[:, None]
        arrays["accuracy"][place] = 1 - arrays["distance"][place] / 2
        arrays["negative"][place, :, 0] = np.abs(shifts)[:, None] / 2
        without[place] = np.abs(shifts)[:, None]
    plain = np.where(np.isfinite(without[..., 0]), 0.25, np.nan)
    return Table3(
        **arrays, without=without, missing_mass=plain,
        limit=np.repeat(plain[..., None], 4, axis=2), sharpness=plain[:, 0],
    )  # fmt: skip


def test_a_reading_is_chosen_on_other_hmms_than_it_is_judged_on():
    """Reading 1 fits on the HMMs that choose (0 and 2) and not on those that judge."""
    found = table_3(r0=[2.0, 0.0, 1.6, 0.0], r1=[0.0, 0.4, 0.02, 0.2])
    assert estimates_table_3.ran(found) == [0, 1]
    gap = estimates_table_3.table_gap(found, "printed", seed=0)
    assert gap.estimate.value == pytest.approx(0.3, abs=1e-3) and READINGS[1] in gap.control_is
    last = estimates_table_3.last_distance(found, "printed", seed=0)
    assert last.estimate.value == pytest.approx(DISTANCE[-1] + 0.3, abs=1e-3)
    assert last.control == pytest.approx(1.5)
    negative = estimates_table_3.negative_normalisers(found, 8, seed=0)
    assert negative.estimate.value == pytest.approx(0.15, abs=1e-3) and negative.control == pytest.approx(1.5)
    matter = estimates_table_3.demonstrations_matter(found, seed=0)
    assert matter.estimate.value == pytest.approx(0) and READINGS[0] in matter.control_is
    assert estimates_table_3.bias(found, seed=0).estimate.value == 0.25
    with pytest.raises(NothingToMeasure, match="four HMMs"):
        by_hmm = ("distance", "squared", "accuracy", "negative", "limit", "without", "missing_mass")
        few = replace(found, **{name: getattr(found, name)[:, :2] for name in by_hmm})
        estimates_table_3.table_gap(few, "printed", seed=0)


def test_gaps_are_of_means_and_not_means_of_gaps():
    assert estimates_table_3.gap(np.array(DISTANCE) + np.array([[-0.5], [0.7]])) == pytest.approx(0.1)


def test_the_constant_is_the_slope_of_least_squares():
    table = tables.constants(table_3(r0=[0.0, 0.1, 0.0, 0.1]), seed=0).data
    missed = 1 - np.array([0.337, 0.532, 0.745, 0.901, 0.926, 0.968, 0.961, 0.964])
    slope, *_ = np.linalg.lstsq(missed[:, None], np.array(DISTANCE))
    assert f"| table 3 | {slope[0]:.3g} |" in table
    assert "| L1 | 2" in table


def following(distances):
    """Two corpora and two trainings; distances of the trained by source, reference: (corpus, training)."""
    shape = (2, 2, len(ANSWERERS), len(SOURCES), len(REFERENCES), 1)
    distance = np.ones(shape)
    for (answerer, source, reference), values in distances.items():
        place = ANSWERERS.index(answerer), SOURCES.index(source), REFERENCES.index(reference)
        distance[:, :, *place, 0] = values
    return Following(
        distance=distance, loss=np.full((2, 2, 20), 1.5), entropy=np.ones((2, 2)), tasks=np.array([2, 256])
    )


def test_transformers_are_judged_at_the_corpus_that_speaks_most_against_the_claim():
    own, other = SOURCES
    found = following(
        {
            ("trained", own, BAYES): [[0.1, 0.1], [0.2, 0.2]],
            ("trained", own, KERNELS[2]): [[0.5, 0.5], [0.4, 0.4]],
            (BAYES, own, IGNORING): [[0.4, 0.4], [1.0, 1.0]],
            ("trained", other, BAYES): [[0.2, 0.2], [0.6, 0.6]],
            ("trained", other, EVERY_TASK): [[0.6, 0.6], [0.1, 0.4]],
            ("trained", other, KERNELS[0]): [[0.8, 0.8], [0.4, 0.4]],
        }
    )
    expected = {"nearer_to_bayes": 0.5, "follows_bayes": 0.25, "no_kernel_elsewhere": 0.5}
    for name, value in expected.items():
        evidence = getattr(estimates_transformer, name)(found, seed=0)
        assert evidence.estimate.value == pytest.approx(value, abs=1e-3), name
        assert "256 tasks" in evidence.control_is or name == "follows_bayes"
    few, many = (estimates_transformer.generality(found, corpus, seed=0).estimate for corpus in (0, -1))
    assert few.value == pytest.approx(3, rel=1e-3) and many.value == pytest.approx(1 / 3, rel=1e-3)
    alt = pictures.following(ladder_of(found), seed=0).alt
    assert f"{own}, to Bayes over the corpus: 0.1 and 0.2" in alt
    assert "| 256 | 1.5 | 1.5 | 1 |" in tables.training(found).data


def test_pictures_and_tables_say_what_they_show():
    found = hand_made()
    ladder = ladder_of(found)
    told = f"{DESIGNS[0]}: repaired kernel from n = 200 on, error of Bayes 0.5"
    assert told in pictures.phase_diagram(ladder).alt
    assert "they tend to: Bayes 0.5" in pictures.learning_curves(ladder, seed=0).alt
    assert "ratio 100%" in pictures.crossing(ladder).alt
    count = np.median(estimates.halving(found, 0, BAYES))
    assert f"| Bayes | {count:.2g} ({count:.2g}) |" in tables.halving(found).data
    of_table = table_3(r0=[0.3, 0.0, 0.3, 0.0], r1=[0.0, 0.4, 0.0, 0.2])
    assert "from 0.15 to 0.15" in pictures.table_3(ladder_of(of_table)).alt
    assert READINGS[1] in tables.readings(of_table).data and READINGS[2] not in tables.readings(of_table).data
    assert tables.exact_limits(POSITIVE).data.count("\n") == 4  # three that differ
    assert "\\(2/3, 2, -5/3) |" in tables.worst_cases({"thirds": THIRDS}).data
    assert tables.kernel_list().data.count("\n") == 9
