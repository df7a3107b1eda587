"""What chapter 05 and its appendices measure."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from iclnb.findings import Findings, variable
from iclnb.lsa.optima import risk_at_norm

SAMPLED, EXACT, CONVERGED = "paper's", "paper's, exact gradient", "converged"
"""Recipes: that of paper B on sampled prompts; the same with the exact gradient of the risk, which parts
optimiser from sampling noise; and one that converges."""

GUESS, HEADS, FROM_ZERO = "y_q-LSA", "most heads, y_q = 0", "GD from 0"
"""What is held beside a step of GD from w*."""

PREDICTIONS, SENSITIVITIES, COSINE = "predictions", "sensitivities", "one minus cosine"

MASKED, IN_SIGHT = "query masked", "query in sight"

CHECKS = ("heads bound", "unlimited heads", "one step", "elsewhere")
"""Of :mod:`iclnb.lsa.identities`, in chapter 05."""

PARTS = ("deviation", "of a variant")

PROOF_CHECKS = ("constant coordinate", "one length", "large mean", "centred")  # In appendix 05a


@dataclass(frozen=True, kw_only=True)
class TrainedLayers(Findings):
    """Trained layers of linear and of normalised heads beside gradient descent, and checks of what is proved."""

    coordinates: ClassVar = {
        "recipe": (SAMPLED, EXACT, CONVERGED),
        "kind": (GUESS, HEADS),
        "predictor": (GUESS, HEADS, FROM_ZERO),
        "distance": (PREDICTIONS, SENSITIVITIES, COSINE),
        "mask": (MASKED, IN_SIGHT),
        "check": CHECKS,
        "part": PARTS,
        "quantity": ("d", "C", "H", "sigma", "norm", "risk"),
    }

    d: int = variable("inputs of the regression", unit="inputs")
    n_context: int = variable("examples in a prompt, C", unit="examples")
    heads: Int[np.ndarray, " model"] = variable("heads of a trained layer", unit="heads")
    norm: Float64[np.ndarray, " model"] = variable("norm of its prior mean w*", unit="1")
    guess: Bool[np.ndarray, " model"] = variable("whether it has a trainable guess", unit="1")
    optimum: Float64[np.ndarray, " model"] = variable("exact risk of the best layer of its family", unit="1")
    risk: Float64[np.ndarray, "recipe seed model"] = variable(
        "exact risk of the trained layer; not a number where a recipe has fewer seeds", unit="1"
    )
    scale: Float[np.ndarray, " scale"] = variable("standard deviation of initial weights", unit="1")
    by_scale: Float64[np.ndarray, "scale seed kind"] = variable(
        "exact risk at the largest norm after the paper's steps, exact gradient", unit="1"
    )
    setting_d: Int[np.ndarray, " setting"] = variable("inputs of another setting", unit="inputs")
    setting_context: Int[np.ndarray, " setting"] = variable("examples of another setting", unit="examples")
    setting_risk: Float64[np.ndarray, "setting seed"] = variable(
        "exact risk of d + 1 heads, y_q = 0, trained there at norm √d to convergence", unit="1"
    )
    beside: Float64[np.ndarray, "seed predictor distance"] = variable(
        "distances from a step of GD from w* on fresh prompts, largest norm, converged", unit="1"
    )
    unmasked: Float64[np.ndarray, "mask batch"] = variable(
        "risk of the best LSA with y_q = 0 above that of the best step of GD, largest norm", unit="1"
    )
    soft_heads: Int[np.ndarray, " layer"] = variable("heads of a trained normalised layer", unit="heads")
    soft_norm: Float64[np.ndarray, " layer"] = variable("norm of its prior mean", unit="1")
    soft_in_sight: Bool[np.ndarray, " layer"] = variable("whether the query sees its own token", unit="1")
    soft_excess: Float64[np.ndarray, "soft_seed layer"] = variable(
        "its risk above that of the best step of GD from w*", unit="1"
    )
    search: Float64[np.ndarray, "search quantity"] = variable(
        "head law against a search over weights: d, C, H, σ, ‖w*‖, best risk of the search", unit="1"
    )
    checks: Float64[np.ndarray, "check part"] = variable("deviation from what is proved", unit="1")

    @property
    def norms(self) -> list[float]:
        """The norms of w* that were trained, in order."""
        return sorted(set(self.norm.tolist()))

    @property
    def top(self) -> float:
        """The largest norm, at which most claims are made."""
        return self.norms[-1]

    @property
    def most(self) -> int:
        """The largest number of heads."""
        return int(self.heads.max())

    @property
    def floor(self) -> float:
        """Risk of the best step of GD from w*, whatever w* is."""
        return risk_at_norm("gd", 0.0, d=self.d, n_context=self.n_context)

    def column(self, heads: int, norm: float, *, guess: bool = False) -> int:
        """Where a model stands along ``model``."""
        return int(np.flatnonzero((self.heads == heads) & (self.norm == norm) & (self.guess == guess))[0])

    def risks(self, recipe: str) -> Float[np.ndarray, "seed model"]:
        """Risks of the seeds that were trained by a recipe."""
        risks = self.risk[self.coordinates["recipe"].index(recipe)]
        return risks[~np.isnan(risks).all(axis=1)]


@dataclass(frozen=True, kw_only=True)
class ProofChecks(Findings):
    """Checks of what appendix 05a proves."""

    coordinates: ClassVar = {"check": PROOF_CHECKS, "part": PARTS}

    checks: Float64[np.ndarray, "check part"] = variable("deviation from what is proved", unit="1")


@dataclass(frozen=True, kw_only=True)
class Beyond(Findings):
    """Stacks of layers beside steps of gradient descent, and what the whole prompt allows (appendix 05b)."""

    coordinates: ClassVar = {
        "learner": ("GD", "trained stack"),
        "way": ("GD", "GD++"),
        "estimator": ("ridge", "Bayes"),
        "part": PARTS,
    }

    d: int = variable("inputs of the regression", unit="inputs")
    n_context: int = variable("examples in a prompt, C", unit="examples")
    norm: float = variable("norm of w*", unit="1")
    depth: Int[np.ndarray, " depth"] = variable("layers of a stack, or steps", unit="layers")
    risk: Float64[np.ndarray, "depth seed learner"] = variable("risk on the same fresh prompts", unit="1")
    tuned: Float64[np.ndarray, "depth way"] = variable(
        "risk of the best steps, exact but for sampled S", unit="1"
    )
    noise: Float64[np.ndarray, " noise"] = variable("standard deviation of the labels' noise", unit="1")
    baseline: Float64[np.ndarray, "noise estimator batch"] = variable("risk on batches of prompts", unit="1")
    check: Float64[np.ndarray, " part"] = variable("three layers against three steps of GD", unit="1")
