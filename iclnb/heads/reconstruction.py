"""How well heads reconstruct a target: chosen on some test points, judged on others, against the nulls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb import stats
from iclnb.heads.material import Weights, split
from iclnb.heads.nulls import Blind, Null, blind, null, permuted_agreement, reconstruct
from iclnb.llm.demonstrations import Seed
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.stats import Estimate, Range


@dataclass(frozen=True)
class Agreement:
    """Every head's answers beside the model's, and the head chosen on the selection points.

    All arrays over prompts are of the evaluation points.

    Attributes:
        decided: the answer ỹ of every head. (*prompts, layers, heads)
        target: the model's own answer ŷ. (*prompts)
        truth: the label of x_test. (*prompts)
        selection: agreement of every head with the model on the selection points. (layers, heads)
        head: layer and head with the largest ``selection``.
        blind: answers that look at no attention.
        averaged: answers of the best head with weights averaged over the selection queries: they know the
            position (and, under shared sets, the demonstration) but not the query. (*prompts)
        permuted: what the procedure reaches with labels permuted inside prompts.
        permuted_sets: the same with labels permuted once for each demonstration set; ``None`` where
            demonstrations are fresh.
        permuted_against: as ``permuted``, judged on prompts that the model answers against the last label.
        modal: how often the model gives its most frequent answer.
    """

    decided: Int[np.ndarray, "*prompts layers heads"]
    target: Int[np.ndarray, " *prompts"]
    truth: Int[np.ndarray, " *prompts"]
    selection: Float[np.ndarray, "layers heads"]
    head: tuple[int, int]
    blind: Blind
    averaged: Int[np.ndarray, " *prompts"]
    permuted: Null
    permuted_sets: Null | None
    permuted_against: Null
    modal: float

    @property
    def hits(self) -> Bool[np.ndarray, "*prompts layers heads"]:
        """Where a head answers as the model does."""
        return self.decided == self.target[..., None, None]

    @property
    def best(self) -> Bool[np.ndarray, " *prompts"]:
        """Where the chosen head answers as the model does."""
        return self._chosen == self.target

    @property
    def performance(self) -> Bool[np.ndarray, " *prompts"]:
        """Where the chosen head answers as the query's label says: "reconstructed performance"."""
        return self._chosen == self.truth

    @property
    def accuracy(self) -> Bool[np.ndarray, " *prompts"]:
        """Where the model answers as the query's label says."""
        return self.target == self.truth

    @property
    def against_last(self) -> Bool[np.ndarray, " *prompts"]:
        """Where the model's answer is not the last demonstration's label."""
        return self.target != self.blind.last

    @property
    def _chosen(self) -> Int[np.ndarray, " *prompts"]:
        return self.decided[..., self.head[0], self.head[1]]

    def by_head(
        self, target: Int[np.ndarray, " *prompts"] | None = None
    ) -> Float[np.ndarray, "layers heads"]:
        """How often every head's answer is the model's (or a given) answer."""
        goal = self.target if target is None else target
        return (self.decided == goal[..., None, None]).mean(axis=tuple(range(goal.ndim)))

    def rivals(self) -> Mapping[str, Bool[np.ndarray, " *prompts"]]:
        """Where answers that do not look at the query are the model's."""
        parts = {
            "the last label": self.blind.last,
            "the majority of labels": self.blind.majority,
            "a kernel of order alone": self.blind.recency,
            "the best head with weights averaged over queries": self.averaged,
        }
        return {name: decided == self.target for name, decided in parts.items()}


def agree(
    found: KernelWeights,
    selecting: Bool[np.ndarray, " points"],
    *,
    corrected: bool = False,
    variant: str = "maximum",
    permutations: int,
    seed: int,
) -> Agreement:
    """Reconstruct with every head, choose one on the selection points, judge all on the others.

    Args:
        found: prompts (points, or sets x points).
        selecting: which test points choose; see :func:`iclnb.heads.material.split`.
        corrected: whether model and heads decide after their prior is taken off
            (:func:`prior`, from the selection points).
        variant: which kernel weights.
        permutations: size of each permutation null.
        seed: seeds them.
    """
    parts = found.take(selecting), found.take(~selecting)
    shares = [reconstruct(part.weights[variant], part.labels, part.classes) for part in parts]
    axes = tuple(range(found.truth.ndim))
    model_off, off = (prior(parts[0].answers, axes), prior(shares[0], axes)) if corrected else (0.0, 0.0)
    targets = [(part.answers - model_off).argmax(-1) for part in parts]
    decided = [(share - off).argmax(-1).astype(np.int8) for share in shares]
    selection = (decided[0] == targets[0][..., None, None]).mean(axis=axes)
    averaged = _averaged(parts, variant, targets[0], off)
    blindly = blind(parts[0], targets[0], parts[1])

    def permuted(part: int, seed: Seed, **which: object) -> np.ndarray:
        settings = {"off": off, "permutations": permutations, "seed": seed, "variant": variant}
        return permuted_agreement(parts[part], targets[part], **settings, **which)

    choosing = permuted(0, (seed, 1))
    by_set = [permuted(part, seed, within="set") for part in (0, 1)] if found.truth.ndim == 2 else None
    return Agreement(
        decided=decided[1],
        target=targets[1],
        truth=parts[1].truth,
        selection=selection,
        head=tuple(map(int, np.unravel_index(selection.argmax(), selection.shape))),
        blind=blindly,
        averaged=averaged,
        permuted=null(choosing, permuted(1, seed)),
        permuted_sets=null(*by_set) if by_set else None,
        permuted_against=null(choosing, permuted(1, seed, among=targets[1] != blindly.last)),
        modal=float(np.bincount(targets[1].ravel()).max() / targets[1].size),
    )


def _averaged(
    parts: tuple[KernelWeights, KernelWeights],
    variant: str,
    target: Int[np.ndarray, " *prompts"],
    off: Float[np.ndarray, "layers heads classes"] | float,
) -> Int[np.ndarray, " *prompts"]:
    """Answers on the evaluation prompts of the best head with weights averaged over the selection queries."""
    fixed = parts[0].weights[variant].mean(axis=target.ndim - 1, keepdims=True)
    decided = []
    for part in parts:
        same = np.broadcast_to(fixed, part.weights[variant].shape)
        decided.append((reconstruct(same, part.labels, part.classes) - off).argmax(-1))
    selection = (decided[0] == target[..., None, None]).mean(axis=tuple(range(target.ndim)))
    layer, head = np.unravel_index(selection.argmax(), selection.shape)
    return decided[1][..., layer, head]


def prior(
    scores: Float[np.ndarray, "*prompts columns classes"], axes: tuple[int, ...]
) -> Float[np.ndarray, "columns classes"]:
    """What is answered before looking at the query: the median over prompts of the scores, centred.

    With two classes, taking it off puts the threshold at the median log-odds.

    Args:
        scores: log-probabilities, or shares of kernel weight.
        axes: the axes of ``prompts``.
    """
    return np.median(scores - scores.mean(-1, keepdims=True), axis=axes)


class Arms(NamedTuple):
    """A model's agreements under shared and under fresh demonstrations, as they are and with priors off."""

    shared: Agreement
    shared_prior_off: Agreement
    fresh: Agreement
    fresh_prior_off: Agreement


def both_arms(weights: Weights, *, share: float, permutations: int, seed: int) -> Arms:
    """:func:`agree` for shared and fresh prompts, each as they are and with priors off.

    Args:
        weights: of a model; with fresh prompts.
        share: of the test points, which choose the head.
        permutations, seed: as in :func:`agree`; the seed also splits the test points.
    """
    found = []
    for part in weights:
        selecting = split(part.truth.shape[-1], share, seed=seed)
        null = {"permutations": permutations, "seed": seed}
        found += [agree(part, selecting, corrected=corrected, **null) for corrected in (False, True)]
    return Arms(*found)


def over(
    values: Float[np.ndarray, "prompts *columns"],
    *,
    prompts: int | None = None,
    statistic: Callable[[np.ndarray], np.ndarray | float] | None = None,
    smooth: bool = True,
    range: Range | None = None,
    seed: int,
) -> Estimate:
    """An interval over fresh prompts, or over demonstration sets x test points.

    Args:
        values: a number for each prompt; not-a-number leaves one out.
        prompts: how many axes are of prompts, one or two; ``None`` for all.
        statistic, smooth, range, seed: as in :func:`iclnb.stats.interval`.
    """
    design = "units" if (prompts or np.ndim(values)) == 1 else "sets x points"
    settings = {"statistic": statistic, "smooth": smooth, "range": range, "seed": seed}
    return stats.interval(values, design=design, **settings)
