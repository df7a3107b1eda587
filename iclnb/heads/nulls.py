"""What a head has to beat: permuted labels, the last label, majorities, recency without attention."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.demonstrations import Seed
from iclnb.llm.kernel_weights import KernelWeights

LEVEL = 0.95
"""Quantile of a permutation null that a head chosen among all has to exceed."""

RECENCY = np.round(np.arange(0.3, 1.0001, 0.05), 2)
"""Candidate factors λ of the recency kernel a_i = λ^(k-i)."""


def reconstruct(
    weights: Float[np.ndarray, "*prompts layers heads k"], labels: Int[np.ndarray, "*prompts k"], classes: int
) -> Float[np.ndarray, "*prompts layers heads classes"]:
    """Each head's kernel regression Σ_i a_i e(y_i) / Σ_i a_i; its argmax is ỹ (paper A, section 5.2)."""
    return kernel_regression(weights, labels[..., None, None, :], classes)


class Null(NamedTuple):
    """What a procedure reaches when labels are permuted among the demonstrations.

    Attributes:
        chosen: agreement, on the evaluation prompts, of the head chosen on the selection prompts, as the
            head in question was. (permutations)
        best: the largest agreement of any head on the evaluation prompts, an upper bound. (permutations)
    """

    chosen: Float[np.ndarray, " permutations"]
    best: Float[np.ndarray, " permutations"]

    def quantile(self) -> float:
        """The 95 % quantile of ``chosen``."""
        return float(np.quantile(self.chosen, LEVEL))


def null(
    selection: Float[np.ndarray, "permutations layers heads"],
    evaluation: Float[np.ndarray, "permutations layers heads"],
) -> Null:
    """The null from the agreement of every head (:func:`permuted_agreement`) on both parts."""
    first, second = (part.reshape(len(part), -1) for part in (selection, evaluation))
    return Null(second[np.arange(len(second)), first.argmax(-1)], second.max(-1))


def permuted_agreement(
    found: KernelWeights,
    target: Int[np.ndarray, " *prompts"],
    *,
    within: Literal["prompt", "set"] = "prompt",
    among: Bool[np.ndarray, " *prompts"] | None = None,
    off: Float[np.ndarray, "layers heads classes"] | float = 0.0,
    permutations: int,
    seed: Seed,
    variant: str = "maximum",
) -> Float[np.ndarray, "permutations layers heads"]:
    """Agreement of every head with a target when labels are permuted among the demonstrations.

    The head's weights, the label counts and the target stay as they are; only which demonstration has which
    label is undone.

    Args:
        found: prompts (points, or sets x points).
        target: what the reconstruction is held against: the model's answers, or the truth.
        within: ``prompt`` permutes in each prompt anew; ``set`` permutes once for all prompts of a
            demonstration set (the first axis), as if the set had been labelled otherwise: with one seed in
            the same way for all test points.
        among: the prompts that count; ``None`` for all. Where there is none, not numbers.
        off: prior to take off the shares before deciding.
        permutations: how many.
        seed: seeds them.
        variant: which weights.
    """
    rng = np.random.default_rng(seed)
    lead = found.labels.shape[:-1]
    agreement = np.full((permutations, *found.weights[variant].shape[len(lead) : -1]), np.nan)
    counted = np.ones(lead, dtype=bool) if among is None else among
    if not counted.any():
        return agreement
    places = np.broadcast_to(np.arange(found.labels.shape[-1]), found.labels.shape)
    shares = reconstruct(found.weights[variant], places, places.shape[-1])  # a_i / Σ a_i, whatever the labels
    one_hot = np.eye(found.classes, dtype=shares.dtype)
    for r in range(permutations):
        draws = lead if within == "prompt" else (lead[0],) + (1,) * (len(lead) - 1)
        order = rng.random((*draws, found.labels.shape[-1])).argsort(-1)
        order = np.broadcast_to(order, found.labels.shape)
        labels = np.take_along_axis(found.labels, order, -1)
        decided = (shares @ one_hot[labels][..., None, :, :] - off).argmax(-1)
        agreement[r] = (decided == target[..., None, None])[counted].mean(axis=0)
    return agreement


class Blind(NamedTuple):
    """Decisions that look at no attention at all, one for each prompt.

    Attributes:
        last: the last demonstration's label.
        majority: the label that most demonstrations have (ties: the last of these).
        recency: kernel regression with weights λ^(k-i).
        factor: the λ that agreed most with the target on the selection prompts.
    """

    last: Int[np.ndarray, " *prompts"]
    majority: Int[np.ndarray, " *prompts"]
    recency: Int[np.ndarray, " *prompts"]
    factor: float


def blind(
    selection: KernelWeights, selection_target: Int[np.ndarray, " *prompts"], evaluation: KernelWeights
) -> Blind:
    """The blind decisions on the evaluation prompts; recency is fitted on the selection prompts."""
    agreement = [(recency(selection, factor) == selection_target).mean() for factor in RECENCY]
    best = float(RECENCY[int(np.argmax(agreement))])
    k = evaluation.labels.shape[-1]
    tie_break = np.arange(1, k + 1) / (k * (k + 1))  # less than a vote in all; later labels weigh more
    return Blind(
        last=evaluation.labels[..., -1],
        majority=_vote(evaluation, 1 + tie_break),
        recency=recency(evaluation, best),
        factor=best,
    )


def recency(found: KernelWeights, factor: float) -> Int[np.ndarray, " *prompts"]:
    """Decisions of the kernel a_i = λ^(k-i), which knows the order of the demonstrations and nothing else."""
    k = found.labels.shape[-1]
    return _vote(found, factor ** np.arange(k - 1, -1, -1.0))


def _vote(found: KernelWeights, weights: Float[np.ndarray, " k"]) -> Int[np.ndarray, " *prompts"]:
    return np.einsum("...kc,k->...c", np.eye(found.classes)[found.labels], weights).argmax(-1)
