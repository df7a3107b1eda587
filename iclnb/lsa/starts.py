"""What paper B does not give, varied: the scale of the initial weights, the seed, the number of steps.

y_q-LSA and the most heads without a guess, trained by the paper's rate with the exact gradient of the risk.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from iclnb.lsa import train
from iclnb.lsa.material import Configuration
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import risk_at_norm

SCALES = (0.03, 0.1, 0.3)
"""Standard deviations of the initial weights; 0.1 is ours everywhere else."""
TIMES = (1, 2)
"""Multiples of the paper's steps."""


@dataclass(frozen=True)
class Starts:
    """Risk above GD from w*, as a share of it, by scale, multiple of the steps, and seed."""

    guess: Float[np.ndarray, "scales times seeds"]
    """y_q-LSA."""
    many: Float[np.ndarray, "scales times seeds"]
    """The most heads, y_q = 0."""
    largest: Float[np.ndarray, " seeds"]
    """max |w*_i|: how far the guess has to travel."""
    reach: float
    """Rate times steps: about how far Adam moves a coordinate."""

    @property
    def comparable(self) -> bool:
        """Whether one of the two ends lower for every scale and seed, after the paper's steps."""
        lower = self.guess[:, 0] < self.many[:, 0]
        return bool(lower.all() or not lower.any())

    @property
    def lower_share(self) -> float:
        """Share of scales and seeds for which y_q-LSA ends lower, after the paper's steps."""
        return float((self.guess[:, 0] < self.many[:, 0]).mean())


def vary_starts(
    heads: int, norm: float, *, d: int, n_context: int, steps: int, seeds: int, data_seed: int, init_seed: int
) -> Starts:
    """Train both models from every scale, for every multiple of the steps."""
    models = [Configuration(1, norm, train_guess=True), Configuration(heads, norm)]
    moments, floor = prompt_moments(d, n_context), risk_at_norm("gd", 0.0, d=d, n_context=n_context)
    excess = np.empty((len(SCALES), len(TIMES), seeds, 2))
    for i, scale in enumerate(SCALES):
        for j, times in enumerate(TIMES):
            recipe = replace(train.PAPER, steps=times * steps, batch=None, scale=scale)
            trained = train.train(
                models,
                recipe,
                d=d,
                n_context=n_context,
                seeds=seeds,
                data_seed=data_seed,
                init_seed=init_seed,
            )
            excess[i, j] = train.exact_risks(trained, moments) / floor - 1
    largest = np.abs(trained.prior_means[:, 0]).max(axis=1)
    return Starts(excess[..., 0], excess[..., 1], largest, train.PAPER.learning_rate * steps)
