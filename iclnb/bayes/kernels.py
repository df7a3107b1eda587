"""Kernels between token sequences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.operators import coordinates, operators, whiten
from iclnb.bayes.sequences import joint, reached

KERNELS: Mapping[str, str] = {
    "printed": "whitened by Σ_pretrain, as printed in theorem 1",
    "centred": "whitened by the covariance of vec(T_x), its mean taken off",
    "unweighted": "repair (i): whitened by Σ_0, each sequence counted once",
    "ratio": "repair (ii): ψ = vec(T_x) / P(x | p_pretrain), whitened by its own moment",
    "operator cosine": "cosine of vec(T_x) and vec(T_x')",
    "belief": "exp(β · cosine of beliefs), belief = P(next state | x, p_pretrain)",
    "prediction": "prediction similarity P(o | x)ᵀ P(o | x'), equation 9",
    "labels only": "K = 1: blind to x, the control",
}
"""Every kernel, and what it measures."""

WHITENED = ("printed", "centred", "unweighted", "ratio")  # Kernels that whiten; their values may be negative
BANDWIDTH = 20.0  # β of the belief kernel where nothing else is said


@dataclass(frozen=True, eq=False)
class Kernels:
    """All kernels on one set of sequences, under one mixture.

    Second moments are sums over the given sequences. They are exact if these are all sequences of their
    length that p_pretrain can produce; else they miss :attr:`missing_mass`.

    ``x`` are distinct sequences of one length and of positive probability; ``bandwidth`` is β of the belief kernel.
    """

    mixture: HMMMixture
    x: Int[np.ndarray, "sequences length"]
    bandwidth: float = BANDWIDTH
    _bases: dict[str, Float[np.ndarray, "sequences rank"]] = field(
        default_factory=dict, init=False, repr=False
    )

    @cached_property
    def joint(self) -> Float[np.ndarray, "sequences tasks observations"]:
        """P(x, y | θ)."""
        return joint(self.mixture, self.x)

    @cached_property
    def alone(self) -> Float[np.ndarray, "sequences observations"]:
        """P(y | x): the posterior without demonstrations."""
        return np.einsum("t,xto->xo", self.mixture.prior, self.joint) / self.probability[:, None]

    @cached_property
    def probability(self) -> Float[np.ndarray, " sequences"]:
        """P(x | p_pretrain)."""
        return np.einsum("t,xto->x", self.mixture.prior, self.joint)

    @property
    def missing_mass(self) -> float:
        """P(x is not among the given sequences) under p_pretrain."""
        return float(max(0.0, 1 - self.probability.sum()))

    @cached_property
    def features(self) -> Float[np.ndarray, "sequences features"]:
        """φ(x) = vec(T_x), row-major."""
        return operators(self.mixture, self.x).reshape(len(self.x), -1)

    @cached_property
    def belief(self) -> Float[np.ndarray, "sequences states"]:
        """P(next state | x, p_pretrain), the rows of p_pretrainᵀ T_x rescaled to sum to one."""
        states = np.einsum("t,xts->xs", self.mixture.prior, reached(self.mixture, self.x))
        return states / states.sum(axis=1, keepdims=True)

    def basis(self, kernel: str) -> Float[np.ndarray, "sequences rank"]:
        """The basis (:func:`whiten`) behind ``printed``, ``unweighted`` or ``ratio``."""
        if kernel not in self._bases:
            p = self.probability
            weights = {"printed": p, "unweighted": np.ones(len(p)), "ratio": 1 / p}[kernel]
            self._bases[kernel] = whiten(self._coordinates, weights)
        return self._bases[kernel]

    def gram(
        self, kernel: str, queries: Int[np.ndarray, " queries"] | None = None
    ) -> Float[np.ndarray, "queries sequences"]:
        """K(x, x') for queries (rows of ``x``; default: all) and every x'. Raises ValueError for another name."""
        if kernel not in KERNELS:
            raise ValueError(f"unknown kernel {kernel!r}; known: {', '.join(KERNELS)}")
        rows = slice(None) if queries is None else queries
        if kernel == "centred":  # (Σ - μμᵀ)⁻¹ by the formula of Sherman and Morrison
            towards = self.gram("printed") @ self.probability
            over = 1 - self.probability @ towards
            return self.gram("printed", queries) + np.outer(towards[rows], towards) / over
        if kernel in WHITENED:
            root = np.ones(len(self.x)) if kernel == "unweighted" else np.sqrt(self.probability)
            basis = self.basis(kernel) / root[:, None]
            return basis[rows] @ basis.T
        if kernel == "belief":
            return np.exp(self.bandwidth * (_cosine(self.belief, rows) - 1))
        if kernel == "operator cosine":
            return _cosine(self.features[:, self.features.any(axis=0)], rows)
        if kernel == "prediction":
            return self.alone[rows] @ self.alone.T
        return np.ones((len(self.x[rows]), len(self.x)))

    @cached_property
    def _coordinates(self) -> Float[np.ndarray, "sequences rank"]:
        return coordinates(self.features)


def _cosine(
    vectors: Float[np.ndarray, "sequences columns"], rows: slice | np.ndarray
) -> Float[np.ndarray, "queries sequences"]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit[rows] @ unit.T
