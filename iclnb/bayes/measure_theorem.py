"""The findings of appendix 01a: exact limits, and the bound, of theorem 1 of paper A on small random HMMs."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from tqdm import tqdm

from iclnb.bayes import sequences
from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.material import SMALL
from iclnb.findings import Findings, variable
from iclnb.kernel_regression import regression_from_counts

LIMITS_OF = ("printed", "centred", "unweighted", "ratio", "belief", "labels only")
LENGTHS = (2, 3, 4)
"""Over which the infimum of ε_θ is taken; it grows with the length, since operators of longer sequences are
smaller, and with one token second moments are singular."""


@dataclass(frozen=True, kw_only=True)
class Limits(Findings):
    """L∞ errors that remain with infinitely many demonstrations of one task, computed and not sampled."""

    coordinates: ClassVar = {"kernel": LIMITS_OF}

    median: Float64[np.ndarray, "hmm kernel"] = variable("limit error, median over x_test", unit="1")
    worst: Float64[np.ndarray, "hmm kernel"] = variable("limit error, worst x_test", unit="1")
    bound: Float64[np.ndarray, " hmm"] = variable("what theorem 1 says it is at most, η² ε", unit="1")

    def of(self, kernel: str) -> Float64[np.ndarray, " hmm"]:
        """The error at the worst x_test."""
        return self.worst[:, LIMITS_OF.index(kernel)]


def measure(run: SimpleNamespace) -> Limits:
    """Limits and bound for demonstrations of the first task."""
    floors, bounds = [], []
    for i in tqdm(range(run.small_hmms), desc="small HMMs", disable=None):
        mixture = SMALL.mixture((run.hmm_seed, i))
        kernels = Kernels(mixture, sequences.every(SMALL.observations, SMALL.length))
        floors.append([floor(kernels, name, 0) for name in LIMITS_OF])
        bounds.append(bound(mixture, 0, SMALL.length, LENGTHS))
    median, worst = np.moveaxis(np.array(floors), -1, 0)
    return Limits(median=median, worst=worst, bound=np.array(bounds))


class Floor(NamedTuple):
    """L∞ distance between the limit of kernel regression and P(y | x_test, θ).

    ``median`` is over x_test drawn from the task, ``worst`` the largest over all x_test.
    """

    median: float
    worst: float


def floor(kernels: Kernels, kernel: str, task: int) -> Floor:
    """How far kernel regression with infinitely many demonstrations of a task stays from the truth.

    By the law of large numbers the limit is a ratio of two expectations, summed here over all x: nothing is
    sampled. The posterior of a long prompt tends to P(y | x_test, θ) if the tasks are told apart.
    """
    pairs = kernels.joint[:, task]
    marginal = pairs.sum(axis=1)
    possible = np.flatnonzero(marginal)
    truth = pairs[possible] / marginal[possible, None]
    error = np.abs(regression_from_counts(kernels.gram(kernel, possible), pairs) - truth).max(axis=1)
    median = np.quantile(error, 0.5, weights=marginal[possible], method="inverted_cdf")
    return Floor(float(median), float(error.max()))


def bound(mixture: HMMMixture, task: int, length: int, lengths: Sequence[int]) -> float:
    """The asymptotic part of theorem 1's bound, η² ε_θ.

    ε_θ is the least over l of ρ(Σ_pretrain,l⁻¹ - Σ_{s_θ},l⁻¹), where Σ_{p,l} is the second moment of vec(T_x)
    for sequences of l tokens from p; η the largest Frobenius norm of a T_x with as many tokens as x has.

    ``lengths``: the l that are tried; those with a singular second moment are passed over.

    Raises numpy.linalg.LinAlgError if all are singular, for then the bound is not defined.

    Source: Han et al. (2025), theorem 1.
    """
    norms = np.linalg.norm(Kernels(mixture, sequences.every(mixture.observations, length)).features, axis=1)
    radii = [radius for each in lengths if (radius := _radius(mixture, task, each)) is not None]
    if not radii:
        raise np.linalg.LinAlgError("second moments are singular: their inverses, and so ε, do not exist")
    return float(norms.max() ** 2 * min(radii))


def _radius(mixture: HMMMixture, task: int, length: int) -> float | None:
    """ρ(Σ_pretrain⁻¹ - Σ_{s_θ}⁻¹) for one length; ``None`` where an inverse does not exist."""
    kernels = Kernels(mixture, sequences.every(mixture.observations, length))
    inverses = [
        _inverse_moment(kernels.features, p)
        for p in (kernels.probability, kernels.joint[:, task].sum(axis=1))
    ]
    if any(inverse is None for inverse in inverses):
        return None
    difference = inverses[0] - inverses[1]
    return float(np.abs(np.linalg.eigvalsh((difference + difference.T) / 2)).max())


def _inverse_moment(
    features: Float[np.ndarray, "sequences features"], probability: Float[np.ndarray, " sequences"]
) -> Float[np.ndarray, "features features"] | None:
    """Σ⁻¹ from the singular values of √P φ, which keeps twice the digits that inverting Σ would."""
    _, values, right = np.linalg.svd(features * np.sqrt(probability)[:, None], full_matrices=False)
    if len(values) < len(right.T) or values[-1] < max(features.shape) * np.finfo(float).eps * values[0]:
        return None
    return (right.T / values**2) @ right
