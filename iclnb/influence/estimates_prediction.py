"""The evidence of chapter 07 on what predicts influence."""

import numpy as np

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.influence.candidates import BLIND, FAMILIES, HEADS, POSITION, family, halves, judged
from iclnb.influence.estimates import checked, ratio
from iclnb.influence.findings import COMBINED, LOG_ODDS, Influence
from iclnb.stats import Estimate


def follows(
    found: Influence, wording: str, names: tuple[str, ...], level: str, scale: str = LOG_ODDS, *, seed: int
) -> Estimate:
    """Correlation of influence with the best member of some families, on sets that did not choose it."""
    checked(found, wording)
    parts = judged(found, wording, names, level, scale, seed=seed)
    return stats.interval(*parts, statistic=correlation, range="correlation", seed=seed)


def head_over_rivals(found: Influence, wording: str, level: str, *, seed: int) -> Evidence:
    """Correlation of influence with the weights of the best head, minus that with the best that sees no head."""
    checked(found, wording)
    rivals = tuple(name for name in FAMILIES if name != HEADS)
    one, other = (judged(found, wording, names, level, seed=seed) for names in ((HEADS,), rivals))

    def difference(*sums: np.ndarray) -> float:
        return correlation(*sums[:3]) - correlation(*sums[3:])

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

    ``name`` is that of a family, or of ``BLIND`` or ``COMBINED``.
    """
    influence = checked(found, wording).astype(float)
    if name in COMBINED:
        errors = np.square(influence - found.of("combined", wording, name)).mean((1, 2))
        spread = np.square(influence - influence.mean()).mean((1, 2))
    else:
        fitted = _of_blind if name in BLIND else _of_family
        errors, spread = _held_out(fitted(found, wording, name, influence), influence, seed)
    left = stats.interval(errors, spread, statistic=ratio, range="nonnegative", seed=seed)
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


def correlation(square: np.ndarray, product: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Of centred values, from their squares and products by set."""
    size = np.sqrt(square.sum(0) * influence.sum(0))
    return np.divide(product.sum(0), size, out=np.zeros_like(size), where=size > 0)
