"""A numerical search for the best multi-head LSA: the oracle of the head law.

For fixed output rows p_1..p_H the prediction is linear in U_1..U_H, so the best U follow from exact
least squares; only the H-dimensional span of the p_h is searched (variable projection).
"""

import itertools

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from iclnb.lsa.moments import Moments, prompt_moments
from iclnb.lsa.optima import risk_at_norm

CONTEXTS, NORMS = (1, 2, 3, 5, 10, 30, 100), (0.3, 1.0, 2.0, 4.0, 8.0)  # From which `search` draws C and ‖w*‖


def few_heads_risk(
    moments: Moments, prior_mean: Float[np.ndarray, " d"], heads: int, *, restarts: int = 3
) -> float:
    """Smallest exact risk found of multi-head LSA with y_q = 0 and H ≤ d heads: a bound of the optimum from above.

    The problem is not convex; of random starts beside one along w*, those that end elsewhere end higher.
    """
    w = np.asarray(prior_mean, dtype=float)
    size, rng = len(w) + 1, np.random.default_rng(0)
    target = moments.cross + moments.mean[..., None] * w  # E G̃ ⊗ (u + w*)
    constant = np.sum(moments.covariance * (np.eye(len(w)) + np.outer(w, w)))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        risk, gradient = _projected_risk(flat.reshape(size, heads), moments, target, constant)
        return risk, gradient.ravel()  # the optimiser would read a transposed array in memory order

    starts = [rng.normal(size=(size, heads)) for _ in range(1 + restarts)]
    starts[0][:, 0] = np.append(w / max(np.linalg.norm(w), 1e-300), 1.0)  # the label's row tilted towards w*
    options = {"maxiter": 500, "ftol": 1e-14}
    with threadpool_limits(1):  # the matrices are small: threads wait for each other, a hundred times longer
        ends = [minimize(loss, x.ravel(), jac=True, method="L-BFGS-B", options=options) for x in starts]
    return float(min(end.fun for end in ends))


def search(d: int, seed: int) -> Float[np.ndarray, "settings quantities"]:
    """Settings (d, C, H, σ, ‖w*‖) with d inputs, and the least risk that a search over the weights finds in each.

    Four levels of noise, every number of heads and one more than d, three contexts and norms drawn for each. A
    search is repeated from more starts while it ends above what is proved to be the least.
    """
    rng, rows = np.random.default_rng((seed, d)), []
    for noise_std, heads, _ in itertools.product((0.0, 0.5, 2.0, 4.0), range(1, d + 2), range(3)):
        size = {"d": d, "n_context": int(rng.choice(CONTEXTS)), "noise_std": noise_std}
        norm, mean = float(rng.choice(NORMS)), rng.normal(size=d)
        mean *= norm / np.linalg.norm(mean)
        least, moments = risk_at_norm("multihead", norm, heads=heads, **size), prompt_moments(**size)
        for restarts in (1, 4, 20):
            found = few_heads_risk(moments, mean, heads, restarts=restarts)
            if found < least * (1 + 1e-6):
                break
        rows.append((d, size["n_context"], heads, noise_std, norm, found))
    return np.array(rows, dtype=float)


def _projected_risk(
    rows: Float[np.ndarray, "size heads"],
    moments: Moments,
    target: Float[np.ndarray, "size size size-1"],
    constant: float,
) -> tuple[float, Float[np.ndarray, "size heads"]]:
    """Risk with the best U for the given output rows, and its gradient in those rows."""
    rows, triangle = np.linalg.qr(rows)
    size, heads = rows.shape
    half = np.tensordot(moments.second, rows, (2, 0))  # E G̃_ab (G̃ᵀp_l)_c, axes a b c l
    gram = np.tensordot(rows.T, half, 1).swapaxes(2, 3).reshape(heads * size, -1)
    projected = np.tensordot(rows.T, target, 1)
    # G̃ being symmetric, (p_k, p_l) and (p_l, p_k) give one feature twice: their difference is set to zero
    # by adding the projector on these directions, which leaves the rest of the solution as it is
    twice = np.einsum("kl,bc->kblc", np.eye(heads), rows @ rows.T) - np.einsum("bl,ck->kblc", rows, rows)
    gram += np.trace(gram) / len(gram) * twice.reshape(gram.shape)
    best = np.linalg.solve(gram, projected.reshape(len(gram), -1)).reshape(heads, size, -1)  # U
    weighted = best @ moments.covariance
    slack = np.tensordot(half, best, ([3, 2], [0, 1])) - target  # half the derivative of the risk in T
    gradient = 2 * np.tensordot(slack, weighted, ([1, 2], [1, 2]))
    return float(constant - np.sum(projected * weighted)), np.linalg.solve(triangle, gradient.T).T
