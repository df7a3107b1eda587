"""What decides the claims of chapter 01 about theorem 1: exact limits, rate and bound."""

from fractions import Fraction

import numpy as np
from jaxtyping import Float

from iclnb.bayes import operators, sequences
from iclnb.bayes.counterexample import ExactHMM
from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.study import TheoremStudy
from iclnb.claims import Evidence
from iclnb.stats import Estimate, exact, interval, median

REPAIRS = ("unweighted", "ratio")
"""The repaired kernels: Σ_0 in the place of Σ_p, and ψ = vec(T_x) / P(x)."""

CONVERGING = ("printed", *REPAIRS, "belief")
"""Kernels whose error is followed down to their own limit."""

LATE = 1000
"""Slopes are fitted from so many demonstrations on."""


def worst_limit(hmm: ExactHMM, kernel: str) -> tuple[Fraction, tuple[int, ...]]:
    """The largest L∞ error of the limit over x_test of positive probability, and the x_test that has it."""
    return max((hmm.error(kernel, x), x) for x in hmm.sequences if sum(hmm.joint(x)))


def counterexample(hmm: ExactHMM) -> Evidence:
    """Worst limit error of the printed kernel with a single task; control: the repairs on the same HMM."""
    repaired = max(worst_limit(hmm, name)[0] for name in REPAIRS)
    printed = exact(float(worst_limit(hmm, "printed")[0]))
    return Evidence(printed, float(repaired), "both repaired kernels on the same HMM, exactly")


def repairs_in_fractions(*hmms: ExactHMM) -> Evidence:
    """Worst limit error of both repairs over the HMMs, exactly; control: the printed kernel's smallest."""
    repaired = max(worst_limit(hmm, name)[0] for hmm in hmms for name in REPAIRS)
    printed = min(worst_limit(hmm, "printed")[0] for hmm in hmms)
    return Evidence(exact(float(repaired)), float(printed), "printed kernel, smallest over the same HMMs")


def beyond_bound(hmm: ExactHMM) -> Evidence:
    """Worst limit error of the printed kernel over the theorem's bound; control: of the repairs."""
    bound = hmm.bound_at_most()
    printed, *repaired = (worst_limit(hmm, name)[0] / bound for name in ("printed", *REPAIRS))
    return Evidence(exact(float(printed)), float(max(repaired)), "both repaired kernels, exactly")


def repaired_limit(small: TheoremStudy, kernel: str) -> Evidence:
    """Limit error at the worst x_test of the worst HMM; it is zero by proof, up to rounding."""
    smallest = float(small.worst["printed"].min())
    return Evidence(
        exact(float(small.worst[kernel].max())), smallest, "printed kernel, smallest over the same HMMs"
    )


def slopes(small: TheoremStudy) -> dict[str, Float[np.ndarray, " hmms"]]:
    """Slope of the logarithm of the error to the kernel's own limit, by kernel."""
    return {name: small.slopes(name, "to_limit", LATE) for name in CONVERGING}


def over_hmms(values: Float[np.ndarray, "hmms *columns"], *, seed: int) -> Estimate:
    """Median over HMMs."""
    return interval(values, statistic=median, seed=seed)


def belief_limit(small: TheoremStudy, *, seed: int) -> Evidence:
    """Limit error of the belief kernel, whose bandwidth is fixed, at the median x_test."""
    control = float(np.median(small.floor["labels only"]))
    return Evidence(over_hmms(small.floor["belief"], seed=seed), control, "labels only, same HMMs")


def bound(small: TheoremStudy, *, seed: int) -> Evidence:
    """The asymptotic bound η² ε_θ, median over HMMs; control: the error that it bounds."""
    control = float(np.median(small.floor["printed"]))
    is_ = "measured: limit error of the printed kernel, same HMMs"
    return Evidence(over_hmms(small.bound, seed=seed), control, is_)


def moments_apart(mixture: HMMMixture, length: int) -> float:
    """Largest difference between second moments (Σ_p, Σ_0) by recursion and by summation over sequences."""
    listed = Kernels(mixture, sequences.every(mixture.observations, length))
    pairs = (
        (operators.moment_under(mixture, mixture.pretrain_start, length), listed.probability),
        (operators.unweighted_moment(mixture, length), np.ones(len(listed.x))),
    )
    return max(
        float(np.abs(recursion - operators.weighted_moment(listed.features, weights)).max())
        for recursion, weights in pairs
    )
