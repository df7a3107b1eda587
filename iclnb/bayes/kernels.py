"""Kernels between token sequences, and the regression that turns them into predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.operators import Whitening, coordinates, operators, whiten
from iclnb.bayes.sequences import joint, reached

Gram = Float[np.ndarray, "sequences sequences"]

KERNELS: Mapping[str, str] = {
    "printed": "whitened by Σ_pretrain, as printed in theorem 1",
    "unweighted": "repair (i): whitened by Σ_0, each sequence counted once",
    "ratio": "repair (ii): ψ = vec(T_x) / P(x | p_pretrain), whitened by its own moment",
    "clipped": "printed, negative values set to zero",
    "operator cosine": "cosine of vec(T_x) and vec(T_x')",
    "belief": "exp(β · cosine of beliefs), belief = P(next state | x, p_pretrain)",
    "prediction": "prediction similarity P(o | x)ᵀ P(o | x'), equation 9",
    "labels only": "K = 1: blind to x, the control",
}
"""Every kernel, and what it measures."""

WHITENED = ("printed", "unweighted", "ratio")
"""Kernels that whiten; their values may be negative."""

NON_NEGATIVE = ("clipped", "operator cosine", "belief", "prediction")
"""Kernels whose regression is a weighted mean of labels and so always a distribution."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """All kernels on one set of sequences, under one mixture.

    Second moments are sums over the given sequences. They are exact if these are all sequences of their
    length that p_pretrain can produce; else they miss :attr:`missing_mass`.

    Args:
        mixture: the HMMs.
        x: distinct sequences of one length, each of positive probability under p_pretrain.
        cutoff: relative singular value below which whitening drops a direction (:func:`operators.whiten`).
        bandwidth: β of the belief kernel.
    """

    mixture: HMMMixture
    x: Int[np.ndarray, "sequences length"]
    cutoff: float | None = None
    bandwidth: float = 20.0
    _whitenings: dict[str, Whitening] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def joint(self) -> Float[np.ndarray, "sequences tasks observations"]:
        """P(x, y | θ)."""
        return joint(self.mixture, self.x)

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

    def whitening(self, kernel: str) -> Whitening:
        """The whitening behind ``printed``, ``unweighted`` or ``ratio``: its rank and cut-off."""
        if kernel not in self._whitenings:
            p = self.probability
            weights = {"printed": p, "unweighted": np.ones(len(p)), "ratio": 1 / p}[kernel]
            self._whitenings[kernel] = whiten(self._coordinates, weights, self.cutoff)
        return self._whitenings[kernel]

    def gram(self, kernel: str) -> Gram:
        """K(x, x') for all pairs.

        Args:
            kernel: one of :data:`KERNELS`.

        Raises:
            ValueError: for another name.
        """
        if kernel not in KERNELS:
            raise ValueError(f"unknown kernel {kernel!r}; known: {', '.join(KERNELS)}")
        return getattr(self, "_" + kernel.replace(" ", "_"))

    @cached_property
    def _coordinates(self) -> Float[np.ndarray, "sequences rank"]:
        return coordinates(self.features)

    @cached_property
    def _printed(self) -> Gram:
        basis, root = self.whitening("printed").basis, np.sqrt(self.probability)
        return basis @ basis.T / np.outer(root, root)

    @cached_property
    def _unweighted(self) -> Gram:
        basis = self.whitening("unweighted").basis
        return basis @ basis.T

    @cached_property
    def _ratio(self) -> Gram:
        basis, root = self.whitening("ratio").basis, np.sqrt(self.probability)
        return basis @ basis.T / np.outer(root, root)

    @property
    def _clipped(self) -> Gram:
        return np.maximum(self._printed, 0)

    @property
    def _operator_cosine(self) -> Gram:
        return _cosine(self.features[:, self.features.any(axis=0)])

    @property
    def _belief(self) -> Gram:
        return np.exp(self.bandwidth * (_cosine(self.belief) - 1))

    @property
    def _prediction(self) -> Gram:
        predictive = np.einsum("t,xto->xo", self.mixture.prior, self.joint) / self.probability[:, None]
        return predictive @ predictive.T

    @property
    def _labels_only(self) -> Gram:
        return np.ones((len(self.x),) * 2)


def _cosine(rows: Float[np.ndarray, "sequences columns"]) -> Gram:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T
