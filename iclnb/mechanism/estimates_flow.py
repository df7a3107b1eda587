"""The evidence of chapter 07 on the way an answer flows: interchange and knock-out at the last token."""

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.mechanism.flow import kept, places, without_prior
from iclnb.mechanism.material import CONDITIONS
from iclnb.mechanism.passes import Runs
from iclnb.mechanism.study import Condition
from iclnb.stats import Estimate


def ratio(up: Float[np.ndarray, " sets"], down: Float[np.ndarray, " sets"], *, seed: int) -> Estimate:
    """Σ up / Σ down with its interval over sets; not a number where the denominator is not above zero."""

    def of(up: np.ndarray, down: np.ndarray) -> float:
        return float(up.sum() / down.sum()) if down.sum() > 0 else np.nan

    return stats.interval(up, down, statistic=of, seed=seed)


def decided_before(one: Condition) -> Evidence:
    """How far answers follow the residual stream of the other labelling, put in before the best heads."""
    return Evidence(one.verdict.decided, 0.0, "a residual stream that holds no decision")


def heads_follow(runs: Runs, one: Condition, *, seed: int) -> Evidence:
    """How far the best heads' shares of each word follow another query's residual stream, put in before.

    A slope as for answers: 1 where heads look where they looked in the other run.
    """
    tried = places(runs.steps, "query")
    step = [i for i in tried if runs.steps[i].start <= one.verdict.layer][-1]
    layers, heads = np.array(one.best).T
    sums = np.zeros((2, len(runs.arrays["by_word"])))
    for context in CONDITIONS[one.name]:
        shares = runs.of("by_word", context)[:, :, :, layers, heads]
        before, after, goal = shares[:, :, 0], shares[:, :, step], shares[:, ::-1, 0]
        sums[0] += ((after - before) * (goal - before)).sum((1, 2, 3))
        sums[1] += np.square(goal - before).sum((1, 2, 3))
    return Evidence(ratio(*sums, seed=seed), 0.0, "heads that do not follow the residual stream")


def survives(runs: Runs, condition: str, kind: str, start: int, stop: int, *, seed: int) -> Estimate:
    """How much of the answers (priors off) is left when tokens are hidden from the last one.

    Args:
        runs: what was read.
        condition: whose labellings are pooled.
        kind: what is hidden (:class:`iclnb.mechanism.flow.Step`).
        start, stop: layers; the intervention that begins there, or at the last layer tried before.
    """
    return ratio(*_left(runs, condition, kind, start, stop), seed=seed)


def _left(runs: Runs, condition: str, kind: str, start: int, stop: int) -> Float[np.ndarray, "2 sets"]:
    """Numerator and denominator of :func:`survives`, for each set."""
    tried = [i for i in places(runs.steps, kind) if runs.steps[i].stop == stop]
    step = max((i for i in tried if runs.steps[i].start <= start), key=lambda i: runs.steps[i].start)
    sums = np.zeros((2, len(runs.arrays["edited"])))
    for context in CONDITIONS[condition]:
        edited = runs.of("edited", context)
        parts = kept(without_prior(edited[:, :, 0]), without_prior(edited[:, :, step]))
        sums += np.stack([part.sum(-1) for part in parts])
    return sums


def windows(runs: Runs, condition: str, *, seed: int) -> list[tuple[str, Estimate]]:
    """How much of the answers is left when labels are hidden in some neighbouring layers alone."""
    wide = [runs.steps[i] for i in places(runs.steps, "block labels")]
    first = next(i for i, step in enumerate(wide) if i and step.start == 0)
    return [
        (f"{step.start} to {step.stop - 1}", survives(runs, condition, "block labels", *step[1:], seed=seed))
        for step in wide[first:]
    ]


def without_labels(runs: Runs, one: Condition, *, seed: int) -> Evidence:
    """How much of the answers is left when label words are hidden from the first of the best heads on."""
    left = survives(runs, one.name, "block labels", one.verdict.layer, runs.layers, seed=seed)
    whole = survives(runs, one.name, "block demonstrations", 0, runs.layers, seed=seed)
    return Evidence(left, float(whole.value), "all demonstrations hidden in all layers")


def read_earlier(runs: Runs, one: Condition, *, seed: int) -> Evidence:
    """What hiding labels in all layers takes, beyond hiding them from the best heads on: 1 is the answer."""
    late, whole = _left(runs, one.name, "block labels", one.verdict.layer, runs.layers)
    always, _ = _left(runs, one.name, "block labels", 0, runs.layers)
    return Evidence(
        ratio(late - always, whole, seed=seed), 0.0, "labels that are read by the best heads, or later"
    )
