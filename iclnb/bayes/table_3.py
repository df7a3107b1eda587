"""The synthetic experiment of paper A, appendix C: kernel regression against the exact posterior."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.optimize import bisect

from iclnb.bayes import families, sequences
from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.material import Prompts, Reading, draw_prompts
from iclnb.kernel_regression import kernel_regression, normaliser_sign, regression_from_counts

DEMONSTRATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
DISTANCE = (1.322, 0.942, 0.519, 0.218, 0.163, 0.085, 0.093, 0.083)
ACCURACY = (0.337, 0.532, 0.745, 0.901, 0.926, 0.968, 0.961, 0.964)
"""Han et al. (2025), appendix C, table 3: 8 tasks, 80 states, 100 observations."""

KERNELS = ("printed", "ratio", "prediction", "labels only")
"""Theorem 1's kernel, its repair (ii), the similarity of equation 9, and a control that is blind to x."""

SHARPNESS = {families.softmax: (2.0, 200.0), families.dirichlet: (0.3, 0.001)}
"""Where rows are searched that give the table's first column: from noisy to nearly deterministic."""


def posteriors(
    mixture: HMMMixture, prompts: Prompts, joint: Float[np.ndarray, "sequences tasks observations"], n: int
) -> Float[np.ndarray, "prompts observations"]:
    """Exact P(y | first n demonstrations, x_test) of every prompt; as :meth:`HMMMixture.predict`, batched."""
    query = joint[prompts.query]
    with np.errstate(divide="ignore"):
        log_weight = np.log(mixture.prior) + np.log(query.sum(axis=2))
        log_weight += np.log(joint[prompts.x[:, :n], :, prompts.y[:, :n]]).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    marginal = query.sum(axis=2)
    predictive = np.einsum("pt,pto->po", weight / np.where(marginal > 0, marginal, 1), query)
    return predictive / weight.sum(axis=1, keepdims=True)


def compare(
    mixture: HMMMixture, prompts: Prompts, ns: Sequence[int] = DEMONSTRATIONS
) -> dict[str, np.ndarray]:
    """Kernels against the exact posterior on the same prompts, by number of demonstrations.

    One HMM mixture's part of :class:`iclnb.bayes.measure_table_3.Table3` by field.
    """
    kernels = Kernels(mixture, prompts.known)
    exact = [posteriors(mixture, prompts, kernels.joint, n) for n in ns]
    rows, place = np.unique(prompts.query, return_inverse=True)
    scores, limits = [], []
    for name in KERNELS:
        gram = kernels.gram(name, rows)
        similarity = gram[place[:, None], prompts.x]
        scores.append(
            [_score(similarity[:, :n], prompts.y[:, :n], p) for n, p in zip(ns, exact, strict=True)]
        )
        limits.append(_limit_distance(gram[place], kernels.joint, prompts))
    alone = posteriors(mixture, prompts, kernels.joint, 0)
    curves = dict(
        zip(("distance", "squared", "accuracy", "negative"), np.moveaxis(scores, -1, 0), strict=True)
    )
    without = np.array([_l1(alone, posterior).mean() for posterior in exact])
    missing = np.array(kernels.missing_mass)
    return curves | {"limit": np.array(limits), "without": without, "missing_mass": missing}


def _score(
    similarity: Float[np.ndarray, "prompts n"], labels: np.ndarray, posterior: Float[np.ndarray, "prompts m"]
) -> tuple[float, ...]:
    """One kernel at one n: distance, squared distance, accuracy, share of negative normalisers."""
    estimate = kernel_regression(similarity, labels, posterior.shape[1])
    distance = _l1(estimate, posterior)
    agree = estimate.argmax(axis=1) == posterior.argmax(axis=1)
    negative = normaliser_sign(similarity) < 0
    squared = ((estimate - posterior) ** 2).sum(axis=1)
    capped = (np.minimum(each, 2).mean() for each in (distance, squared))
    return *capped, agree.mean(), negative.mean()


def _l1(left: np.ndarray, right: np.ndarray) -> Float[np.ndarray, " prompts"]:
    return np.abs(left - right).sum(axis=-1)


def _limit_distance(
    gram: Float[np.ndarray, "prompts sequences"], joint: np.ndarray, prompts: Prompts
) -> float:
    """Mean distance between ŷ and the posterior as n → ∞, over the prompts' own queries and tasks."""
    distance = np.empty(len(prompts.tasks))
    for task in np.unique(prompts.tasks):
        mine = prompts.tasks == task
        truth = joint[prompts.query[mine], task]
        end = regression_from_counts(gram[mine], joint[:, task])
        distance[mine] = _l1(end, truth / truth.sum(axis=1, keepdims=True))
    return float(np.minimum(distance, 2).mean())


def first_column(reading: Reading, sharpness: float, hmms: int, prompts: int, seed: Sequence[int]) -> float:
    """Mean distance with one demonstration, 2 (1 - P(y_1)): there every kernel answers e(y_1)."""
    design, distances = reading.design(sharpness), []
    for i in range(hmms):
        mixture = design.mixture((*seed, i))
        drawn = draw_prompts(mixture, prompts, 1, design.length, 1.0, (*seed, i, 1))
        posterior = posteriors(mixture, drawn, sequences.joint(mixture, drawn.known), 1)
        distances.append(2 - 2 * posterior[np.arange(prompts), drawn.y[:, 0]].mean())
    return float(np.mean(distances))


def sharpness(reading: Reading, hmms: int, prompts: int, seed: Sequence[int]) -> float:
    """The scale or concentration of a reading: its own, or the one that gives the table's first column.

    No kernel has a say in it, since with one demonstration all answer alike. Where no value of
    :data:`SHARPNESS` gives the column, the nearest end.
    """
    if reading.sharpness is not None:
        return reading.sharpness
    ends = np.log(SHARPNESS[reading.rows])

    def beyond(log: float) -> float:
        return first_column(reading, float(np.exp(log)), hmms, prompts, seed) - DISTANCE[0]

    noisy, sharp = map(beyond, ends)
    if noisy * sharp > 0:
        return float(np.exp(ends[0] if abs(noisy) < abs(sharp) else ends[1]))
    return float(np.exp(bisect(beyond, *ends, xtol=0.02)))
