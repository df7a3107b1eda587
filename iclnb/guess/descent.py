"""What gradient descent from the guess would answer, and how it would move (paper B, section 2; notebook 05).

One step from w_0 on the demonstrations' squared error predicts, for the query,
w_0ᵀφ_q + (η/k) Σ_i (y_i - w_0ᵀφ_i) φ_iᵀφ_q: the query's guess, plus what the demonstrations' guesses missed,
weighted by a kernel. Here the guesses may be any numbers g in place of w_0ᵀφ.
"""

import numpy as np
from jaxtyping import Float, Int


def kernel_mean(
    demonstrations: Float[np.ndarray, "sets k inputs"],
    residuals: Float[np.ndarray, "sets k"],
    queries: Float[np.ndarray, "points inputs"],
) -> Float[np.ndarray, "sets points"]:
    """(1/k) Σ_i r_i φ_iᵀφ_q: the direction of the step at each query, for a rate of 1."""
    gradient = np.einsum("sk,ski->si", residuals, demonstrations) / residuals.shape[1]
    return gradient @ queries.T


def best_step(residual: Float[np.ndarray, " prompts"], direction: Float[np.ndarray, " prompts"]) -> float:
    """The rate η that minimises the mean squared error of g_q + η h_q: Σ r_q h_q / Σ h_q².

    Args:
        residual: r_q = y_q - g_q of the queries.
        direction: h_q, the :func:`kernel_mean` of their demonstrations.
    """
    return float(residual @ direction / (direction @ direction))


def step_on_train(
    inputs: Float[np.ndarray, "train inputs"],
    residuals: Float[np.ndarray, " train"],
    drawn: Int[np.ndarray, "prompts k+1"],
    shifts: Float[np.ndarray, " prompts"],
) -> float:
    """The best rate over prompts made of train pairs (the last pair of each is its query).

    Args:
        inputs: φ of the train pairs.
        residuals: y - g of the train pairs, each g from a model that has not seen its pair.
        drawn: for each prompt the train pairs in it.
        shifts: added to all residuals of a prompt; zeros for guesses as they are. The rate that pays depends
            on how much the guesses of one prompt err together.
    """
    shifted, direction = residuals[drawn] + shifts[:, None], []
    for start in range(0, len(drawn), 200):  # prompts at a time: their features are many
        part = slice(start, start + 200)
        shown, asked = inputs[drawn[part, :-1]], inputs[drawn[part, -1]]
        gradient = np.einsum("pk,pki->pi", shifted[part, :-1], shown) / (drawn.shape[1] - 1)
        direction.append(np.einsum("pi,pi->p", gradient, asked))
    return best_step(shifted[:, -1], np.concatenate(direction))
