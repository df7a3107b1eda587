"""Every model trained under every recipe, beside the exact optimum of its family."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from iclnb.lsa import train
from iclnb.lsa.material import Configuration
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import gap_law, risk_at_norm

SAMPLED, EXACT, CONVERGED = "paper's", "paper's, exact gradient", "converged"
"""The recipes: that of paper B on sampled prompts; the same with the exact gradient of the risk, which parts
optimiser from sampling noise; and one that converges."""


@dataclass(frozen=True)
class Study:
    """Trained models (in the order of ``models``) and their risks."""

    d: int
    n_context: int
    models: tuple[Configuration, ...]
    trained: dict[str, train.Trained]
    """By recipe."""
    risks: dict[str, Float[np.ndarray, "seeds models"]]
    """Exact risks by recipe."""
    optimum: Float[np.ndarray, " models"]
    """Exact risk of the best member of each model's family."""

    @property
    def norms(self) -> list[float]:
        """The norms of w* that were trained, in order."""
        return sorted({model.norm for model in self.models})

    @property
    def top(self) -> float:
        """The largest norm, at which most claims are made."""
        return max(self.norms)

    @property
    def most(self) -> int:
        """The largest number of heads."""
        return max(model.heads for model in self.models)

    @property
    def floor(self) -> float:
        """Risk of one step of GD from w*, whatever w* is."""
        return risk_at_norm("gd", 0.0, d=self.d, n_context=self.n_context)

    def from_zero(self, norm: float) -> float:
        """Risk of the best scalar step of GD from 0."""
        return risk_at_norm("gd_zero", norm, d=self.d, n_context=self.n_context)

    def column(self, heads: int, norm: float, *, guess: bool = False) -> int:
        """Where a model stands in ``models``."""
        return self.models.index(Configuration(heads, norm, guess))

    def excess(self, recipe: str) -> Float[np.ndarray, "seeds models"]:
        """Risk above the model's own optimum, as a share of it."""
        return self.risks[recipe] / self.optimum - 1

    def worst_excess(self) -> dict[str, Float[np.ndarray, "kinds norms"]]:
        """The excess of the worst seed in percent, for every recipe; kinds and norms as in ``models``."""
        return {name: 100 * self.excess(name).max(axis=0).reshape(-1, len(self.norms)) for name in self.risks}

    def gap_shares(self) -> dict[str, float]:
        """The gap of unlimited heads as a share of the risk of GD, by norm."""
        return {
            f"‖w*‖ = {norm:g}": gap_law(norm, d=self.d, n_context=self.n_context) / self.floor
            for norm in self.norms if norm > 0
        }  # fmt: skip


def train_models(
    models: Sequence[Configuration],
    *,
    d: int,
    n_context: int,
    steps: int,
    batch: int,
    seeds: int,
    sampled_seeds: int,
    data_seed: int,
    init_seed: int,
) -> Study:
    """Train the models under the three recipes; the arguments are those of :func:`iclnb.lsa.train.train`."""
    recipes = {
        SAMPLED: (train.Recipe(steps=steps, batch=batch), sampled_seeds),
        EXACT: (train.Recipe(steps=steps, batch=None), seeds),
        CONVERGED: (replace(train.CONVERGED, steps=steps), seeds),
    }
    shared = {"d": d, "n_context": n_context, "data_seed": data_seed, "init_seed": init_seed}
    trained = {
        name: train.train(models, recipe, seeds=count, **shared) for name, (recipe, count) in recipes.items()
    }
    moments = prompt_moments(d, n_context)
    risks = {name: train.exact_risks(sweep, moments) for name, sweep in trained.items()}
    families = ["yq" if model.train_guess else "multihead" for model in models]
    optimum = [
        risk_at_norm(family, model.norm, d=d, n_context=n_context, heads=model.heads)
        for family, model in zip(families, models, strict=True)
    ]
    return Study(d, n_context, tuple(models), trained, risks, np.array(optimum))


class Gaps(NamedTuple):
    """Gaps of d + 1 trained heads to GD from w*, beside the law 2‖w*‖² / (Cd + 2)."""

    settings: list[tuple[int, int]]
    """d and C."""
    norms: list[float]
    law: Float[np.ndarray, "settings norms"]
    trained: Float[np.ndarray, "seeds settings norms"]


def trained_gaps(
    study: Study, settings: Sequence[tuple[int, int]], *, seeds: int, data_seed: int, init_seed: int
) -> Gaps:
    """The converged gap in the study's own setting and, trained here with the same recipe, in others."""
    norms = [norm for norm in study.norms if norm > 0]
    own = [study.column(study.d + 1, norm) for norm in norms]
    gaps = [study.risks[CONVERGED][:, own] - study.floor]
    recipe = replace(train.CONVERGED, steps=int(study.trained[CONVERGED].steps[-1]))
    for d, n_context in settings:
        sweep = train.train(
            [Configuration(d + 1, norm) for norm in norms], recipe, d=d, n_context=n_context, seeds=seeds,
            data_seed=data_seed, init_seed=init_seed,
        )  # fmt: skip
        risks = train.exact_risks(sweep, prompt_moments(d, n_context))
        gaps.append(risks - risk_at_norm("gd", 0.0, d=d, n_context=n_context))
    every = [(study.d, study.n_context), *settings]
    law = [[gap_law(norm, d=d, n_context=n_context) for norm in norms] for d, n_context in every]
    return Gaps(every, norms, np.array(law), np.stack(gaps, axis=1))
