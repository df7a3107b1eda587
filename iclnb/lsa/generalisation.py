"""Trained layers on prompts unlike those of training: other lengths, other prior means."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import best_rate, risk_at_norm
from iclnb.lsa.study import CONVERGED, Study
from iclnb.lsa.train import exact_risks

Risks = Float[np.ndarray, "seeds places"]


class Lengths(NamedTuple):
    """Risks by the number of examples C' in the test prompt."""

    lengths: Int[np.ndarray, " places"]
    guess: Risks
    """y_q-LSA."""
    many: Risks
    """The most heads, without a guess."""
    tuned: Float[np.ndarray, " places"]
    """One step of GD from w*, its rate the best for each length."""
    bayes: Float[np.ndarray, " places"]
    least_squares: Float[np.ndarray, " places"]
    """Ordinary least squares, of least norm where C' < d: what Bayes does from C' = d on."""


class Means(NamedTuple):
    """Risks by the distance ‖δ‖ of the test prompts' prior mean from w*."""

    shifts: Float[np.ndarray, " places"]
    guess: Risks
    many: Risks
    predicted: Float[np.ndarray, " places"]
    """(d + ‖δ‖²) (1 - η*)."""


def columns(study: Study) -> list[int]:
    """y_q-LSA and the most heads without a guess, at the largest norm."""
    return [study.column(1, study.top, guess=True), study.column(study.most, study.top)]


def other_lengths(study: Study, longest: int = 40, places: int = 25) -> Lengths:
    """Converged layers on prompts of 1 to ``longest`` times C examples."""
    lengths = np.unique(np.round(np.geomspace(1, longest * study.n_context, places)).astype(int))
    trained = study.trained[CONVERGED]
    risks = [exact_risks(trained, prompt_moments(study.d, int(c)))[:, columns(study)] for c in lengths]
    guess, many = np.moveaxis(np.array(risks), (2, 1), (0, 1))

    def best(family: str) -> Float[np.ndarray, " places"]:
        return np.array([risk_at_norm(family, study.top, d=study.d, n_context=int(c)) for c in lengths])

    return Lengths(lengths, guess, many, best("gd"), best("bayes"), best("ols"))


def other_means(study: Study, seed: int, places: int = 13) -> Means:
    """Converged layers on prompts whose prior mean is off by up to 2‖w*‖, in a random direction."""
    trained, shifts = study.trained[CONVERGED], np.linspace(0, 2 * study.top, places)
    turn = np.random.default_rng(seed).normal(size=trained.prior_means.shape)
    turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
    moments = prompt_moments(study.d, study.n_context)
    risks = [exact_risks(trained, moments, trained.prior_means + s * turn)[:, columns(study)] for s in shifts]
    guess, many = np.moveaxis(np.array(risks), (2, 1), (0, 1))
    predicted = (study.d + shifts**2) * (1 - best_rate(study.d, study.n_context))
    return Means(shifts, guess, many, predicted)
