"""What gradient descent from the guess would answer, and how it would move (paper B, section 2; chapter 05).

One step from w_0 on the demonstrations' squared error predicts, for the query,
w_0ᵀφ_q + (η/k) Σ_i (y_i - w_0ᵀφ_i) φ_iᵀφ_q: the query's guess, plus what the demonstrations' guesses missed,
weighted by a kernel. Here the guesses may be any numbers g in place of w_0ᵀφ.
"""

import numpy as np
from jaxtyping import Float, Int

from iclnb.guess.findings import AS_THEY_ARE, COMMON_SHIFT, RATES
from iclnb.guess.material import Guess, SmallModel, clipped, demonstration_sets


def kernel_mean(
    demonstrations: Float[np.ndarray, "sets k inputs"],
    residuals: Float[np.ndarray, "sets k"],
    queries: Float[np.ndarray, "points inputs"],
) -> Float[np.ndarray, "sets points"]:
    """(1/k) Σ_i r_i φ_iᵀφ_q: the direction of the step at each query, for a rate of 1."""
    gradient = np.einsum("sk,ski->si", residuals, demonstrations) / residuals.shape[1]
    return gradient @ queries.T


def step_on_train(
    inputs: Float[np.ndarray, "train inputs"],
    residuals: Float[np.ndarray, " train"],
    drawn: Int[np.ndarray, "prompts pairs"],
    shifts: Float[np.ndarray, " prompts"],
) -> float:
    """The rate with the least squared error of g_q + η h_q, Σ r_q h_q / Σ h_q², over prompts of train pairs.

    The last pair of each prompt is its query; h_q is the :func:`kernel_mean` of the others' residuals.

    Residuals y - g are of models that have not seen the pair. ``shifts`` are added to all residuals of a
    prompt: the rate that pays depends on how much the guesses of one prompt err together.
    """
    shifted, direction = residuals[drawn] + shifts[:, None], []
    for start in range(0, len(drawn), 200):  # prompts at a time: their features are many
        part = slice(start, start + 200)
        shown, asked = inputs[drawn[part, :-1]], inputs[drawn[part, -1]]
        gradient = np.einsum("pk,pki->pi", shifted[part, :-1], shown) / (drawn.shape[1] - 1)
        direction.append(np.einsum("pi,pi->p", gradient, asked))
    direction = np.concatenate(direction)
    return float(shifted[:, -1] @ direction / (direction @ direction))


def tuned_rates(
    train_inputs: Float[np.ndarray, "train inputs"],
    residuals: Float[np.ndarray, " train"],
    k: int,
    *,
    delta: float,
    seed: int,
    prompts: int = 4000,
) -> dict[str, float]:
    """Rates that are best on random prompts of train pairs: for guesses as they are, and for a common shift."""
    drawn = demonstration_sets(len(residuals), k + 1, prompts, seed=seed)
    shifts = np.random.default_rng(seed).normal(0, delta, prompts)
    return {
        AS_THEY_ARE: step_on_train(train_inputs, residuals, drawn, np.zeros(prompts)),
        COMMON_SHIFT: step_on_train(train_inputs, residuals, drawn, shifts),
    }


def one_step(
    small: SmallModel,
    guess: Guess,
    train_scores: Float[np.ndarray, " train"],
    shown: Int[np.ndarray, "sets k"],
    rate: float,
) -> Float[np.ndarray, "sets points"]:
    """One step from the guesses g on each demonstration set, for every test pair, clipped to the scale."""
    residuals = train_scores - guess.train
    direction = kernel_mean(small.train_inputs[shown], residuals[shown], small.inputs)
    return clipped(guess.test + rate * direction)


def kernel_weights(
    small: SmallModel,
    shown: Int[np.ndarray, "sets k"],
    points: Int[np.ndarray, " points"],
    rates: dict[str, float],
) -> Float[np.ndarray, " rates"]:
    """κ = (η/k) Σ_i φ_iᵀφ_q at each rate η, averaged over sets and queries.

    Raised by a point, the query's guess, the guesses shown, both, and the scores shown move the answer of
    gradient descent by 1, -κ, 1 - κ and κ.
    """
    weight = kernel_mean(small.train_inputs[shown], np.ones(shown.shape), small.inputs[points]).mean()
    return np.array([rates[name] * weight for name in RATES])
