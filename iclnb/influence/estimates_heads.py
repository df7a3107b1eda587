"""The evidence of chapter 07 on the heads that carry influence."""

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.influence.estimates import checked, ratio
from iclnb.influence.estimates_prediction import correlation, over_redraws
from iclnb.influence.findings import CHOSEN, LOG_ODDS, RANDOM, Influence
from iclnb.influence.matrix import LEVELS
from iclnb.llm.head_choice import best_heads
from iclnb.stats import Estimate


def lost(found: Influence, wording: str, group: str, *, seed: int) -> Estimate:
    """The share of the labels' influence that is lost without a group of heads, on sets that did not choose it."""
    return stats.interval(*_left(found, wording, group), statistic=_lost, seed=seed)


def chosen_over_random(found: Influence, wording: str, *, seed: int) -> Evidence:
    """What is lost without the chosen heads, minus what is lost without random ones of the same layers."""
    chosen, whole = _left(found, wording, CHOSEN)
    random, _ = _left(found, wording, RANDOM)
    estimate = stats.interval(random - chosen, whole, statistic=ratio, seed=seed)
    return Evidence(estimate, 0.0, RANDOM)


def _left(found: Influence, wording: str, group: str) -> tuple[np.ndarray, np.ndarray]:
    whole = _whole(found, wording)
    return np.nanmean(found.of("left_group", wording, group), axis=0), whole


def _whole(found: Influence, wording: str) -> Float[np.ndarray, " sets"]:
    checked(found, wording)
    return found.of("whole", wording)


def following_heads_carry(found: Influence, wording: str, *, seed: int) -> Evidence:
    """What is lost without one of the heads whose weights follow pairs best, minus other heads of its layer.

    As many heads as are knocked out together are chosen by correlation on a random half of the sets; what is
    lost without each by itself, on the other half, is averaged over them.
    """
    left, whole, place = found.of("left", wording), _whole(found, wording), LEVELS.index("pairs")
    square = found.of("head_square", wording)[place]
    product = found.of("head_product", wording, LOG_ODDS)[place]

    def more_than_others(choose: np.ndarray) -> np.ndarray:
        ones, kept = np.ones((int(choose.sum()), 1, 1)), left[~choose]
        chosen = best_heads(correlation(square[choose], product[choose], ones), found.heads)
        more = []
        for layer, head in chosen:
            others = np.delete(kept[:, layer], [h for at, h in chosen if at == layer], axis=1)
            more.append(others.mean(1) - kept[:, layer, head])
        return np.mean(more, axis=0)

    more = over_redraws(more_than_others, len(whole), seed=seed)
    estimate = stats.interval(more, whole, statistic=ratio, seed=seed)
    return Evidence(estimate, 0.0, "other heads of the same layers")


def lost_by_window(found: Influence, wording: str, hidden: str, *, seed: int) -> Estimate:
    """The share of the labels' influence lost, for each window of layers that cannot see ``hidden``."""
    whole = _whole(found, wording)
    return stats.interval(found.of("left_window", wording, hidden), whole, statistic=_lost, seed=seed)


def lost_without_any(found: Influence, wording: str, *, seed: int) -> Estimate:
    """The same when no head can see labels from the last token."""
    left, whole = found.of("left_all", wording, "labels"), _whole(found, wording)
    return stats.interval(left, whole, statistic=_lost, seed=seed)


def _lost(
    left: Float[np.ndarray, "units *columns"], whole: Float[np.ndarray, " units"]
) -> Float[np.ndarray | np.floating, " *columns"]:
    return 1 - ratio(left, whole)
