"""The evidence of chapter 06 on gradient descent: does the model correct the guess by residuals?"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.guess import regression
from iclnb.guess.accuracy import Table
from iclnb.guess.comparison import Comparison, over
from iclnb.guess.descent import COMMON_SHIFT, kernel_mean
from iclnb.guess.material import SMALL, SmallModel
from iclnb.lsa import gd, layer
from iclnb.stats import Estimate

Responses = Mapping[str, Table]
"""As :func:`iclnb.guess.scoring.responses` gives them."""

Predicted = Mapping[str, Sequence[float]]
"""As :func:`iclnb.guess.descent.predicted_responses` gives them."""


def lsa_is_descent(
    small: SmallModel, scores: Float[np.ndarray, " train"], shown: Int[np.ndarray, "sets k"], rate: float
) -> Evidence:
    """Largest difference of y_q-LSA whose guess is w_0 and one step of GD from w_0, one query a set.

    Args:
        small: the small model, whose guesses are taken unclipped.
        scores: of the train pairs.
        shown: demonstrations; set s is asked about test pair s.
        rate: of the step.
    """
    inputs, targets = small.train_inputs[shown], scores[shown]
    queries = small.inputs[: len(shown)]
    with jax.enable_x64(True):
        by_layer = np.asarray(layer.predict(gd.gd_layer(small.weights, rate), inputs, targets, queries))
    guess = queries @ small.weights
    residuals = targets - inputs @ small.weights
    step = rate * np.diag(kernel_mean(inputs, residuals, queries))
    without = float(np.abs(by_layer - guess).max())
    difference = float(np.abs(by_layer - (guess + step)).max())
    return Evidence(stats.exact(difference), without, "leaving the residuals out")


def response_means(responses: Responses, *, seed: int) -> dict[str, Estimate]:
    """The mean of each response over sets and pairs."""
    return {name: over(np.mean, table, seed=seed) for name, table in responses.items()}


def share_undone(all_guesses: Table, query_guess: Table) -> float:
    """1 - (response to all guesses) / (response to the query's alone): 0 for a copier, κ for GD."""
    return float(1 - all_guesses.mean() / query_guess.mean())


def of_responses(responses: Responses, predicted: Predicted, *, seed: int) -> dict[str, Evidence]:
    """What the responses say about gradient descent.

    Returns:
        ``query guess`` and ``shown guesses``: those responses. ``residuals``: the response to guesses and
        scores of the demonstrations raised alike, which keeps their residuals. ``common shift``:
        :func:`share_undone` of what the query's guess does to the answer.
    """
    both = responses["shown guesses"] + responses["shown scores"]
    shares = (responses["all guesses"], responses["query guess"])
    kappa = -predicted[COMMON_SHIFT][1]
    means = response_means({**responses, "residuals": both}, seed=seed)
    scores_alone = float(means["shown scores"].value)
    return {
        "query guess": Evidence(means["query guess"], 0.0, "a model that ignores guesses"),
        "shown guesses": Evidence(means["shown guesses"], 0.0, f"a copier; GD {-kappa:.2f}"),
        "residuals": Evidence(means["residuals"], scores_alone, "raising the scores alone"),
        "common shift": Evidence(over(share_undone, *shares, seed=seed), 0.0, f"a copier; GD {kappa:.2f}"),
    }


def slope_on_residuals(answer: Table, guess: Table, direction: Table) -> float:
    """Slope of the answer on the kernel-weighted residuals, the guess beside them, within sets: η for GD."""
    return float(regression.slopes(answer, guess, direction)[1])


def follows_residuals(
    compared: Comparison,
    small: SmallModel,
    scores: Float[np.ndarray, " train"],
    shown: Int[np.ndarray, "sets k"],
    *,
    permutations: int = 20,
) -> Evidence:
    """Slope of the answers on h_q = (1/k) Σ_i (y_i - g_i) φ_iᵀφ_q, g the small model's guess.

    The control permutes the residuals of each set among its demonstrations: their mean stays, and which
    demonstration was missed by how much is lost.

    Args:
        compared: answers with the small model's guess to all test pairs.
        small: gives φ.
        scores: of the train pairs.
        shown: the demonstrations.
        permutations: averaged for the control.
    """
    answer, guess = compared.answer(SMALL), compared.guesses[SMALL]
    residuals = (scores - guess.train)[shown]
    direction = kernel_mean(small.train_inputs[shown], residuals, small.inputs)
    rng, null = np.random.default_rng(compared.seed), []
    for _ in range(permutations):
        permuted = rng.permuted(residuals, axis=1)
        elsewhere = kernel_mean(small.train_inputs[shown], permuted, small.inputs)
        null.append(slope_on_residuals(answer, np.broadcast_to(guess.test, answer.shape), elsewhere))
    estimate = over(slope_on_residuals, answer, guess.test, direction, seed=compared.seed)
    return Evidence(estimate, float(np.mean(null)), "residuals permuted within each set")
