"""The head law: the exact risk of the best multi-head LSA of H heads, y_q = 0, for x ~ N(0, I) (05a).

The output rows of H ≤ d heads span a subspace of R^(d+1). A rotation of the inputs turns any such subspace
into one with the orthonormal basis (sin θ · e_1, cos θ), e_2, .., e_H, and for it w* = m e_1 is the best of
all directions. With the best U_h, and q = 1 + (d + 1 + σ²) / C,

- an input direction e_2 .. e_H is fitted from b̃_i: risk 1 - 1/q;
- each of the other d - H only from sin θ S_1j + cos θ b̃_j: risk 1 - cos²θ / (q cos²θ + sin²θ/C);
- along w* the target m + u_1 is fitted from sin θ S_11 + cos θ b̃_1, sin θ b̃_1 + cos θ c̃ and Σ_i S_ii.

What is left is a minimum over θ alone. As m grows, the gap to GD over m² tends to 2 / (CH + 2), for any σ.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

from iclnb.lsa.moments import label_energy_variance

Angles = Float[np.ndarray, " angles"]
Heads = Int[np.ndarray, " heads"]

GRID = np.linspace(-np.pi / 2, np.pi / 2, 2001)  # Angles between which the best one is searched


def head_law_risk(d: int, n_context: int, norm: float, heads: int, noise_std: float = 0.0) -> float:
    """The least risk over the angle θ, of H = ``heads`` and m = ‖w*‖ = ``norm``.

    Raises ValueError for a number of heads that the law does not cover.
    """
    if not 1 <= heads <= d:
        raise ValueError(f"the head law is for 1 to d = {d} heads, got {heads}")

    def risk(angles: Angles) -> Angles:
        return risk_at_angle(angles, d, n_context, norm, heads, noise_std)

    risks = risk(GRID)
    lowest, step = GRID[np.argmin(risks)], GRID[1] - GRID[0]
    end = minimize_scalar(
        lambda angle: float(risk(np.array([angle]))[0]),
        bounds=(lowest - step, lowest + step), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    return float(min(end.fun, risks.min()))


def head_law_limit(n_context: int, heads: int | Heads) -> float | Float[np.ndarray, " heads"]:
    """2 / (CH + 2), the limit of the gap to GD over ‖w*‖² as ‖w*‖ grows, for H up to d and any noise."""
    return 2 / (n_context * heads + 2)


def risk_at_angle(
    angles: Angles, d: int, n_context: int, norm: float, heads: int, noise_std: float = 0.0
) -> Angles:
    """Risk with the best U_h, for every angle θ between the label's row and w*."""
    sin, cos, q = np.sin(angles), np.cos(angles), 1 + (d + 1 + noise_std**2) / n_context
    without_row = 1 - cos**2 / (q * cos**2 + sin**2 / n_context)
    second, cross = _along_mean(sin, cos, d, n_context, norm, heads, noise_std)
    explained = np.einsum("ai,ai->a", cross, np.linalg.solve(second, cross[..., None])[..., 0])
    return (d - heads) * without_row + (heads - 1) * (1 - 1 / q) + norm**2 + 1 - explained


def _along_mean(
    sin: Angles, cos: Angles, d: int, n_context: int, norm: float, heads: int, noise_std: float
) -> tuple[Float[np.ndarray, "angles features features"], Float[np.ndarray, "angles features"]]:
    """Second moments of the features along w*, and their moments with the target m + u_1."""
    own, c, energy = heads - 1, n_context, d + noise_std**2  # E c̃
    q = 1 + (energy + 1) / c  # E b̃_1²
    width, mixed = 1 + 2 / c, energy + 2 / c  # E S_11², E S_11 c̃
    square = energy**2 + 2 * d / c + label_energy_variance(np.eye(d), c, noise_std)  # E c̃²
    second = [
        [sin**2 * width + cos**2 * q, sin * cos * (mixed + q), own * sin],
        [sin * cos * (mixed + q), sin**2 * q + cos**2 * square, own * mixed * cos],
        [own * sin, own * mixed * cos, np.full_like(sin, own**2 + 2 * own / c)],
    ]
    cross = [norm * sin + cos, norm * energy * cos + sin, np.full_like(sin, norm * own)]
    kept = 3 if own else 2
    moments = np.moveaxis(np.array(second), 2, 0)[:, :kept, :kept]
    return moments, np.array(cross).T[:, :kept]
