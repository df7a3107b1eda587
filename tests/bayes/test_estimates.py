"""What decides the claims of chapter 01, on tables worked out by hand."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from iclnb import claims
from iclnb.bayes import (
    crossing,
    estimates,
    estimates_crossing,
    estimates_theorem,
    families,
    kernels,
    material,
    pictures,
    study,
    tables,
)
from iclnb.bayes.counterexample import POSITIVE, THIRDS, TWO_TASKS
from iclnb.bayes.experiment import PAPER_ACCURACY, PAPER_DEMONSTRATIONS, PAPER_DISTANCE, Curves
from iclnb.stats import exact

NS = PAPER_DEMONSTRATIONS
EIGHT = np.arange(8.0)


def curves(**fields):
    """Curves of one HMM over the n of table 3; what is not given is zero."""
    zero = {name: np.zeros(8) for name in kernels.KERNELS}
    by_kernel = ("distance", "median", "accuracy", "negative", "to_answer", "answered")
    given = {name: {**zero, **fields.pop(name, {})} for name in by_kernel}
    rest = {"limit": dict.fromkeys(kernels.KERNELS, 0.0), "without": np.zeros(8), "risk": np.zeros(8)}
    sizes = {"rank": {"printed": 100}, "sequences": 500, "missing_mass": 0.001}
    return Curves(**given, **{**rest, **sizes, **fields})


def of(*hmms, permuted=()):
    return study.Study(NS, list(hmms), list(permuted))


def test_the_distance_at_the_largest_n_beside_permuted_labels_or_labels_only():
    hmms = [curves(distance={"belief": EIGHT / 7 * top, "labels only": EIGHT}) for top in (0.1, 0.3)]
    permuted = [SimpleNamespace(distance={"belief": EIGHT * top}) for top in (1, 2)]
    found = estimates.final_distance(of(*hmms, permuted=permuted), "belief", seed=0)
    assert found.estimate.value == pytest.approx(0.2) and found.control == pytest.approx(7 * 1.5)
    assert "permuted" in found.control_is
    width = 12.706 * 0.1  # Student's t with one degree of freedom times the standard error of 0.1 and 0.3
    assert found.estimate.high == pytest.approx(0.2 + width, rel=1e-3)
    unpermuted = estimates.final_distance(of(*hmms), "belief", seed=0)
    assert unpermuted.control == 7 and unpermuted.control_is == "labels only"


def test_gaps_to_table_3_are_of_means_and_not_means_of_gaps():
    apart = np.array(PAPER_DISTANCE)
    hmms = [curves(distance={"belief": apart + e}, to_answer={"belief": apart + 2}) for e in (-0.5, 0.7)]
    found = estimates.table_gap(of(*hmms), "belief", seed=0)
    assert found.estimate.value == pytest.approx(0.1) and found.control == pytest.approx(apart.mean())
    answer = estimates.table_gap(of(*hmms), "belief", key="to_answer", seed=0)
    assert answer.estimate.value == pytest.approx(2)
    assert estimates.gaps({"this": of(*hmms)}, seed=0) == {"this": pytest.approx(0.1)}


def test_a_reading_is_chosen_on_other_columns_than_it_is_judged_on():
    """One fits the columns of the choice and no others; another fits the others and not these."""
    apart, even = np.array(PAPER_DISTANCE), EIGHT % 2 == 0
    fits, other = apart + 0.3 * ~even, apart + 0.2 * even
    read = {
        "fits": of(
            *[curves(distance={"belief": other}, to_answer={"belief": fits + e}) for e in (-0.01, 0.01)]
        ),
        "other": of(*[curves(distance={"belief": other}, to_answer={"belief": other})] * 2),
    }
    assert estimates.chosen_reading(read) == ("fits", "to_answer")
    found = estimates.judged_gap(read["fits"], "to_answer", seed=0)
    assert found.estimate.value == pytest.approx(0.3)
    assert found.control == pytest.approx(apart[~even].mean())
    assert "drawn answer" in estimates.choice_in_words("fits", "to_answer")


def test_agreement_with_drawn_answers_beside_table_3():
    late = np.array(PAPER_ACCURACY)
    hmms = [curves(answered={"belief": late - e, "labels only": 0 * late}) for e in (0.01, 0.03)]
    found = estimates.answered_gap(of(*hmms), "belief", seed=0)
    assert found.estimate.value == pytest.approx(0.02)
    assert found.control == pytest.approx(np.mean([0.968, 0.961, 0.964]))


def test_shares_ratios_and_counts_by_hand():
    hmms = [curves(negative={"printed": EIGHT / share, "ratio": EIGHT / 24}) for share in (8, 16)]
    signs = estimates.negative_normalisers(of(*hmms), "printed", 8, seed=0)
    assert signs.estimate.value == pytest.approx((3 / 8 + 3 / 16) / 2) and signs.control == pytest.approx(
        1 / 8
    )
    flat = {"labels only": np.linspace(2, 0.6, 8)}
    falling = [curves(distance={"belief": np.array(NS) ** -0.5 * a, **flat}) for a in (1, 5)]
    found = estimates.plateau(of(*falling), "belief", seed=0)
    assert found.estimate.value == pytest.approx(0.5) and found.control == pytest.approx(0.6)
    assert estimates.table_plateau() == pytest.approx(0.083 / 0.085)
    high, low = np.full(8, 0.2), np.full(8, 0.2) * (EIGHT < 7)
    unlucky = estimates.unlucky_hmms(
        of(*[curves(distance={"belief": d, "labels only": high}) for d in (high, low, low, low)]), "belief"
    )
    assert unlucky.estimate.value == 0.25 and unlucky.control == 1
    assert unlucky.estimate.low == pytest.approx(1 - 0.975**0.25)  # P(at least 1 of 4) = 2.5 %
    beside = [curves(distance={"belief": EIGHT * a, "labels only": EIGHT}) for a in (0.5, 1.0)]
    assert estimates.against_frequencies(of(*beside), "belief", seed=0).estimate.value == pytest.approx(0.75)


def test_whether_demonstrations_matter_is_read_at_the_largest_n():
    one, other = (of(*[curves(without=EIGHT * a) for a in scale]) for scale in ((0.1, 0.2), (1, 2)))
    found = estimates.demonstrations_matter(one, other, "the other", seed=0)
    assert found.estimate.value == pytest.approx(7 * 0.15) and found.control == pytest.approx(7 * 1.5)


def test_the_norm_of_table_3_by_least_squares():
    slope, *_ = np.linalg.lstsq(1 - np.array(PAPER_ACCURACY)[:, None], np.array(PAPER_DISTANCE))
    assert estimates.table_norm().estimate.value == pytest.approx(slope[0])
    assert estimates.table_norm_deviation() == pytest.approx(0.021)  # at n = 64: |0.093 - 0.078| and n = 32


def test_rank_and_reach_are_those_of_the_hmms():
    study_ = of(curves(), curves(rank={"printed": 200}, sequences=700, missing_mass=0.003))
    text = estimates.rank_and_reach(study_)
    assert "100 to 200, above the largest n = 128 in 50% of" in text
    assert "500 to 700, which miss a probability of 2.0e-03" in text


@pytest.fixture(scope="module")
def small():
    """Two HMMs whose errors fall exactly like n^(-1/2), printed ones to a floor."""
    ns, names = (10, 1000, 10_000), (*estimates_theorem.CONVERGING, "labels only")
    falling = np.array([[1.0], [2.0]]) * np.array(ns) ** -0.5
    to_limit = dict.fromkeys(names, falling) | {"belief": falling**0.5}
    floor = {name: np.array([0.1, 0.3]) for name in names} | {"ratio": np.zeros(2)}
    worst = {name: 2 * floor[name] for name in names}
    posterior = {name: falling + floor[name][:, None] for name in names} | {"labels only": np.ones((2, 3))}
    return study.TheoremStudy(ns, np.array([1e3, 1e5]), np.array([9, 9]), floor, worst, to_limit, posterior)


def test_the_counterexample_in_fractions():
    error, x = estimates_theorem.worst_limit(THIRDS, "printed")
    assert (error, x) == (Fraction(16, 9), (2, 2))  # limit 2 where the truth is 2/9
    found = estimates_theorem.counterexample(POSITIVE)
    assert found.control == 0
    assert found.estimate.value == float(Fraction(247187, 1325900) - Fraction(193, 1300))


def test_repairs_are_exact_where_the_printed_kernel_is_not():
    found = estimates_theorem.repairs_in_fractions(POSITIVE, THIRDS, TWO_TASKS)
    assert found.estimate.value == 0 and found.control == float(
        max(TWO_TASKS.error("printed", x) for x in TWO_TASKS.sequences)
    )


def test_two_tasks_that_can_be_told_apart_break_the_bound():
    found = estimates_theorem.beyond_bound(TWO_TASKS)
    error, _ = estimates_theorem.worst_limit(TWO_TASKS, "printed")
    assert found.estimate.value == float(error / TWO_TASKS.bound_at_most()) > 5 and found.control == 0
    assert str(float(TWO_TASKS.bound_at_most()))[:6] in tables.two_tasks(TWO_TASKS, (0, 1)).data


def learned_by_hand():
    """Two HMMs: Bayes needs 1 and 2 demonstrations, ratio 9 and 99 (in theory 10 and 90), belief 30."""
    ones = []
    for bayes, ratio, belief, theory in ((1, 9, 30, 10), (2, 99, 30, 90)):
        ns = (1, 2, 9, 10, 30, 90, 99, 1000)
        falls = {
            name: np.where(np.array(ns) < at, 2.0 if at > 2 else 0.9, 0.5)
            for name, at in (("Bayes", bayes), ("ratio", ratio), ("belief", belief))
        }
        predicted = {"ratio": np.where(np.array(ns) < theory, 2.0, 0.5)}
        apart = {"ratio": 0.2, "belief": 0.1}
        ends = {"ratio": 0.0, "belief": 0.3}
        ones.append(
            crossing.Learning(ns, 1.0, falls, ends, predicted, apart, {"ratio": 0.25}, 4, np.log(4), 3)
        )
    return {"only": ones}


def test_demonstrations_needed_by_hand():
    learned = learned_by_hand()
    fewer = estimates_crossing.bayes_needs_fewer(learned, seed=0)
    assert fewer.estimate.value == pytest.approx(np.log10([9 / 1, 30 / 2]).mean())
    law = estimates_crossing.needed_as_predicted(learned, seed=0)
    assert law.estimate.value == pytest.approx((9 / 10 + 99 / 90) / 2)
    assert law.control == pytest.approx((9 + 99) / 2 / 3)
    spread = estimates_crossing.spread_as_predicted(learned, seed=0)
    assert spread.estimate.value == pytest.approx(0.8)
    assert spread.control == pytest.approx(0.2 * np.sqrt(1000))
    assert estimates_crossing.summary(learned)["only"] == pytest.approx(
        {"Bayes": 1.5, "ratio": 54, "belief": 30}
    )
    assert len(estimates_crossing.every({"a": [1, 2], "b": [3]})) == 3
    assert learned["only"][0].needed_in_theory("Bayes") == pytest.approx(1)


def test_limits_rate_and_bound_of_small_hmms(small):
    repaired = estimates_theorem.repaired_limit(small, "ratio")
    assert repaired.estimate.value == 0 and repaired.control == 0.2
    belief = estimates_theorem.belief_limit(small, seed=0)
    assert belief.estimate.value == pytest.approx(0.2) and belief.control == pytest.approx(0.2)
    bound = estimates_theorem.bound(small, seed=0)
    assert bound.estimate.value == pytest.approx(50_500) and bound.control == pytest.approx(0.2)
    assert estimates_theorem.over_hmms(np.array([1.0, 2.0, 9.0]), seed=0).value == 2
    np.testing.assert_allclose(estimates_theorem.slopes(small)["belief"], -0.25)
    assert estimates_theorem.repaired_limit(small, "belief").estimate.value == 0.6  # of the worse HMM


def test_moments_by_recursion_and_by_summation_agree_on_another_mixture():
    mixture = families.mixture(families.single_starts(2, 4), families.dirichlet(0.3), 3, seed=5)
    assert 0 < estimates_theorem.moments_apart(mixture, 4) < 1e-14


def judged(verdicts):
    place = {claims.SUPPORTED: 2.0, claims.NOT_SUPPORTED: 0.0, claims.INCONCLUSIVE: np.nan}
    results = claims.Results("01", {})
    for name, verdict in verdicts.items():
        evidence = claims.Evidence(exact(place[verdict]), 0.0, "none")
        if name.startswith("repair"):
            broken = claims.Evidence(exact(float(verdict == claims.NOT_SUPPORTED)), 0.5, "none")
            results.proved(name, "s", broken, proof="a")
        else:
            results.claim(name, "s", claims.above(1), evidence)
    return results.claims


IDS = (
    "theorem-1-bound", "repair-unweighted", "repair-ratio", "bayes-needs-fewer", "crossing-law",
    "convergence-clipped", "convergence-operator-cosine", "convergence-prediction",
    "convergence-printed", "demonstrations-matter-table",
)  # fmt: skip


@pytest.mark.parametrize("verdict", [claims.SUPPORTED, claims.NOT_SUPPORTED, claims.INCONCLUSIVE])
def test_the_answer_follows_the_verdicts(verdict):
    text = estimates.answer(judged(dict.fromkeys(IDS, verdict)))
    every = "clipped, operator cosine, prediction, printed"
    words = {claims.SUPPORTED: "yes", claims.NOT_SUPPORTED: "no", claims.INCONCLUSIVE: "undecided"}
    assert f"{words[verdict]} for {every}" in text
    assert ("does not decide" in text) == (verdict == claims.INCONCLUSIVE)
    assert ("times the theorem's bound" in text) == (verdict != claims.SUPPORTED)
    assert ("as in-context learning asks" in text) == (verdict != claims.NOT_SUPPORTED)
    if verdict == claims.SUPPORTED:
        assert "about 100 times as many" in text  # the judged estimate is 2


def test_the_answer_takes_the_worse_of_two_repairs_and_sorts_kernels():
    mixed = dict.fromkeys(IDS, claims.SUPPORTED)
    mixed |= {"repair-ratio": claims.NOT_SUPPORTED, "convergence-printed": claims.NOT_SUPPORTED}
    text = estimates.answer(judged(mixed))
    assert "do not bring the limit" in text and "prediction; no for printed." in text


def test_designs_and_numbers_of_demonstrations():
    assert material.half_decades(1000) == (10, 32, 100, 316, 1000)
    assert material.powers_of_four(64) == (1, 4, 16, 64) and material.powers_of_four(63) == (1, 4, 16)
    readings = material.readings(6, 50.0)
    first = readings.pop("headline")
    assert material.reading("x of 2 tokens", 6, 50.0, 20.0)[0].length == 2
    assert (
        material.reading("belief, β = 5", 6, 50.0, 20.0)[1]
        == 5
        != material.reading("headline", 6, 50.0, 20.0)[1]
    )
    changed = [
        sum(getattr(first, f) != getattr(r, f) for f in ("length", "starts", "closed"))
        for r in readings.values()
    ]
    assert changed == [0, 0, 0, 0, 1, 2, 1, 1]
    sizes = {(d.tasks, d.states, d.noise) for d in material.crossing_designs().values()}
    assert len(sizes) == 9 and (8, 16, 0.3) in sizes and material.DOUBLINGS[-2:] == (2**15, 2**20)
    assert material.SMALL.observations**material.SMALL.length == 216


@pytest.fixture(scope="module")
def real():
    """Every kernel over the n of table 3 on two small HMMs."""
    design = material.Design(2, 6, 5, 3, families.softmax(20.0), threshold=1e-4)
    seeds = {"hmm_seed": 1, "prompt_seed": 2, "shuffle_seed": 3}
    return study.run(design, list(kernels.KERNELS), NS, 2, 10, shuffled=["belief"], **seeds)


def test_pictures_say_what_they_show(real, small):
    mean = real.table("distance", "belief").mean(axis=0)
    assert f"belief {mean[3]:.2f}, {mean[-1]:.3f}" in pictures.distances(real, seed=0).alt
    share = 100 * real.table("negative", "printed")[:, 0].mean()
    assert f"printed kernel: {share:.1f} % at n = 1" in pictures.medians_and_signs(real, seed=0).alt
    assert f"{real.risk[:, -1].mean():.3f}" in pictures.two_targets(real, real, 50.0, seed=0).alt
    assert "Bounds from 1.0e+03 to 1.0e+05" in pictures.limits(small, seed=0).alt


def test_tables_hold_the_numbers(real, small):
    at = real.table("distance", "belief").mean(axis=0)
    (row,) = (r for r in tables.distances(real, seed=0).data.splitlines() if r.startswith("| belief"))
    assert [f"{at[i]:.3g}" for i in (0, 3, 5)] == row.split(" | ")[1:4]
    assert "| (2/3, 2, -5/3) |".replace("(", "\\(") in tables.worst_cases({"thirds": THIRDS}).data
    assert tables.exact_limits(POSITIVE).data.count("\n") == 4  # three that differ
    assert "| 0.00 | " not in tables.limits(small).data and "| \\-0.25 |" in tables.limits(small).data
    everything = (
        tables.kernel_list(), tables.accuracies({"ours": (real, "accuracy")}), tables.noisy(real),
        tables.plateaus(real, seed=0), tables.readings({"one": real}, seed=0),
        tables.choices({"β": ("belief", real)}, seed=0),
    )  # fmt: skip
    for table in everything:
        assert len({row.count(" | ") for row in table.data.replace(r"\|", "").splitlines()}) == 1
    assert f"{real.table('answered', 'belief')[:, 3].mean():.3g}" in (
        tables.accuracies({"ours": (real, "answered")}).data
    )


def test_choices_are_run_with_what_they_are_called():
    design = material.Design(2, 6, 5, 3, families.softmax(20.0), threshold=1e-4)
    varied = study.vary_choices(design, (1, 8), 2, 10, hmm_seed=1, prompt_seed=2)
    direct = study.run(design, ["belief"], (1, 8), 2, 10, hmm_seed=1, prompt_seed=2, bandwidth=5.0)
    kernel, found = varied["belief, β = 5"]
    np.testing.assert_array_equal(found.table("distance", kernel), direct.table("distance", "belief"))
    each = study.run_each({"a": design, "b": design}, ["belief"], (1, 8), 2, 10, hmm_seed=1, prompt_seed=2)
    assert each["a"].mean("distance", "belief", 8) == each["b"].mean("distance", "belief", 8)
