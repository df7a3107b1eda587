"""What each claim of chapter 03 compares with what, on findings small enough to work out by hand."""

import numpy as np
import pytest

from iclnb.claims import NothingToMeasure
from iclnb.findings import variables
from iclnb.heads import causes, estimates, pictures
from iclnb.heads.causes import BEST, ELSEWHERE, RANDOM
from iclnb.heads.correlation import POOLED, QUERY_DEPENDENT
from iclnb.heads.direct import DIRECT, LATER, PARTS, TOTAL
from iclnb.heads.findings import ALONE, FRESH, SHARED, WITH_CUE, Heads
from iclnb.heads.nulls import LAST, MAJORITY, MODAL, ORDER
from iclnb.heads.reconstruction import CHOSEN, PRIOR_OFF
from iclnb.llm.depth import MIDDLE, layers_within

SETS, POINTS, FRESHES, LAYERS, HEADS = 3, 20, 40, 28, 4
SIZES = {
    "prior": 2, "method": 8, "who": 3, "variant": 3, "way": 2, "reading": 2, "compared": 3,
    "product": 3, "ablation": 3, "part": 4, "swap": 4, "query": FRESHES, "set": SETS, "point": POINTS,
    "prompt": FRESHES, "layer": LAYERS, "head": HEADS, "permutation": 5, "pair": 4, "row": 2, "judged": 6,
    "redraw": 20,
}  # fmt: skip


def heads(**changes):
    """Findings of random numbers, with some of them given."""
    rng, values = np.random.default_rng(0), {"task": "words", "unsplit": ""}
    for field in variables(Heads):
        if field.dimensions:
            shape = tuple(SIZES[name] for name in field.dimensions)
            values[field.name] = rng.random(shape) if field.kind == "float32" else rng.integers(2, size=shape)
    values["half"] = np.arange(FRESHES) % 2
    values["redraw_set"] = np.arange(20) % 2
    return Heads(**values | changes)


def hits(shape, **reached):
    """Hits of every method at a rate; those not named never hit."""
    rng = np.random.default_rng(1)
    names = {"chosen": CHOSEN, "modal": MODAL, "last": LAST, "majority": MAJORITY, "order": ORDER}
    rates = {names[name]: rate for name, rate in reached.items()}
    table = [rng.random(shape) < rates.get(name, 0) for name in Heads.coordinates["method"]]
    return np.array(table, dtype=float)


def test_the_strongest_control_is_chosen_on_the_other_half():
    """In the even prompts the last label is best, in the odd ones the majority: each judges the other half."""
    table = hits((FRESHES,), chosen=1.0)
    names, even = Heads.coordinates["method"], np.arange(FRESHES) % 2 == 0
    table[names.index(LAST)] = np.where(even, 0.9, 0.0)
    table[names.index(MAJORITY)] = np.where(even, 0.2, 0.6)
    evidence = estimates.beyond_controls(heads(fresh=table), FRESH, seed=0)
    # even prompts judge against the majority (strongest on odd ones), odd ones against the last label
    assert evidence.estimate.value == pytest.approx(((1 - 0.2) + (1 - 0.0)) / 2, abs=1e-3)
    assert LAST in evidence.control_is and MAJORITY in evidence.control_is
    lucky = hits((FRESHES,), chosen=1.0)
    lucky[names.index(ORDER)] = 0.7
    one = estimates.beyond_controls(heads(fresh=lucky), FRESH, seed=0)
    assert one.estimate.value == pytest.approx(0.3, abs=1e-2) and "order alone" in one.control_is


def test_against_the_last_label_only_such_prompts_count():
    table, names = hits((FRESHES,), chosen=0.5, majority=0.3), Heads.coordinates["method"]
    last = np.arange(FRESHES) % 3 == 0
    table[names.index(LAST)] = last
    table[0] = np.where(last, 0, table[0])
    evidence = estimates.beyond_controls(heads(fresh=table), FRESH, against_last=True, seed=0)
    kept = ~last
    assert evidence.estimate.value == pytest.approx(
        (table[0] - table[names.index(MAJORITY)])[kept].mean(), abs=1e-6
    )
    table[names.index(LAST)] = 1
    with pytest.raises(NothingToMeasure, match="in each half"):
        estimates.beyond_controls(heads(fresh=table), FRESH, against_last=True, seed=0)
    shared = np.stack([hits((SETS, POINTS)), hits((SETS, POINTS), chosen=1.0, modal=0.5)])
    both = estimates.beyond_controls(heads(shared=shared), SHARED, seed=0)
    assert both.estimate.value == pytest.approx(1 - shared[1, 1].mean())


def test_agreement_and_performance_are_compared_with_what_is_most_frequent():
    shared = np.stack([hits((SETS, POINTS), chosen=0.9, modal=0.4), hits((SETS, POINTS))])
    right = np.random.default_rng(2).random((2, 3, SETS, POINTS)) < 0.6
    found = heads(shared=shared, shared_right=right)
    agrees = estimates.beyond_modal(found, seed=0).estimate.value
    assert agrees == pytest.approx(shared[0, 0].mean() - shared[0, 1].mean())
    performs = estimates.performance(found, SHARED, PRIOR_OFF, seed=0).estimate.value
    assert performs == pytest.approx(right[1, 1].mean() - right[1, 2].mean())


def test_the_middle_is_compared_with_all_other_layers():
    layers = np.full((SETS, POINTS, LAYERS), 0.5)
    layers[..., 16:22] = 0.8
    evidence = estimates.middle_more_than_others(heads(shared_layers=layers), SHARED, seed=0)
    assert evidence.estimate.value == pytest.approx(0.3, abs=1e-2)
    shared = [len({*range(start, start + 6)} & {*range(16, 22)}) for start in range(23)]
    anywhere = [0.3 * count / 6 - 0.3 * (6 - count) / 22 for count in shared]
    assert evidence.control == pytest.approx(np.mean(anywhere), abs=1e-2)
    assert layers_within(LAYERS, MIDDLE).tolist() == [*range(16, 22)]


def test_the_depth_of_the_best_heads_lies_between_the_first_and_the_last_layer():
    fresh = np.random.default_rng(4).random((FRESHES, LAYERS, HEADS)) < 0.3
    fresh[:, 14, :2] = fresh[:, 21, 1] = True
    depth = estimates.best_depth(heads(fresh_hits=fresh), top=3, seed=0)
    assert depth.value == pytest.approx((14 + 14 + 21) / 3 / 28)
    assert depth.low == depth.high == depth.value
    noisy = estimates.best_depth(heads(), top=8, seed=0)
    assert 0 <= noisy.low < noisy.value < noisy.high <= 1


def correlated(rho, shape, rng):
    a = rng.normal(size=shape)
    return a, rho * a + np.sqrt(1 - rho**2) * rng.normal(size=shape)


def test_a_correlation_is_compared_with_what_chance_reaches():
    rng, products = np.random.default_rng(5), np.zeros((2, 2, 3, 3, SETS, POINTS))
    pairs = {place: correlated(rho, (SETS, POINTS, 8), rng)
             for place, rho in {(1, 0, 0): 0.6, (1, 0, 1): 0.1, (1, 0, 2): 0.3}.items()}  # fmt: skip
    for place, (a, b) in pairs.items():
        products[place] = [(a * b).sum(-1), (a * a).sum(-1), (b * b).sum(-1)]
    found = heads(products=products, permuted=np.full((2, 2, 5), 0.04))

    def r(place):
        a, b = (part.ravel() for part in pairs[place])
        return (a @ b) / np.sqrt((a @ a) * (b @ b))

    evidence = estimates.follows_similarity(found, QUERY_DEPENDENT, ALONE, seed=0)
    assert evidence.estimate.value == pytest.approx(r((1, 0, 0)) - 0.04, abs=1e-3)
    assert evidence.estimate.low < evidence.estimate.value < evidence.estimate.high < 0.96
    rivals = estimates.follows_more_than_rivals(found, QUERY_DEPENDENT, ALONE, seed=0)
    assert rivals.estimate.value == pytest.approx(r((1, 0, 0)) - r((1, 0, 2)), abs=1e-3)
    assert "words" in rivals.control_is and "embedding" not in rivals.control_is


def test_maps_are_compared_inside_each_layer():
    """Layers that differ in both maps are no evidence; heads of a layer that do are."""
    rng = np.random.default_rng(6)
    layer = 3 * rng.normal(size=(1, 1, LAYERS, 1))
    head = rng.normal(size=(1, 1, LAYERS, HEADS))
    other = rng.normal(size=(1, 1, LAYERS, HEADS))
    noise = 0.1 * rng.normal(size=(2, SETS, 4, LAYERS, HEADS))
    blocks = np.zeros((2, 2, SETS, 4, LAYERS, HEADS))
    blocks[0, 0], blocks[1, 1] = layer + other + noise[0], layer + head + noise[0]
    found = heads(agreement_blocks=layer + head + noise[1], correlation_blocks=blocks)
    same = estimates.same_heads(found, QUERY_DEPENDENT, WITH_CUE, seed=0).estimate
    assert same.value > 0.95 and same.high <= 1
    apart = estimates.same_heads(found, POOLED, ALONE, seed=0).estimate
    within = [(one - one.mean(-1, keepdims=True)).ravel() for one in (head[0, 0], other[0, 0])]
    assert apart.value == pytest.approx(np.corrcoef(*within)[0, 1], abs=0.1)


def cost(**nats):
    """Costs (ablations, parts, redraws, judged): total and parts of every ablation."""
    table = np.zeros((3, 4, 20, 6))
    for name, value in nats.items():
        ablation, part = name.split("_")
        place = {"best": BEST, "random": RANDOM, "elsewhere": ELSEWHERE}[ablation]
        parts = {"total": TOTAL, "direct": DIRECT, "later": LATER}
        table[causes.ABLATIONS.index(place), PARTS.index(parts[part])] = value
    return table


def test_ablations_and_swaps_are_compared_with_their_controls():
    nats = {"best_total": 1.5, "random_total": 0.4, "elsewhere_total": 0.2}
    nats |= {"best_direct": 0.9, "random_direct": 0.1, "best_later": -0.3, "random_later": 0.1}
    swaps = np.broadcast_to(np.array([0.8, 0.1, 0.3, 2.0])[:, None, None], (4, 2, 6))
    found = heads(cost=cost(**nats), swap_cost=swaps)
    swapped = [estimates.swap_beyond(found, control, seed=0) for control in causes.SWAPS[1:3]]
    assert [one.estimate.value for one in swapped] == pytest.approx([0.7, 0.5])
    for control, part, expected in (
        (RANDOM, TOTAL, 1.1), (ELSEWHERE, TOTAL, 1.3), (RANDOM, DIRECT, 0.8), (RANDOM, LATER, -0.4),
    ):  # fmt: skip
        evidence = estimates.ablation_beyond(found, control, part, seed=0)
        assert evidence.estimate.value == pytest.approx(expected, abs=1e-6) and control in evidence.control_is


def test_choices_of_heads_count_by_the_set_that_judges_them():
    """Each set's cost is the mean over its choices, and choices that differ widen the interval."""
    table = cost(best_total=1.0)
    table[0, 0] = np.random.default_rng(7).normal(1, 0.5, size=(20, 1))
    sets = np.array([0] * 15 + [1] * 5)
    found = heads(cost=table, redraw_set=sets)
    evidence = estimates.ablation_beyond(found, RANDOM, seed=0)
    by_set = [table[0, 0, sets == row].mean() for row in (0, 1)]
    assert evidence.estimate.value == pytest.approx(np.mean(by_set), abs=1e-5)
    alike = estimates.ablation_beyond(heads(cost=cost(best_total=1.0), redraw_set=sets), RANDOM, seed=0)
    assert evidence.estimate.high - evidence.estimate.low > 0.1 > alike.estimate.high - alike.estimate.low


def test_too_few_choices_or_no_parts_leave_nothing_to_measure():
    few = heads(
        cost=cost()[:, :, :4], redraw_set=np.arange(4) % 2, right_without=np.zeros((3, 4, 6), dtype=bool)
    )
    with pytest.raises(NothingToMeasure, match="20 choices"):
        estimates.ablation_beyond(few, RANDOM, seed=0)
    unsplit = heads(cost=cost(best_total=1.0), unsplit="of a test")
    with pytest.raises(NothingToMeasure, match="of a test"):
        estimates.ablation_beyond(unsplit, RANDOM, DIRECT, seed=0)
    assert estimates.ablation_costs(unsplit, seed=0)[BEST].keys() == {TOTAL}
    assert estimates.ablation_beyond(unsplit, RANDOM, seed=0).estimate.value == pytest.approx(1)


def test_pictures_say_all_runs():
    ladder = {"1B": heads(), "this run": heads()}
    for draw in (pictures.agreement_by_depth, pictures.controls, pictures.similarity, pictures.interventions):
        assert all(name in draw(ladder, seed=0).alt for name in ladder), draw.__name__
    assert len(pictures.agreement_maps(ladder).figure.axes) == 3
