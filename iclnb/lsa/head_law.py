"""The risk of multi-head LSA with fewer heads than inputs (y_q = 0, Λ = I, no noise): the head law.

The family behind the formula, in coordinates shifted by w* = m e_w: one head of output row
(sin θ · e_w, cos θ), and H - 1 heads whose rows are unit vectors e_i orthogonal to e_w. With the best U_h,

- an input direction with a row of its own is fitted from b̃_i: risk 1 - 1/q, q = 1 + (d + 1)/C;
- each of the other d - H directions only from sin θ S_wj + cos θ b̃_j: risk 1 - cos²θ / (q cos²θ + sin²θ/C);
- along w* the target m + u_w is fitted from sin θ S_ww + cos θ b̃_w, sin θ b̃_w + cos θ c̃ and Σ_i S_ii.

As m grows, the gap to GD over m² tends to 2 / (CH + 2), which no H heads can improve on (notebook 05a).
That no H heads do better at finite m is a conjecture; :func:`iclnb.lsa.few_heads.few_heads_risk` never has.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

Angles = Float[np.ndarray, " angles"]


def head_law_risk(d: int, n_context: int, norm: float, heads: int) -> float:
    """The best risk of the family over the angle θ.

    Args:
        d: number of inputs.
        n_context: C.
        norm: m = ‖w*‖.
        heads: H, from 1 to d.
    """
    if not 1 <= heads <= d:
        raise ValueError(f"the head law is for 1 to d = {d} heads, got {heads}")
    angles = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    risks = risk_at_angle(angles, d, n_context, norm, heads)
    at, step = angles[np.argmin(risks)], angles[1] - angles[0]

    def near(angle: float) -> float:
        return float(risk_at_angle(np.array([angle]), d, n_context, norm, heads)[0])

    end = minimize_scalar(near, bounds=(at - step, at + step), method="bounded", options={"xatol": 1e-12})
    return float(min(end.fun, risks.min()))


def head_law_limit(n_context: int, heads: int) -> float:
    """2 / (CH + 2), the limit of the gap to GD over ‖w*‖² as ‖w*‖ grows, for H up to d."""
    return 2 / (n_context * heads + 2)


def risk_at_angle(angles: Angles, d: int, n_context: int, norm: float, heads: int) -> Angles:
    """Risk of the family's member with the best U_h, for every angle θ."""
    sin, cos, q = np.sin(angles), np.cos(angles), 1 + (d + 1) / n_context
    without_row = 1 - cos**2 / (q * cos**2 + sin**2 / n_context)
    second, cross = _along_mean(sin, cos, d, n_context, norm, heads)
    explained = np.einsum("ai,ai->a", cross, np.linalg.solve(second, cross[..., None])[..., 0])
    return (d - heads) * without_row + (heads - 1) * (1 - 1 / q) + norm**2 + 1 - explained


def _along_mean(
    sin: Angles, cos: Angles, d: int, n_context: int, norm: float, heads: int
) -> tuple[Float[np.ndarray, "angles features features"], Float[np.ndarray, "angles features"]]:
    """Second moments of the features along w*, and their moments with the target m + u_w."""
    own, c = heads - 1, n_context
    q = 1 + (d + 1) / c  # E b̃_w²
    width, energy = 1 + 2 / c, d**2 + 2 * d / c + 2 * d * q  # E S_ww², E c̃²
    mixed = d + 2 / c  # E S_ww c̃
    zero = np.zeros_like(sin)
    second = [
        [sin**2 * width + cos**2 * q, sin * cos * (mixed + q), own * sin],
        [sin * cos * (mixed + q), sin**2 * q + cos**2 * energy, own * mixed * cos],
        [own * sin, own * mixed * cos, zero + own**2 + 2 * own / c],
    ]
    cross = [norm * sin + cos, norm * d * cos + sin, zero + norm * own]
    kept = 3 if own else 2
    moments = np.moveaxis(np.array(second), 2, 0)[:, :kept, :kept]
    return moments, np.array(cross).T[:, :kept]
