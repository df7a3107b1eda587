"""The gap of multi-head LSA to gradient descent when inputs or mask differ from the paper's, measured.

With heads without limit, LSA with y_q = 0 is linear in the tensor T, and the prompts' distribution is
invariant under rotations of the inputs that keep w*. By convexity some best T is invariant as well, so it
is a combination of the few invariant tensors made of δ and w*: their predictions are the features here,
and least squares over them finds the family's best member.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from iclnb.lsa.baselines import mean_of_draws
from iclnb.stats import Estimate

VARIANTS = ("as in the paper", "query not masked", "constant coordinate", "RMS-normalised inputs")
"""Tokens (x, y) with the query column masked out; unmasked; tokens (1, x, y); inputs with ‖x‖ = √d."""

Vector = Float[np.ndarray, " d"]
Features = Float[np.ndarray, "prompts features"]


def gaps(
    norms: Sequence[float], *, d: int, n_context: int, prompts: int, seed: int
) -> dict[tuple[str, float], Estimate]:
    """:func:`gap_to_gd` of every variant at every norm of w* that is not zero."""
    return {
        (variant, norm): gap_to_gd(
            variant, d=d, n_context=n_context, prior_mean=norm * np.eye(d)[0], prompts=prompts, seed=seed
        )
        for variant in VARIANTS
        for norm in norms
        if norm > 0
    }


def gap_to_gd(
    variant: str, *, d: int, n_context: int, prior_mean: Vector, prompts: int, seed: int
) -> Estimate:
    """Risk of the best y_q = 0 LSA of any number of heads, minus that of the best GD step from w*.

    Args:
        variant: one of :data:`VARIANTS`.
        d: number of inputs.
        n_context: C.
        prior_mean: w*.
        prompts: half of them fit both predictors by least squares, the other half measures.
        seed: of the prompts.

    Returns:
        Mean difference of the squared errors on the same prompts, with its interval.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}, got {variant!r}")
    w, rng = np.asarray(prior_mean, dtype=float), np.random.default_rng(seed)
    x = rng.normal(size=(prompts, n_context + 1, d))
    if variant == "RMS-normalised inputs":
        x *= np.sqrt(d) / np.linalg.norm(x, axis=-1, keepdims=True)
    deviation = rng.normal(size=(prompts, d))
    labels = np.einsum("pcd,pd->pc", x, w + deviation)
    x, query, y, target = x[:, :-1], x[:, -1], labels[:, :-1], labels[:, -1]
    step = np.einsum("pc,pci,pi->p", y - x @ w, x, query, optimize=True)[:, None] / n_context
    features = _invariant_features(variant, x, y, query, w)
    gd = _errors(step, target - query @ w)
    return mean_of_draws(_errors(features, target) ** 2 - gd**2, seed=seed)


def _errors(features: Features, target: Float[np.ndarray, " prompts"]) -> Float[np.ndarray, " half"]:
    """Errors on the second half of the best linear predictor of the first half."""
    half = len(target) // 2
    best = np.linalg.lstsq(features[:half], target[:half], rcond=1e-10)[0]
    return features[half:] @ best - target[half:]


def _invariant_features(
    variant: str,
    x: Float[np.ndarray, "prompts context d"],
    y: Float[np.ndarray, "prompts context"],
    query: Float[np.ndarray, "prompts d"],
    w: Vector,
) -> Features:
    """Predictions of the invariant tensors, from S, b and c of the tokens that the mask lets through."""
    if variant == "query not masked":  # the query's token is (x_q, 0)
        x = np.concatenate([x, query[:, None]], axis=1)
        y = np.concatenate([y, np.zeros((len(y), 1))], axis=1)
    along, hint = x @ w, query @ w  # w*ᵀx_i, w*ᵀx_q
    on_query = np.einsum("pci,pi->pc", x, query)
    columns = [
        np.sum(x**2, axis=(1, 2)) * hint,  # tr S · w*ᵀx_q
        np.sum(along * on_query, axis=1),  # w*ᵀS x_q
        np.sum(along**2, axis=1) * hint,  # w*ᵀS w* · w*ᵀx_q
        np.sum(y * on_query, axis=1),  # bᵀx_q
        np.sum(y * along, axis=1) * hint,  # bᵀw* · w*ᵀx_q
        np.sum(y**2, axis=1) * hint,  # c · w*ᵀx_q
    ]
    if variant == "constant coordinate":
        columns += [hint, on_query.sum(1), along.sum(1) * hint, y.sum(1) * hint]
    return np.stack(columns, axis=1)
