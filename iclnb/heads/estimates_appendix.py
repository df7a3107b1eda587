"""The evidence of chapter 03's appendices: probes (03a), table 2 (03b), what weights follow (03c)."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.display import number
from iclnb.heads import reconstruction
from iclnb.heads.estimates import nowhere_ahead, over, strongest
from iclnb.heads.explorer import FEATURES, POSITION, Explored
from iclnb.heads.nulls import MODAL
from iclnb.heads.probes import OFFSETS, PARTS, KeysAndValues
from iclnb.heads.reconstruction import CHOSEN, FREQUENT, MODEL, PRIOR_OFF, PRIORS, RAW, WHO
from iclnb.heads.table_2 import ENCODERS, GAUSSIAN, KERNELS, METHODS, Table2
from iclnb.stats import Estimate

PAPER: Final[Mapping[str, Mapping[str, float]]] = {
    task: dict(zip(("accuracy", "agreement", "performance", *ENCODERS), numbers, strict=True))
    for task, *numbers in (
        ("sst2", 0.805, 0.797, 0.750, 0.503, 0.523),
        ("mnli", 0.383, 0.597, 0.360, 0.321, 0.325),
        ("rotten_tomatoes", 0.671, 0.683, 0.527, 0.478, 0.502),
        ("tweet_eval_hate", 0.539, 0.713, 0.587, 0.548, 0.545),
        ("tweet_eval_irony", 0.519, 0.722, 0.522, 0.491, 0.479),
        ("tweet_eval_offensive", 0.542, 0.753, 0.513, 0.588, 0.597),
    )
}
"""What paper A reports for GPT-J 6B (table 2), without intervals or controls."""

AT_LABEL: Final = OFFSETS.index(0)

Tests = Callable[[Table2, str], Evidence]  # From a table and the name of a task to what decides the task


def probe_beyond_controls(found: KeysAndValues, part: str, *, seed: int) -> Evidence:
    """At the label, accuracy of the best head's probe less that of its strongest control.

    Controls are the most frequent target, the probe of shuffled targets, and the best head's probe of a model
    with random weights. Heads and the strongest control are chosen on every other demonstration set.
    """
    place = PARTS.index(part)
    trained, blank = found.accuracy[place, ..., AT_LABEL]
    half = np.arange(len(trained)) % 2 == 1
    heads, blank_heads = (reconstruction.best_elsewhere(one, half, 1) for one in (trained, blank))
    hits = {
        CHOSEN: reconstruction.of_chosen(trained, half, heads),
        "most frequent target": found.majority[place, :, AT_LABEL],
        "shuffled targets": reconstruction.of_chosen(found.shuffled[place, 0, ..., AT_LABEL], half, heads),
        "random weights": reconstruction.of_chosen(blank, half, blank_heads),
    }
    evidence = strongest(hits, np.ones(len(half), dtype=bool), half, seed=seed)
    return evidence._replace(control_is=evidence.control_is.replace("agrees", "is right"))


def label_is_the_place(found: KeysAndValues, part: str, *, seed: int) -> Evidence:
    """Mean accuracy of all heads' probes at the label less the best other position, and less random weights'."""
    trained, blank = (_peak(one) for one in found.accuracy[PARTS.index(part)])
    known = f"random weights, whose peak is {number(float(blank.mean()), 2)}"
    return Evidence(stats.interval(trained - blank, range="difference", seed=seed), 0.0, known)


def beyond_modal(found: Table2, task: str, *, seed: int) -> Evidence:
    """Table 2: agreement of the chosen head less that of the most frequent answer, as measured."""
    hits = _hits(found, task, RAW)
    reached = number(float(hits[MODAL].mean()), 2)
    difference = over(hits[CHOSEN] - hits[MODAL], range="difference", seed=seed)
    return Evidence(difference, 0.0, f"the most frequent answer, which agrees in {reached}")


def beyond_controls(found: Table2, task: str, *, seed: int) -> Evidence:
    """Table 2: agreement of the chosen head less that of the strongest control, priors off."""
    hits = _hits(found, task, PRIOR_OFF)
    half = found.half[found.names.index(task), : hits[CHOSEN].shape[1]] == 1
    return strongest(hits, np.ones(hits[CHOSEN].shape, dtype=bool), half, seed=seed)


def beyond_encoder(found: Table2, task: str, *, seed: int) -> Evidence:
    """Table 2: how often the chosen head is right less kernel regression on MiniLM, its bandwidth chosen."""
    own, encoder = right(found, task, CHOSEN), encoder_right(found, task, ENCODERS[0])
    reached = number(float(encoder.mean()), 2)
    estimate = over(own - encoder, range="difference", seed=seed)
    return Evidence(estimate, 0.0, f"{ENCODERS[0]}, which is right in {reached}")


def beyond_paper(found: Table2, task: str, *, seed: int) -> Evidence:
    """Table 2: agreement of the chosen head, as measured, less what the paper reports; not a number without."""
    reported = PAPER.get(task, {}).get("agreement", np.nan)
    agreement = over(_hits(found, task, RAW)[CHOSEN], range="rate", seed=seed)
    return Evidence(agreement.minus(reported), 0.0, f"the paper's {number(reported)}")


def tasks_that_hold(found: Table2, test: Tests, margin: float) -> Evidence:
    """The share of tasks in which a difference exceeds a margin, with limits that hold together at 95 % (Holm).

    The lower limit counts the tasks in which it is shown to be above the margin, the upper one those in which it
    is not shown to be below. Tasks whose difference is not a number do not count. The control is half of them.
    """
    estimates = [test(found, name).estimate for name in found.names]
    known = [one for one in estimates if not np.isnan(float(one.value))]
    if not known:
        raise NothingToMeasure("tasks of the paper's table 2")
    above = np.array([float(one.value) > margin for one in known])
    shown = stats.holm([_p(one, margin) for one in known]) < 0.05
    counts = (above.sum(), (above & shown).sum(), len(known) - (~above & shown).sum())
    share = Estimate(*(float(count) / len(known) for count in counts))
    return Evidence(share, 0.5, f"half of the tasks; it holds in {above.sum()} of {len(known)}")


def task_rows(found: Table2, *, seed: int) -> dict[str, dict[str, Estimate]]:
    """Task -> method -> how often it is right or agrees."""
    rows = {}
    for task in found.names:
        rows[task] = {
            "accuracy": over(right(found, task, MODEL), range="rate", seed=seed),
            "agreement": over(_hits(found, task, RAW)[CHOSEN], range="rate", seed=seed),
            "performance": over(right(found, task, CHOSEN), range="rate", seed=seed),
        }
        for encoder in ENCODERS:
            values = encoder_right(found, task, encoder)
            if not np.isnan(values).all():
                rows[task][encoder] = over(values, range="rate", seed=seed)
    return rows


def at_chance(found: Table2, *, seed: int) -> dict[str, bool]:
    """Task -> whether the model is not shown to be right more often than the most frequent label."""

    def rights(task: str) -> list[tuple[np.ndarray, ...]]:
        return [tuple(right(found, task, who, prior) for who in (MODEL, FREQUENT)) for prior in PRIORS]

    return {task: nowhere_ahead(rights(task), seed=seed) for task in found.names}


def right(found: Table2, task: str, who: str, prior: str = RAW) -> Float[np.ndarray, "set point"]:
    """Where the model, the chosen head or the most frequent label is right, in one task."""
    return _known(found.right[found.names.index(task), PRIORS.index(prior), WHO.index(who)])


def encoder_right(found: Table2, task: str, encoder: str) -> Float[np.ndarray, "set point"]:
    """Where kernel regression with a Gaussian on an encoder is right, in one task; not a number where not run."""
    values = found.encoder_right[found.names.index(task), ENCODERS.index(encoder), KERNELS.index(GAUSSIAN)]
    return values[:, : right(found, task, MODEL).shape[1]]


def position_beyond(found: Explored, rival: str, *, seed: int) -> Evidence:
    """How much more of the ranks of a head's weights position explains than a similarity does.

    The head is the one that agrees most with the model on the other half of the prompts. Both shares are too
    large by 1 / (k - 1) where there is nothing, which their difference takes off.
    """
    places = [FEATURES.index(name) for name in (POSITION, rival)]
    (own, other), chance = found.chosen[places], found.shuffled[places].mean(1)
    estimate = stats.interval(own - other, range="difference", seed=seed)
    return Evidence(estimate, float(chance[0] - chance[1]), "weights shuffled inside each prompt")


def _hits(found: Table2, task: str, prior: str) -> dict[str, Float[np.ndarray, "set point"]]:
    values = found.hits[found.names.index(task), PRIORS.index(prior)]
    return {name: _known(one) for name, one in zip(METHODS, values, strict=True)}


def _known(values: Float[np.ndarray, "set point"]) -> Float[np.ndarray, "set own"]:
    """Without the gaps at the end of a task that has fewer test points."""
    return values[:, ~np.isnan(values).all(0)].astype(float)


def _p(estimate: Estimate, margin: float) -> float:
    """The p-value against the margin; 0 or 1 where all prompts are alike."""
    p = estimate.p_value(margin)
    return float(estimate.value == margin) if np.isnan(p) else p


def _peak(accuracy: Float[np.ndarray, "sets layers kv_heads positions"]) -> Float[np.ndarray, " sets"]:
    """For each set the mean over heads at the label less that at the best other position."""
    by_position = np.nanmean(accuracy, axis=(1, 2))
    others = np.delete(by_position, AT_LABEL, axis=1)
    return by_position[:, AT_LABEL] - others[:, others.mean(0).argmax()]
