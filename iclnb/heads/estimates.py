"""The evidence of chapter 03: agreement, depth, similarity, causes. Differences where a control exists."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.display import number
from iclnb.heads.causes import ABLATIONS, BEST, SWAPPED, SWAPS
from iclnb.heads.correlation import WAYS
from iclnb.heads.direct import PARTS, TOTAL
from iclnb.heads.findings import COMPARED, FRESH, OWN, READINGS, SHARED, Heads
from iclnb.heads.nulls import LAST, MODAL
from iclnb.heads.reconstruction import CHOSEN, FREQUENT, MODEL, PRIORS, RAW
from iclnb.llm.depth import MIDDLE, contrast, layers_within
from iclnb.stats import Estimate, Range

MARGIN: Final = 0.05
"""Agreement, accuracy and correlation have to exceed a control by this much to be worth a claim."""

NATS: Final = 0.1
"""The same for differences of log-odds: where both labels are equally likely, their probabilities move 0.05
apart."""

MAP: Final = 0.3
"""Two maps of heads have to correlate by this much to be called alike: a tenth of the variance."""

REDRAWS: Final = 20  # Choices of heads that an interval has to include

Prompts = Float[np.ndarray, " *prompts"]


def over(values: Prompts, *, range: Range | None = None, seed: int) -> Estimate:
    """The mean with an interval over fresh prompts, or over demonstration sets x test points."""
    design = "units" if np.ndim(values) == 1 else "sets x points"
    return stats.interval(values, design=design, range=range, seed=seed)


def beyond_modal(found: Heads, *, seed: int) -> Evidence:
    """Agreement of the chosen head less what naming the model's most frequent answer reaches, as measured."""
    hits = found.hits(SHARED, RAW)
    difference = over(hits[CHOSEN] - hits[MODAL], range="difference", seed=seed)
    return Evidence(difference, 0.0, f"the most frequent answer, which agrees in {_mean(hits[MODAL])}")


def beyond_controls(found: Heads, arm: str, *, against_last: bool = False, seed: int) -> Evidence:
    """By how much the chosen head agrees more with the model than its strongest control does, priors off.

    The strongest control is chosen on the other half of the test points, as the head is; differences are taken
    prompt by prompt. Controls are those of :mod:`iclnb.heads.nulls`, and for fresh prompts the best head of a
    model with random weights with that model: it, too, mixes the labels that its heads attend to.

    With ``against_last`` only prompts count whose answer is not the last demonstration's label.
    """
    hits = found.hits(arm)
    counts = hits[LAST] == 0 if against_last else np.ones(hits[LAST].shape, dtype=bool)
    return strongest(hits, counts, found.half[: counts.shape[-1]], seed=seed)


def strongest(
    hits: Mapping[str, Prompts],
    counts: Bool[np.ndarray, " *prompts"],
    half: Bool[np.ndarray, " points"],
    *,
    seed: int,
) -> Evidence:
    """Hits of the chosen head less those of the control that is strongest on the other half.

    Raises NothingToMeasure if fewer than two prompts of a half count.
    """
    if min(counts[..., half == side].sum() for side in (False, True)) < 2:
        raise NothingToMeasure("two prompts that count in each half, to choose a control and to judge it")
    rivals = {name: np.where(counts, values, np.nan) for name, values in hits.items() if name != CHOSEN}
    rival, known = _strongest(rivals, half, np.nanmean)
    estimate = over(hits[CHOSEN] - rival, range="difference", seed=seed)
    return Evidence(estimate, 0.0, f"the strongest control ({known}), which agrees in {_mean(rival)}")


def _strongest(
    rivals: Mapping[str, np.ndarray], half: Bool[np.ndarray, " points"], strength: Callable[..., float]
) -> tuple[np.ndarray, str]:
    """For every test point the rival that is strongest on the other half, and the names of the two."""
    first, second = (
        max(rivals, key=lambda name, side=side: float(strength(rivals[name][..., half != side])))
        for side in (False, True)
    )
    return np.where(half, rivals[second], rivals[first]), " or ".join(dict.fromkeys((first, second)))


def performance(found: Heads, arm: str, prior: str, *, seed: int) -> Evidence:
    """How often the chosen head is right, less how often the most frequent label is."""
    own, frequent = (found.is_right(arm, who, prior).astype(float) for who in (CHOSEN, FREQUENT))
    known = f"the most frequent label, which is right in {_mean(frequent)}"
    return Evidence(over(own - frequent, range="difference", seed=seed), 0.0, known)


def middle_more_than_others(found: Heads, arm: str, *, seed: int) -> Evidence:
    """Mean agreement of heads in the paper's middle layers, by relative depth, less that of all others.

    The control is the mean over all windows of as many neighbouring layers, wherever they are.
    """
    by_layer = found.fresh_hits.mean(-1) if arm == FRESH else found.shared_layers
    inside = layers_within(found.layers, MIDDLE)
    windows = [inside - inside[0] + start for start in range(found.layers - len(inside) + 1)]
    anywhere = float(np.mean([contrast(by_layer, window).mean() for window in windows]))
    estimate = over(contrast(by_layer, inside), range="difference", seed=seed)
    return Evidence(estimate, anywhere, "as many neighbouring layers at any depth")


def best_depth(found: Heads, *, top: int, seed: int) -> Estimate:
    """Mean relative depth, layer / layers, of the ``top`` heads that agree most, fresh prompts, priors off."""
    layers, heads = found.fresh_hits.shape[1:]

    def depth(hits: Float[np.ndarray, "prompts layers heads"]) -> float:
        order = np.argsort(-hits.mean(0), axis=None, kind="stable")
        return float((order[:top] // heads).mean() / layers)

    return stats.interval(found.fresh_hits, statistic=depth, smooth=False, range="rate", seed=seed)


def agreement(found: Heads, arm: str, name: str = CHOSEN, *, seed: int) -> Estimate:
    """How often the chosen head, or a control that was measured, gives the model's answer, priors off."""
    hits = found.hits(arm)
    if name not in hits:
        raise NothingToMeasure(f"{name} in prompts with {arm}")
    return over(hits[name], range="rate", seed=seed)


def best_by_layer(found: Heads, arm: str, *, seed: int) -> Estimate:
    """Agreement of each layer's best head, chosen on the other half of the test points. (layers)"""
    if arm == FRESH:
        return stats.interval(found.fresh_best, range="rate", seed=seed)
    return stats.interval(found.shared_best, design="sets x points", range="rate", seed=seed)


def at_chance(found: Heads, *, seed: int) -> bool:
    """Whether the model is nowhere shown to be right more often than the most frequent label."""
    rights = [
        tuple(found.is_right(arm, who, prior).astype(float) for who in (MODEL, FREQUENT))
        for arm in (SHARED, FRESH)
        for prior in PRIORS
    ]
    return nowhere_ahead(rights, seed=seed)


def nowhere_ahead(rights: Iterable[tuple[np.ndarray, np.ndarray]], *, seed: int) -> bool:
    """Whether the first of two is nowhere shown to be right more often than the second."""
    return all(float(over(one - other, range="difference", seed=seed).low) <= 0 for one, other in rights)


def follows_similarity(found: Heads, way: str, reading: str, *, seed: int) -> Evidence:
    """Correlation of a head's weights with prediction similarity, less what chance gives.

    The head is chosen on the other half of the test points. Chance is the mean over permutations of what a head
    reaches that is chosen and judged with the similarities of other test points.
    """
    reached = chance(found, way, reading)
    estimate = correlation(found, way, reading, seed=seed).minus(reached)
    return Evidence(estimate, 0.0, f"similarities of other test points, which reach {number(reached, 2)}")


def chance(found: Heads, way: str, reading: str) -> float:
    """What similarities of other test points reach, mean over permutations."""
    return float(found.permuted[WAYS.index(way), READINGS.index(reading)].mean())


def correlation(found: Heads, way: str, reading: str, compared: str = OWN, *, seed: int) -> Estimate:
    """Of the weights of the head that follows prediction similarity most on the other half, with a similarity."""
    products = _products(found, way, reading)[COMPARED.index(compared)]
    settings = {"design": "sets x points", "statistic": _pearson, "range": "correlation", "seed": seed}
    return stats.interval(*products, **settings)


def follows_more_than_rivals(found: Heads, way: str, reading: str, *, seed: int) -> Evidence:
    """Correlation with prediction similarity less that with its strongest rival, chosen on the other half."""
    own, *others = _products(found, way, reading)
    rivals, half = dict(zip(COMPARED[1:], others, strict=True)), found.half[: own.shape[-1]]
    rival, known = _strongest(rivals, half, lambda products: _pearson(*products))

    def difference(*parts: np.ndarray) -> float:
        return _pearson(*parts[:3]) - _pearson(*parts[3:])

    settings = {"design": "sets x points", "range": "difference", "seed": seed}
    estimate = stats.interval(*own, *rival, statistic=difference, **settings)
    reached = number(_pearson(*rival), 2)
    return Evidence(estimate, 0.0, f"similarity of {known}, which correlates {reached}")


def same_heads(found: Heads, way: str, reading: str, *, seed: int) -> Evidence:
    """Among the heads of a layer, the correlation of agreement with the model and of following similarity.

    The two maps are measured on different test points, and each layer's mean is taken off both: that both are
    larger in some layers than in others is no evidence.
    """
    follows = found.correlation_blocks[WAYS.index(way), READINGS.index(reading)]

    def resemble(*maps: Float[np.ndarray, "sets pairs layers heads"]) -> float:
        within = [one.mean((0, 1)) - one.mean((0, 1, 3))[:, None] for one in maps]
        scale = np.sqrt(np.prod([np.square(one).sum() for one in within]))
        return float((within[0] * within[1]).sum() / scale) if scale > 0 else 0.0

    settings = {"design": "sets x points", "statistic": resemble, "range": "correlation", "seed": seed}
    return Evidence(stats.interval(found.agreement_blocks, follows, **settings), 0.0, "no relation")


def label_contrast(found: Heads, reading: str, *, seed: int) -> Estimate:
    """Similarity to demonstrations of the query's own label less that to the others, over the mean."""
    return over(found.contrast[READINGS.index(reading)], seed=seed)


def ablation_beyond(found: Heads, control: str, part: str = TOTAL, *, seed: int) -> Evidence:
    """What ablating the best heads takes off the separation of the labels, less what a control does, in nats.

    Raises NothingToMeasure with fewer than :data:`REDRAWS` choices of heads, or where the cost has no parts.
    """
    if found.cost.shape[2] < REDRAWS:
        raise NothingToMeasure(f"{REDRAWS} choices of heads, so that the interval includes the choice")
    if part != TOTAL and found.unsplit:
        raise NothingToMeasure(f"a cost that has parts; here {found.unsplit}")
    own, other = (_by_row(found, name, part) for name in (BEST, control))
    return Evidence(over(own - other, seed=seed), 0.0, f"{control}, whose part is {_mean(other)} nats")


def swap_beyond(found: Heads, control: str, *, seed: int) -> Evidence:
    """What swapping label values between classes takes off the separation, less what another swap does."""
    own, other = (found.swap_cost[SWAPS.index(name)] for name in (SWAPPED, control))
    return Evidence(over(own - other, seed=seed), 0.0, f"{control}: {_mean(other)} nats")


def ablation_costs(found: Heads, *, seed: int) -> dict[str, dict[str, Estimate]]:
    """For every ablation its cost and the parts of it, in nats; the whole alone where there are no parts."""
    parts = PARTS[:1] if found.unsplit else PARTS
    return {name: {part: over(_by_row(found, name, part), seed=seed) for part in parts} for name in ABLATIONS}


def swap_cost(found: Heads, swap: str, *, seed: int) -> Estimate:
    """Cost of a swap, in nats."""
    return over(found.swap_cost[SWAPS.index(swap)], seed=seed)


def separation(found: Heads, *, seed: int) -> Estimate:
    """Separation of the labels in the whole model, in nats."""
    return over(found.separation, seed=seed)


def accuracy(found: Heads) -> dict[str, float]:
    """How often the model is right on the judging prompts, whole and under each ablation."""
    without = {name: float(right.mean()) for name, right in zip(ABLATIONS, found.right_without, strict=True)}
    return {"whole model": float(found.right.mean())} | without


def most_chosen(found: Heads) -> float:
    """The share of the choices of heads that the head chosen most often is among."""
    return float(found.chosen_share.max())


def _by_row(found: Heads, ablation: str, part: str) -> Float[np.ndarray, "row judged"]:
    """The cost in every demonstration set, mean over the choices that are judged under it."""
    cost = found.cost[ABLATIONS.index(ablation), PARTS.index(part)]
    return np.stack([cost[found.redraw_set == row].mean(0) for row in np.unique(found.redraw_set)])


def _products(found: Heads, way: str, reading: str) -> Float[np.ndarray, "compared product set point"]:
    return found.products[WAYS.index(way), READINGS.index(reading)].astype(float)


def _pearson(ab: Prompts, aa: Prompts, bb: Prompts) -> float:
    scale = float(np.sqrt(aa.sum() * bb.sum()))
    return float(ab.sum()) / scale if scale > 0 else 0.0


def _mean(values: Prompts) -> str:
    return number(float(np.nanmean(values)), 2)
