"""How well heads reconstruct a target: chosen on some test points, judged on others, against the nulls."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb import stats
from iclnb.heads.kernel import Weighed, prior, reconstruct
from iclnb.heads.nulls import Blind, blind, permuted_maxima
from iclnb.stats import Estimate


def split(points: int, share: float = 0.7, *, seed: int) -> Bool[np.ndarray, " points"]:
    """Which test points choose the head (True) and which judge it (False): 700 + 300 of the paper's 1000."""
    chosen = np.zeros(points, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(points)[: round(share * points)]] = True
    return chosen


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
        permuted: largest agreement of any head with labels permuted inside prompts. (permutations)
        permuted_sets: the same with labels permuted once for each demonstration set; of size 0 where every
            prompt has a set of its own. (permutations)
        permuted_against: as ``permuted``, on prompts that the model answers against the last label.
            (permutations)
        modal: how often the model gives its most frequent answer.
    """

    decided: Int[np.ndarray, "*prompts layers heads"]
    target: Int[np.ndarray, " *prompts"]
    truth: Int[np.ndarray, " *prompts"]
    selection: Float[np.ndarray, "layers heads"]
    head: tuple[int, int]
    blind: Blind
    averaged: Int[np.ndarray, " *prompts"]
    permuted: Float[np.ndarray, " permutations"]
    permuted_sets: Float[np.ndarray, " permutations"]
    permuted_against: Float[np.ndarray, " permutations"]
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

    def beyond(
        self, random: "Agreement", among: Bool[np.ndarray, " *prompts"] | None = None, *, seed: int
    ) -> tuple[str, Estimate, float]:
        """By how much the chosen head agrees more than its strongest control.

        Controls are the :meth:`rivals`, the 95 % quantile of the permuted maxima, and what a model with
        random weights reaches: its answer, too, is a mixture of the labels that its heads attend to, if a
        senseless one. Against a rival the difference is taken prompt by prompt.

        Args:
            random: the model with random weights, judged in the same way.
            among: the prompts that count: all, or those of :attr:`against_last`.
            seed: of the interval.

        Returns:
            The control, the difference with its interval (not a number where no prompt counts), and the
            control's own agreement.
        """
        kept = np.ones_like(self.best) if among is None else among
        if kept.sum() < 2:
            return "none", Estimate(np.nan, np.nan, np.nan), 0.0
        rivals = self.rivals()
        reached = {name: float(hits[kept].mean()) for name, hits in rivals.items()}
        null = self.permuted if among is None else self.permuted_against
        reached["the best of all heads under permuted labels (95 %)"] = float(np.quantile(null, 0.95))
        mirrored = np.ones_like(random.best) if among is None else random.against_last
        if mirrored.any():
            reached["the best head of a model with random weights"] = float(random.best[mirrored].mean())
        strongest = max(reached, key=reached.get)
        rival = np.asarray(rivals.get(strongest, reached[strongest]), dtype=float)
        return strongest, interval(where(self.best - rival, kept), seed=seed), reached[strongest]


def agree(
    found: Weighed,
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
        selecting: which test points choose; see :func:`split`.
        corrected: whether model and heads decide after their prior is taken off
            (:func:`iclnb.heads.kernel.prior`, from the selection points).
        variant: which kernel weights.
        permutations: size of each permutation null.
        seed: seeds them.
    """
    parts = found.take(selecting), found.take(~selecting)
    shares = [reconstruct(part.weights[variant], part.labels, part.classes) for part in parts]
    axes = tuple(range(found.truth.ndim))
    said_off, off = (prior(parts[0].said, axes), prior(shares[0], axes)) if corrected else (0.0, 0.0)
    targets = [(part.said - said_off).argmax(-1) for part in parts]
    decided = [(share - off).argmax(-1).astype(np.int8) for share in shares]
    selection = (decided[0] == targets[0][..., None, None]).mean(axis=axes)
    averaged = _averaged(parts, variant, targets[0], off)
    blindly = blind(parts[0], targets[0], parts[1])

    def null(**which: object) -> np.ndarray:
        settings = {"off": off, "permutations": permutations, "seed": seed, "variant": variant}
        return permuted_maxima(parts[1], targets[1], **settings, **which)

    return Agreement(
        decided=decided[1],
        target=targets[1],
        truth=parts[1].truth,
        selection=selection,
        head=tuple(map(int, np.unravel_index(selection.argmax(), selection.shape))),
        blind=blindly,
        averaged=averaged,
        permuted=null(),
        permuted_sets=null(within="set") if found.truth.ndim == 2 else np.empty(0),
        permuted_against=null(among=targets[1] != blindly.last),
        modal=float(np.bincount(targets[1].ravel()).max() / targets[1].size),
    )


def _averaged(
    parts: tuple[Weighed, Weighed],
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


def interval(values: Float[np.ndarray, " *prompts"], *, seed: int) -> Estimate:
    """Mean over prompts with its interval: crossed over sets x points, or over prompts of their own sets.

    Not-a-number leaves a prompt out.
    """
    if values.ndim == 1:
        kept = values[~np.isnan(values)].astype(float)
        return stats.bootstrap(kept, seed=seed)
    return stats.crossed_bootstrap(values, statistic=_mean, seed=seed)


def _mean(values: np.ndarray) -> float:
    kept = values[~np.isnan(values)]
    return kept.mean() if len(kept) else np.nan


def where(values: Float[np.ndarray, " *prompts"], chosen: Bool[np.ndarray, " *prompts"]) -> np.ndarray:
    """The values of the chosen prompts; not-a-number elsewhere, for :func:`interval`."""
    return np.where(chosen, np.asarray(values, dtype=float), np.nan)


def best_depth(
    hits: Bool[np.ndarray, "*prompts layers heads"], *, top: int, seed: int, resamples: int = 500
) -> Estimate:
    """Mean relative depth, layer / layers, of the ``top`` heads, chosen anew in every resample of prompts."""
    layers, heads = hits.shape[-2:]

    def depth(*drawn: np.ndarray) -> float:
        score = drawn[0].reshape(-1, layers * heads).mean(0)
        return float((np.argsort(-score, kind="stable")[:top] // heads).mean() / layers)

    table = hits if hits.ndim == 4 else hits[:, None]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        rows = rng.integers(len(table), size=len(table))
        columns = rng.integers(table.shape[1], size=table.shape[1])
        drawn.append(depth(table[np.ix_(rows, columns)]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(depth(table), float(low), float(high))
