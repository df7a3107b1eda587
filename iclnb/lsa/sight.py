"""What linear heads lose when the query column is not masked, on sampled prompts.

With heads without limit LSA with y_q = 0 is linear in the tensor T, and the prompts' distribution is invariant
under rotations of the inputs that keep w*. By convexity some best T is invariant as well, so it is a combination
of the few invariant tensors made of δ and w*: their predictions are the features here, and least squares over
them finds the family's best member.
"""

import numpy as np
from jaxtyping import Float

CHUNK = 5_000  # Prompts at a time; their mean is the unit of an interval

Features = Float[np.ndarray, "prompts features"]
Column = Float[np.ndarray, " prompts"]


def gap_to_gd(
    *, in_sight: bool, d: int, n_context: int, prior_mean: Float[np.ndarray, " d"], prompts: int, seed: int
) -> Float[np.ndarray, " batches"]:
    """Risk of the best y_q = 0 LSA of any number of heads, minus that of the best GD step from w*.

    Half of the prompts fit both predictors by least squares, the other half measures: mean differences of batches.
    """
    rng, w = np.random.default_rng(seed), np.asarray(prior_mean, dtype=float)
    chunks = [_chunk(rng, in_sight, d, n_context, w) for _ in range(max(2, prompts // CHUNK))]
    half = len(chunks) // 2
    features, step, target, shifted = map(np.concatenate, zip(*chunks[:half], strict=True))
    ours, gd = (np.linalg.lstsq(x, y, rcond=1e-10)[0] for x, y in ((features, target), (step, shifted)))
    return np.array([np.mean((f @ ours - t) ** 2 - (s @ gd - u) ** 2) for f, s, t, u in chunks[half:]])


def _chunk(
    rng: np.random.Generator, in_sight: bool, d: int, n_context: int, w: Float[np.ndarray, " d"]
) -> tuple[Features, Float[np.ndarray, "prompts 1"], Column, Column]:
    """Features of LSA, feature of GD, target of LSA, target of GD (from which w*ᵀx_q is taken off)."""
    x, query = rng.normal(size=(CHUNK, n_context, d)), rng.normal(size=(CHUNK, d))
    weights = w + rng.normal(size=(CHUNK, d))
    y, target, hint = np.einsum("pcd,pd->pc", x, weights), np.sum(query * weights, axis=1), query @ w
    step = np.einsum("pc,pci,pi->p", y - x @ w, x, query, optimize=True)[:, None] / n_context
    if in_sight:
        x, y = np.concatenate([x, query[:, None]], axis=1), np.column_stack([y, np.zeros(CHUNK)])
    along, onto = x @ w, np.einsum("pci,pi->pc", x, query)  # w*ᵀx_i, x_iᵀx_q
    columns = [
        np.sum(x**2, axis=(1, 2)) * hint,  # tr S · w*ᵀx_q
        np.sum(along * onto, axis=1),  # w*ᵀS x_q
        np.sum(along**2, axis=1) * hint,  # w*ᵀS w* · w*ᵀx_q
        np.sum(y * onto, axis=1),  # bᵀx_q
        np.sum(y * along, axis=1) * hint,  # bᵀw* · w*ᵀx_q
        np.sum(y**2, axis=1) * hint,  # c · w*ᵀx_q
    ]
    return np.stack(columns, axis=1), step, target, target - hint
