"""The evidence of chapter 01: how many demonstrations are needed; HMMs are the units, designs apart."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes.findings import DESIGNS, Learning
from iclnb.bayes.learning import BAYES, FITTED, FOLLOWED, IGNORING, TUNED
from iclnb.bayes.material import SHARES, learning_designs
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.stats import Estimate, exact, geometric_mean, interval

REPAIRED = "ratio"  # The repaired kernel that is followed
OUTSIDE = len(SHARES) - 1  # The share of a task that is wholly held out
TINY = 1e-12  # Errors below this are alike: rounding

Numbers = Int[np.ndarray, " n"]
Errors = Float[np.ndarray, "hmm n"]


def needed(ns: Numbers, errors: Errors, level: Float[np.ndarray, " hmm"]) -> Float[np.ndarray, " hmm"]:
    """Demonstrations at which each HMM's error is first down to a level; infinite where it never is.

    Linear in the logarithms between neighbours. One is the least: fewer are not measured.
    """
    down = errors <= level[:, None]
    first = np.where(down.any(1), down.argmax(1), len(ns))
    return _crossing(ns, errors, np.broadcast_to(level[:, None], errors.shape), first)


def overtaking(ns: Numbers, errors: Errors, rival: Errors) -> Float[np.ndarray, " hmm"]:
    """Demonstrations from which on each HMM's error stays below the rival's; infinite where it does not."""
    behind = errors >= rival
    after = np.where(behind.any(1), len(ns) - behind[:, ::-1].argmax(1), 0)
    return _crossing(ns, errors, rival, after)


def _crossing(
    ns: Numbers, errors: Errors, level: Errors, places: Int[np.ndarray, " hmm"]
) -> Float[np.ndarray, " hmm"]:
    """Where each HMM's error crosses a level, between a place among the n and the one before it."""
    found = []
    for error, other, at in zip(errors, level, places, strict=True):
        near = slice(at - 1, at + 1)
        if 0 < at < len(ns):
            before, after = np.log(np.maximum(error[near], TINY) / np.maximum(other[near], TINY))
            found.append(np.exp(np.interp(before / (before - after), (0, 1), np.log(ns[near]))))
        else:
            found.append(np.inf if at else ns[0])
    return np.array(found, dtype=float)


def halving(found: Learning, design: int, learner: str, *, theory: bool = False) -> Float[np.ndarray, " hmm"]:
    """Demonstrations that halve the error of ignoring them, on a task of the corpus."""
    errors = (found.theory if theory else found.of)(design, learner)
    return needed(found.ns, errors, found.end(design, IGNORING) / 2)


def crossings(
    found: Learning, design: int, learner: str, share: int, *, theory: bool = False
) -> Float[np.ndarray, " hmm"]:
    """Demonstrations from which on a learner is nearer to the right answer than Bayes, n*."""
    of = found.theory if theory else found.of
    return overtaking(found.ns, of(design, learner, share), of(design, BAYES, share))


def every_design(of_design: Callable[[int], Evidence], worst: Callable[[Estimate], float]) -> Evidence:
    """The evidence of the design that says most against a claim, as ``worst`` tells of each interval."""
    found = [of_design(design) for design in range(len(DESIGNS))]
    place = int(np.argmax([worst(each.estimate) for each in found]))
    return found[place]._replace(control_is=f"{found[place].control_is}; design: {DESIGNS[place]}")


def _low(estimate: Estimate) -> float:
    return -float(estimate.low)


def _far_from_one(estimate: Estimate) -> float:
    return max(abs(np.log(max(float(limit), 1e-9))) for limit in (estimate.low, estimate.high))


def bayes_needs_fewer(found: Learning, *, seed: int) -> Evidence:
    """log10 of the demonstrations that halve the error, of the best tuned kernel over Bayes; mean over HMMs."""

    def of_design(design: int) -> Evidence:
        logs = np.log10(halving(found, design, TUNED) / halving(found, design, BAYES))
        return Evidence(interval(logs, seed=seed), 0.0, "as many as Bayes")

    return every_design(of_design, _low)


def law(found: Learning, learner: str, *, seed: int) -> Evidence:
    """Demonstrations that halve the error, measured over predicted, geometric mean over HMMs.

    The control is a rival law on the same HMMs: log tasks / KL for Bayes, rank / error² for a kernel.
    """

    def of_design(design: int) -> Evidence:
        measured = halving(found, design, learner)
        if learner == BAYES:
            tasks = learning_designs()[DESIGNS[design]].tasks
            rival, named = np.log(tasks) / found.divergence[design, :, 0], "log tasks / KL as the law"
        else:
            level = found.end(design, IGNORING) / 2
            rival, named = found.rank[design] / level**2, "rank / error² as the law"
        ratio = geometric_mean(measured / halving(found, design, learner, theory=True), seed=seed)
        return Evidence(ratio, float(np.exp(np.log(measured / rival).mean())), named)

    return every_design(of_design, _far_from_one)


def crossing_as_predicted(found: Learning, *, seed: int) -> Evidence:
    """n* of the repaired kernel, measured over predicted, geometric mean over the shares and then over HMMs.

    Where theory says that it never overtakes Bayes within the largest n, and so it is, there is
    nothing to divide; where only one of both says so the largest n stands in for it.
    """
    most = float(found.ns[-1])

    def of_design(design: int) -> Evidence:
        logs, rivals = [], []
        for share in range(1, len(SHARES)):
            pair = [crossings(found, design, REPAIRED, share, theory=theory) for theory in (False, True)]
            measured, predicted = (np.minimum(each, most) for each in pair)
            known = np.isfinite(pair).any(axis=0)
            rank_law = np.minimum(found.rank[design] / found.end(design, BAYES, share) ** 2, most)
            logs.append(np.where(known, np.log(measured / predicted), np.nan))
            rivals.append(np.where(known, np.log(measured / rank_law), np.nan))
        if np.isnan(logs).all(axis=0).any():
            raise NothingToMeasure("demonstrations enough for the kernel to overtake Bayes in every HMM")
        ratio = geometric_mean(np.exp(np.nanmean(logs, axis=0)), seed=seed)
        return Evidence(ratio, float(np.exp(np.nanmean(rivals))), "rank / distance² as the law")

    return every_design(of_design, _far_from_one)


def kernels_end_nearer(found: Learning, *, seed: int) -> Evidence:
    """Share of HMMs in which all four kernels end nearer to a held-out task than Bayes; exact limits."""

    def of_design(design: int) -> Evidence:
        ends, start = (
            np.max([found.end(design, kernel, share) for kernel in FOLLOWED], axis=0)
            < found.end(design, BAYES, share)
            for share in (OUTSIDE, 0)
        )
        estimate = interval(ends.astype(float), range="rate", seed=seed)
        return Evidence(estimate, float(start.mean()), "a task of the corpus")

    return every_design(of_design, _low)


def fitting_needs_fewer(found: Learning, *, seed: int) -> Evidence:
    """log10 of demonstrations, best tuned kernel over fitted start, to half of the error that Bayes ends with."""

    def of_design(design: int) -> Evidence:
        level = found.end(design, BAYES, OUTSIDE) / 2
        kernel, fitted = (
            needed(found.ns, found.of(design, name, OUTSIDE), level) for name in (TUNED, FITTED)
        )
        logs = np.log10(np.minimum(kernel, found.ns[-1]) / np.minimum(fitted, found.ns[-1]))
        return Evidence(interval(logs, seed=seed), 0.0, "as many as the kernel")

    return every_design(of_design, _low)


def repaired_outside(found: Learning) -> Evidence:
    """Largest limit error of the repaired kernel, over all tasks outside the corpus; zero by proof."""
    largest, printed = (
        [
            found.end(design, kernel, share)
            for design in range(len(DESIGNS))
            for share in range(1, len(SHARES))
        ]
        for kernel in (REPAIRED, "printed")
    )
    return Evidence(exact(float(np.max(largest))), float(np.max(printed)), "printed kernel, largest")


def winners(found: Learning, design: int, learners: Sequence[str]) -> np.ndarray:
    """Which learner has the least error, mean over HMMs, by share and n: places in ``learners``."""
    errors = [[found.of(design, name, share).mean(0) for share in range(len(SHARES))] for name in learners]
    return np.argmin(errors, axis=0)
