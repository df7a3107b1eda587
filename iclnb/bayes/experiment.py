"""The synthetic experiment of paper A, appendix C: kernel regression against the exact posterior."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import WHITENED, Kernels
from iclnb.bayes.material import Prompts
from iclnb.kernel_regression import kernel_regression, normaliser_sign, regression_from_counts

PAPER_DEMONSTRATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
PAPER_DISTANCE = (1.322, 0.942, 0.519, 0.218, 0.163, 0.085, 0.093, 0.083)
PAPER_ACCURACY = (0.337, 0.532, 0.745, 0.901, 0.926, 0.968, 0.961, 0.964)
"""Han et al. (2025), appendix C, table 3: 8 tasks, 80 states, 100 observations."""


class Curves(NamedTuple):
    """What one HMM mixture gives: for each kernel an array over n.

    - ``distance``, ``median``: mean and median over prompts of the L1 norm of ŷ minus the posterior
    - ``accuracy``: how often both have the same largest entry
    - ``negative``: share of prompts whose normaliser is negative
    - ``to_answer``, ``answered``: as ``distance`` and ``accuracy``, but against the token that was drawn
      after the query, as a one-hot distribution, instead of the posterior
    - ``limit``: mean L1 distance as n → ∞

    and, for all kernels alike, ``without`` (L1 distance of the posterior without demonstrations to the one
    with n), ``risk`` (that of the posterior to the drawn answer), the ``rank`` of each whitening, the number
    of distinct ``sequences`` and the probability ``missing_mass`` of all others.
    """

    distance: dict[str, Float[np.ndarray, " n"]]
    median: dict[str, Float[np.ndarray, " n"]]
    accuracy: dict[str, Float[np.ndarray, " n"]]
    negative: dict[str, Float[np.ndarray, " n"]]
    to_answer: dict[str, Float[np.ndarray, " n"]]
    answered: dict[str, Float[np.ndarray, " n"]]
    limit: dict[str, float]
    without: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    rank: dict[str, int]
    sequences: int
    missing_mass: float


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


def limits(
    gram: Float[np.ndarray, "sequences sequences"],
    joint: Float[np.ndarray, "sequences tasks observations"],
    task: int,
) -> Float[np.ndarray, "sequences observations"]:
    """ŷ as n → ∞ for every x_test: E_θ[e(y) K(x_test, x)] / E_θ[K(x_test, x)] (law of large numbers)."""
    return regression_from_counts(gram, joint[:, task])


def run(
    mixture: HMMMixture, prompts: Prompts, kernels: Kernels, names: Sequence[str], ns: Sequence[int],
    *, shuffle_seed: int | Sequence[int] | None = None,
) -> Curves:  # fmt: skip
    """Every kernel against the exact posterior on the same prompts.

    Args:
        mixture: the HMMs.
        prompts: from :func:`iclnb.bayes.material.draw_prompts`.
        kernels: on ``prompts.known``.
        names: which kernels (:data:`iclnb.bayes.kernels.KERNELS`).
        ns: numbers of demonstrations.
        shuffle_seed: if given, the control: labels are permuted among the demonstrations of each prompt
            before the regression (the posterior still sees the true pairs).
    """
    labels = prompts.y
    if shuffle_seed is not None:
        labels = np.random.default_rng(shuffle_seed).permuted(prompts.y, axis=1)
    exact = [posteriors(mixture, prompts, kernels.joint, n) for n in ns]
    alone = posteriors(mixture, prompts, kernels.joint, 0)
    answer = np.eye(mixture.observations)[prompts.answer]
    curves: dict[str, dict] = {}
    for name in names:
        gram = kernels.gram(name)
        similarity = gram[prompts.query[:, None], prompts.x]
        scores = [_score(similarity[:, :n], labels[:, :n], p, answer) for n, p in zip(ns, exact, strict=True)]
        for key in scores[0]:
            curves.setdefault(key, {})[name] = np.array([score[key] for score in scores])
        curves.setdefault("limit", {})[name] = _limit_distance(gram, kernels.joint, prompts)
    return Curves(
        **curves,
        without=np.array([_l1(alone, posterior).mean() for posterior in exact]),
        risk=np.array([_l1(posterior, answer).mean() for posterior in exact]),
        rank={k: kernels.whitening(k).rank for k in WHITENED if k in names},
        sequences=len(kernels.x),
        missing_mass=kernels.missing_mass,
    )


def _score(
    similarity: np.ndarray, labels: np.ndarray, posterior: np.ndarray, answer: np.ndarray
) -> dict[str, float]:
    """One kernel at one n: the fields of :class:`Curves` that depend on both."""
    estimate = kernel_regression(similarity, labels, posterior.shape[1])
    distance, largest = _l1(estimate, posterior), estimate.argmax(axis=1)
    return {
        "distance": distance.mean(),
        "median": np.median(distance),
        "accuracy": (largest == posterior.argmax(axis=1)).mean(),
        "negative": (normaliser_sign(similarity) < 0).mean(),
        "to_answer": _l1(estimate, answer).mean(),
        "answered": (largest == answer.argmax(axis=1)).mean(),
    }


def _l1(left: np.ndarray, right: np.ndarray) -> Float[np.ndarray, " prompts"]:
    return np.abs(left - right).sum(axis=1)


def _limit_distance(gram: np.ndarray, joint: np.ndarray, prompts: Prompts) -> float:
    """Mean L1 distance between ŷ and the posterior as n → ∞, over the prompts' own queries and tasks."""
    distance = np.empty(len(prompts.tasks))
    for task in np.unique(prompts.tasks):
        mine = prompts.tasks == task
        query = prompts.query[mine]
        truth = joint[query, task] / joint[query, task].sum(axis=1, keepdims=True)
        distance[mine] = np.abs(limits(gram[query], joint, task) - truth).sum(axis=1)
    return float(distance.mean())
