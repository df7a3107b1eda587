"""The evidence of chapter 05 and its appendices; training seeds are the units, and proofs are checked."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from iclnb.claims import Evidence, NothingToMeasure
from iclnb.lsa.findings import COSINE, FROM_ZERO, HEADS, PREDICTIONS, Beyond, ProofChecks, TrainedLayers
from iclnb.lsa.optima import gap_law, gap_share, risk_at_norm
from iclnb.stats import Estimate, exact, geometric_mean, interval

DUST = 1e-12  # What double precision leaves of a relative excess of zero


def proved(found: TrainedLayers | ProofChecks, check: str, without: str) -> Evidence:
    """A check of what is proved, beside a variant that lacks what the proof needs."""
    deviation, variant = found.checks[found.coordinates["check"].index(check)]
    return Evidence(exact(float(deviation)), float(variant), without)


def head_law(found: TrainedLayers) -> Evidence:
    """Largest relative difference of the search's risks from the head law; unlimited heads in its place."""
    law, unlimited = [], []
    for d, n_context, heads, noise_std, norm, _ in found.search:
        size = {"d": int(d), "n_context": int(n_context), "noise_std": float(noise_std)}
        law.append(risk_at_norm("multihead", float(norm), heads=int(heads), **size))
        unlimited.append(risk_at_norm("multihead", float(norm), heads=int(d) + 1, **size))
    risk = found.search[:, -1]
    deviation, variant = (float(np.abs(risk / np.array(each) - 1).max()) for each in (law, unlimited))
    return Evidence(exact(deviation), variant, "the risk of unlimited heads in the place of the law")


def relative_gap(found: TrainedLayers, shares: Mapping[tuple[int, int], float]) -> Evidence:
    """How far stated shares of the risk of GD, by d and heads, are from the gap at ‖w*‖ = √d; at ‖w*‖ = 1."""
    deviation, variant = (
        max(
            abs(gap_share(d, found.n_context, scale or d**-0.5, heads) - share)
            for (d, heads), share in shares.items()
        )
        for scale in (1.0, None)
    )
    return Evidence(exact(deviation), variant, "the shares at ‖w*‖ = 1")


def excess(found: TrainedLayers, recipe: str, *, seed: int, guess: bool | None = None) -> Evidence:
    """Risk of the worst model (``guess``: of y_q-LSA at the largest norm) above its optimum, as a share of it."""
    risks = found.risks(recipe)
    if len(risks) < 2:
        raise NothingToMeasure(f"two seeds trained by the recipe “{recipe}”")
    above = risks / found.optimum - 1
    if guess:
        above = above[:, [found.column(1, found.top, guess=True)]]
    control = found.optimum[found.column(1, found.top)] / found.floor - 1
    return Evidence(
        positive(above.max(axis=1), seed), float(control), "one head without a guess, at its best"
    )


def excess_by_scale(found: TrainedLayers, *, seed: int) -> Evidence:
    """The worst of y_q-LSA's excesses over GD, from all scales of initial weights, after the paper's steps."""
    guess, many = np.moveaxis(found.by_scale, -1, 0) / found.floor - 1
    return Evidence(positive(guess.max(axis=0), seed), float(many.max(axis=0).mean()), HEADS)


def law_excess(found: TrainedLayers, *, seed: int) -> Evidence:
    """By how much d + 1 trained heads miss the gap law, as a share of it: the worst d and C."""
    shares = []
    for d, n_context, risks in zip(found.setting_d, found.setting_context, found.setting_risk, strict=True):
        size = {"d": int(d), "n_context": int(n_context)}
        law = gap_law(float(d) ** 0.5, **size)
        shares.append((risks - risk_at_norm("gd", 0.0, **size)) / law - 1)
    return Evidence(positive(np.max(shares, axis=0), seed), -1.0, "no gap")


def one_minus_cosine(found: TrainedLayers, *, seed: int) -> Evidence:
    """One minus the mean cosine of the sensitivities of y_q-LSA and of GD from w*."""
    guess, many, _ = _beside(found, COSINE)
    return Evidence(positive(guess, seed), float(many.mean()), HEADS)


def prediction_distance(found: TrainedLayers, *, seed: int) -> Evidence:
    """Distance of the predictions of y_q-LSA from GD, over that of the most heads without a guess."""
    guess, many, zero = _beside(found, PREDICTIONS)
    return Evidence(positive(guess / many, seed), float((zero / many).mean()), FROM_ZERO)


def _beside(found: TrainedLayers, distance: str) -> Float[np.ndarray, "predictor seed"]:
    return found.beside[:, :, found.coordinates["distance"].index(distance)].T


def in_sight(found: TrainedLayers, *, seed: int) -> Evidence:
    """By how much the gap of linear heads is larger with the query in sight, on the same prompts."""
    masked, seen = found.unmasked
    return Evidence(interval(seen - masked, seed=seed), 0.0, "the query masked")


def normalised(found: TrainedLayers, heads: int, *, in_sight: bool, seed: int) -> Evidence:
    """Risk above GD of trained normalised heads, over that of as many linear heads at their best."""
    chosen = (found.soft_heads == heads) & (found.soft_norm > 0) & (found.soft_in_sight == in_sight)
    if not chosen.any():
        raise NothingToMeasure(f"{heads} in soft_heads")
    linear = linear_excess(found, heads)
    zero = risk_at_norm("gd_zero", found.top, d=found.d, n_context=found.n_context) - found.floor
    return Evidence(positive(found.soft_excess[:, chosen][:, 0] / linear, seed), zero / linear, FROM_ZERO)


def linear_excess(found: TrainedLayers, heads: int) -> float:
    """Risk of linear heads at their best above GD, at the largest norm."""
    size = {"d": found.d, "n_context": found.n_context}
    return risk_at_norm("multihead", found.top, heads=heads, **size) - found.floor


def stack_ratio(found: Beyond, way: str, *, seed: int) -> Evidence:
    """Risk of two trained layers over that of two tuned steps; one layer's risk over it."""
    two = int(np.flatnonzero(found.depth == 2)[0])
    gd, trained = found.risk[two].T
    tuned = found.tuned[:, found.coordinates["way"].index(way)]
    one = risk_at_norm("gd", 0.0, d=found.d, n_context=found.n_context) / tuned[two]
    plus = trained / gd * found.tuned[two, 0] / tuned[two]  # GD on the same prompts takes off their luck
    return Evidence(positive(plus, seed), float(one), "one step of GD")


def stacked_steps(found: Beyond) -> Evidence:
    """Three layers against three steps of GD; one step less."""
    return Evidence(exact(float(found.check[0])), float(found.check[1]), "one step less")


def positive(values: Float[np.ndarray, " seeds"], seed: int) -> Estimate:
    """Geometric mean over seeds of what cannot be negative; its interval stays above zero."""
    return geometric_mean(np.maximum(values, DUST), seed=seed)
