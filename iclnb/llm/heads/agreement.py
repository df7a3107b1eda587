"""How well heads reconstruct a target: chosen on some test points, judged on others, against the nulls."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb import stats
from iclnb.llm.heads.kernel import Weighed, prior, reconstruct
from iclnb.llm.heads.nulls import Blind, blind, permuted_maxima
from iclnb.stats import Estimate


def split(points: int, share: float = 0.7, *, seed: int) -> Bool[np.ndarray, " points"]:
    """Which test points choose the head (True) and which judge it (False): 700 + 300 of the paper's 1000."""
    chosen = np.zeros(points, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(points)[: round(share * points)]] = True
    return chosen


@dataclass(frozen=True)
class Agreement:
    """Every head's reconstruction against a target, and the head chosen on the selection points.

    Attributes:
        hits: on evaluation prompts, whether the head's decision equals the target. (*prompts, layers, heads)
        selection: agreement of every head on the selection prompts. (layers, heads)
        head: layer and head with the largest ``selection``.
        target: the target on the evaluation prompts.
        blind: decisions without attention on the evaluation prompts.
        permuted: maximum over all heads with labels permuted inside prompts, on the evaluation prompts.
            (permutations)
        permuted_sets: the same with labels permuted once for each demonstration set; of size 0 where every
            prompt has a set of its own. (permutations)
        modal: share of the most frequent target on the evaluation prompts.
    """

    hits: Bool[np.ndarray, "*prompts layers heads"]
    selection: Float[np.ndarray, "layers heads"]
    head: tuple[int, int]
    target: Int[np.ndarray, " *prompts"]
    blind: Blind
    permuted: Float[np.ndarray, " permutations"]
    permuted_sets: Float[np.ndarray, " permutations"]
    modal: float

    @property
    def best(self) -> Bool[np.ndarray, " *prompts"]:
        """Hits of the chosen head."""
        return self.hits[..., self.head[0], self.head[1]]

    @property
    def by_head(self) -> Float[np.ndarray, "layers heads"]:
        """Agreement of every head on the evaluation prompts."""
        return self.hits.mean(axis=tuple(range(self.hits.ndim - 2)))

    def rivals(self) -> Mapping[str, Bool[np.ndarray, " *prompts"]]:
        """Hits of the decisions that look at no attention."""
        parts = {"last label": self.blind.last, "majority label": self.blind.majority}
        parts["recency kernel"] = self.blind.recency
        return {name: decided == self.target for name, decided in parts.items()}


def agree(
    found: Weighed,
    selecting: Bool[np.ndarray, " points"],
    *,
    against: str = "model",
    corrected: bool = False,
    variant: str = "maximum",
    permutations: int,
    seed: int,
) -> Agreement:
    """Reconstruct with every head, choose one on the selection points, judge all on the others.

    Args:
        found: prompts (points, or sets x points).
        selecting: which test points choose; see :func:`split`.
        against: ``model`` for the model's own answers ŷ, ``truth`` for the labels of the queries.
        corrected: whether model and heads decide after their prior is taken off
            (:func:`iclnb.llm.heads.kernel.prior`, from the selection prompts).
        variant: which kernel weights.
        permutations: size of each permutation null.
        seed: seeds them.
    """
    parts = found.take(selecting), found.take(~selecting)
    shares = [reconstruct(part.weights[variant], part.labels, part.classes) for part in parts]
    axes = tuple(range(found.truth.ndim))
    said_off, off = (prior(parts[0].said, axes), prior(shares[0], axes)) if corrected else (0.0, 0.0)
    targets = [(part.said - said_off).argmax(-1) if against == "model" else part.truth for part in parts]
    hits = [
        (share - off).argmax(-1) == target[..., None, None]
        for share, target in zip(shares, targets, strict=True)
    ]
    selection = hits[0].mean(axis=axes)
    null = {"off": off, "permutations": permutations, "seed": seed, "variant": variant}
    shared = found.truth.ndim == 2
    return Agreement(
        hits=hits[1],
        selection=selection,
        head=tuple(map(int, np.unravel_index(selection.argmax(), selection.shape))),
        target=targets[1],
        blind=blind(parts[0], targets[0], parts[1]),
        permuted=permuted_maxima(parts[1], targets[1], **null),
        permuted_sets=permuted_maxima(parts[1], targets[1], within="set", **null) if shared else np.empty(0),
        modal=float(np.bincount(targets[1].ravel()).max() / targets[1].size),
    )


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
