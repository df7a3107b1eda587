"""The evidence of chapter 07 on what predicts influence, and on the heads that carry it."""

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.influence.candidates import BLIND, FAMILIES, HEADS, POSITION, family, halves, judged
from iclnb.influence.estimates import checked
from iclnb.influence.findings import CHOSEN, COMBINED, LOG_ODDS, RANDOM, Influence
from iclnb.influence.levels import LEVELS
from iclnb.llm.head_choice import best_heads
from iclnb.stats import Estimate


def follows(
    found: Influence, wording: str, names: tuple[str, ...], level: str, scale: str = LOG_ODDS, *, seed: int
) -> Estimate:
    """Correlation of influence with the best member of some families, on sets that did not choose it."""
    checked(found, wording)
    parts = judged(found, wording, names, level, scale, seed=seed)
    return stats.interval(*parts, statistic=_correlation, range="correlation", seed=seed)


def head_over_rivals(found: Influence, wording: str, level: str, *, seed: int) -> Evidence:
    """Correlation of influence with the weights of the best head, minus that with the best that sees no head."""
    checked(found, wording)
    rivals = tuple(name for name in FAMILIES if name != HEADS)
    one, other = (judged(found, wording, names, level, seed=seed) for names in ((HEADS,), rivals))

    def difference(*sums: np.ndarray) -> float:
        return _correlation(*sums[:3]) - _correlation(*sums[3:])

    return Evidence(
        stats.interval(*one, *other, statistic=difference, seed=seed), 0.0, "the best rival itself"
    )


def follows_texts(found: Influence, wording: str, names: tuple[str, ...], *, seed: int) -> Evidence:
    """Correlation within one class of queries and one of demonstrations, where classes are of no help."""
    return Evidence(
        follows(found, wording, names, "texts", seed=seed), 0.0, "a kernel that sees classes alone"
    )


def explained(found: Influence, wording: str, name: str, *, seed: int) -> Estimate:
    """The share of influence's variance that a linear prediction, fitted on other sets, explains: R².

    The variance is about the mean of the sets on which it was fitted, so that a prediction worse than that mean
    has a negative share.

    Args:
        found: the findings.
        wording: of the labels.
        name: of a family, of :data:`iclnb.influence.candidates.BLIND`, or of
            :data:`iclnb.influence.findings.COMBINED`.
        seed: of the halves, and of the interval.
    """
    influence = checked(found, wording).astype(float)
    if name in COMBINED:
        errors = np.square(influence - found.of("combined", wording, name)).mean((1, 2))
        spread = np.square(influence - influence.mean()).mean((1, 2))
    else:
        fitted = _of_blind if name in BLIND else _of_family
        errors, spread = _held_out(fitted(found, wording, name, influence), influence, seed)
    left = stats.interval(errors, spread, statistic=_ratio, range="nonnegative", seed=seed)
    return Estimate(1 - left.value, 1 - left.high, 1 - left.low).with_degrees(left.degrees)


def _held_out(errors_on, influence: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of every set, and its spread, averaged over the redraws in which it does not choose."""
    sums, counts = np.zeros((2, len(influence))), np.zeros(len(influence))
    for choose in halves(len(influence), seed=seed):
        judge = ~choose
        spread = np.square(influence[judge] - influence[choose].mean()).mean((1, 2))
        sums[:, judge] += np.stack([errors_on(choose), spread])
        counts += judge
    return tuple(sums / np.maximum(counts, 1))


def _of_blind(found: Influence, wording: str, name: str, influence: np.ndarray):
    """Errors of the mean by place, or of a line in the number of like labels for each label."""
    sets, _, k = influence.shape
    if name == POSITION:
        features = np.broadcast_to(np.eye(k), (sets, k, k))
    else:
        shown = found.of("shown", wording)
        word = np.eye(shown.max() + 1)[shown]
        share = (shown[:, :, None] == shown[:, None]).mean(-1)
        features = np.concatenate([word, word * share[..., None]], axis=-1)
    by_demonstration = influence.mean(1)

    def errors(choose: np.ndarray) -> np.ndarray:
        train = features[choose].reshape(-1, features.shape[-1])
        fit = np.linalg.lstsq(train, by_demonstration[choose].ravel(), rcond=None)[0]
        return np.square(influence[~choose] - (features[~choose] @ fit)[:, None]).mean((1, 2))

    return errors


def _of_family(found: Influence, wording: str, name: str, influence: np.ndarray):
    """Errors of a line on the member that fits best, from sums alone."""
    one, mean = family(found, wording, name), influence.mean((1, 2))
    square, product = one.square[0] + one.mean**2, one.product[0] + one.mean * mean
    own = np.square(influence).mean((1, 2))

    def errors(choose: np.ndarray) -> np.ndarray:
        w, j = one.mean[:, choose].mean(1), mean[choose].mean()
        spread = square[:, choose].mean(1) - w**2
        slope = np.divide(product[:, choose].mean(1) - w * j, spread, out=0 * spread, where=spread > 1e-30)
        best = int((slope**2 * spread).argmax())
        a, b, judge = j - slope[best] * w[best], slope[best], ~choose
        w, ww, wj = one.mean[best, judge], square[best, judge], product[best, judge]
        return own[judge] + a**2 + b**2 * ww - 2 * a * mean[judge] - 2 * b * wj + 2 * a * b * w

    return errors


# --- the heads that carry it --------------------------------------------------------------------------------


def lost(found: Influence, wording: str, group: str, *, seed: int) -> Estimate:
    """The share of the labels' influence that is lost without a group of heads, on sets that did not choose it."""
    return stats.interval(*_left(found, wording, group), statistic=_lost, seed=seed)


def chosen_over_random(found: Influence, wording: str, *, seed: int) -> Evidence:
    """What is lost without the chosen heads, minus what is lost without random ones of the same layers."""
    chosen, whole = _left(found, wording, CHOSEN)
    random, _ = _left(found, wording, RANDOM)
    estimate = stats.interval(random - chosen, whole, statistic=_ratio, seed=seed)
    return Evidence(estimate, 0.0, RANDOM)


def _left(found: Influence, wording: str, group: str) -> tuple[np.ndarray, np.ndarray]:
    whole = found.of("whole", wording)
    if not whole.sum() > 0:
        raise NothingToMeasure("labels that change answers")
    return np.nanmean(found.of("left_group", wording, group), axis=0), whole


def following_heads_carry(found: Influence, wording: str, *, seed: int) -> Evidence:
    """What is lost without one of the heads whose weights follow pairs best, minus other heads of its layer.

    As many heads as are knocked out together are chosen by correlation on a random half of the sets; what is
    lost without each by itself, on the other half, is averaged over them.
    """
    checked(found, wording)
    left, whole, place = found.of("left", wording), found.of("whole", wording), LEVELS.index("pairs")
    square = found.of("head_square", wording)[place]
    product = found.of("head_product", wording, LOG_ODDS)[place]
    sums, counts = np.zeros(len(whole)), np.zeros(len(whole))
    for choose in halves(len(whole), seed=seed):
        ones = np.ones((int(choose.sum()), 1, 1))
        chosen = best_heads(_correlation(square[choose], product[choose], ones), found.heads)
        judge = ~choose
        for layer, head in chosen:
            others = np.delete(left[judge, layer], [h for at, h in chosen if at == layer], axis=1)
            sums[judge] += (others.mean(1) - left[judge, layer, head]) / len(chosen)
        counts += judge
    estimate = stats.interval(sums / np.maximum(counts, 1), whole, statistic=_ratio, seed=seed)
    return Evidence(estimate, 0.0, "other heads of the same layers")


def _correlation(square: np.ndarray, product: np.ndarray, influence: np.ndarray) -> np.ndarray:
    size = np.sqrt(square.sum(0) * influence.sum(0))
    return np.divide(product.sum(0), size, out=np.zeros_like(size), where=size > 0)


def _ratio(up: Float[np.ndarray, " units"], down: Float[np.ndarray, " units"]) -> float:
    return float(up.sum() / down.sum()) if down.sum() > 0 else np.nan


def _lost(left: Float[np.ndarray, " units"], whole: Float[np.ndarray, " units"]) -> float:
    return 1 - _ratio(left, whole)
