"""The evidence on theorem 1: exact limits in fractions, and the bound on small HMMs."""

from fractions import Fraction
from functools import cache

import numpy as np

from iclnb.bayes.counterexample import ExactHMM
from iclnb.bayes.measure_theorem import Limits
from iclnb.claims import Evidence
from iclnb.stats import exact, interval, median

REPAIRS = ("unweighted", "ratio")  # The repaired kernels: Σ_0 in the place of Σ_p, and ψ = vec(T_x) / P(x)
PRINTED = ("printed", "centred")  # Theorem 1's kernel: with the second moment about zero, or about the mean


@cache
def worst_limit(hmm: ExactHMM, kernel: str) -> tuple[Fraction, tuple[int, ...]]:
    """The largest L∞ error of the limit over x_test of positive probability, and the x_test that has it."""
    return max((hmm.error(kernel, x), x) for x in hmm.sequences if sum(hmm.joint(x)))


def counterexample(hmm: ExactHMM) -> Evidence:
    """Worst limit error with a single task, of the reading that errs less; control: both repairs."""
    printed = min(worst_limit(hmm, name)[0] for name in PRINTED)
    repaired = max(worst_limit(hmm, name)[0] for name in REPAIRS)
    return Evidence(exact(float(printed)), float(repaired), "both repaired kernels on the same HMM, exactly")


def beyond_bound(hmm: ExactHMM) -> Evidence:
    """Worst limit error over the theorem's bound, of the reading that exceeds it less; control: the repairs."""
    printed = min(worst_limit(hmm, name)[0] / hmm.bound_at_most(name) for name in PRINTED)
    repaired = max(worst_limit(hmm, name)[0] for name in REPAIRS) / hmm.bound_at_most()
    return Evidence(exact(float(printed)), float(repaired), "both repaired kernels, exactly")


def repairs_in_fractions(*hmms: ExactHMM) -> Evidence:
    """Worst limit error of both repairs over the HMMs, exactly; control: the printed kernel's smallest."""
    repaired = max(worst_limit(hmm, name)[0] for hmm in hmms for name in REPAIRS)
    printed = min(worst_limit(hmm, "printed")[0] for hmm in hmms)
    return Evidence(exact(float(repaired)), float(printed), "printed kernel, smallest over the same HMMs")


def repaired_limit(found: Limits) -> Evidence:
    """Limit error of both repairs at the worst x_test of the worst HMM; zero by proof, up to rounding."""
    largest = max(float(found.of(kernel).max()) for kernel in REPAIRS)
    return Evidence(exact(largest), float(found.of("printed").min()), "printed kernel, smallest")


def bound_over_blind(found: Limits, *, seed: int) -> Evidence:
    """The bound over the worst limit error of the kernel that is blind to x, median over HMMs."""
    control = float(np.median(found.of("printed") / found.of("labels only")))
    ratio = interval(found.bound / found.of("labels only"), statistic=median, range="nonnegative", seed=seed)
    return Evidence(ratio, control, "the printed kernel's own limit error, over the same")
