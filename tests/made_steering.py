"""Findings of chapter 04 made of random numbers, and of its appendix with a bias planted in them."""

import numpy as np
from scipy import special

from iclnb.steering.findings import (
    BATCH,
    CONDITIONS,
    CONTEXTUAL,
    DETAILS,
    DOMAIN,
    MEASURES,
    METHODS,
    Details,
    Steering,
)

POINTS, ORDERS, K = 30, 4, 5


def steering(words=3, seed=0, **changes):
    """Random findings."""
    rng = np.random.default_rng(seed)

    def said(*shape):
        return special.log_softmax(2 * rng.normal(size=(*shape, words)), -1)

    every = len(CONDITIONS)
    made = {
        "answers": said(every, POINTS), "labels": rng.integers(words, size=(every, POINTS, K)),
        "distance": rng.random((every, POINTS, K)), "truth": np.arange(POINTS) % words,
        "zero_shot": said(POINTS), "ordered": said(POINTS, ORDERS),
        "ordered_labels": rng.integers(words, size=(POINTS, ORDERS, K)), "bandwidth": 0.4, "log_loss": 1.0,
    }  # fmt: skip
    return Steering(**made | changes)


SETS, SHARED = 8, 12


def biased():
    """Answers whose log-odds are the truth's, plus a bias of each prompt that all its priors know."""
    bias = 3.0 * np.random.default_rng(0).choice([-1, 1], size=(SETS, ORDERS))
    odds = 1.0 * (2 * (np.arange(SHARED) % 2) - 1) + bias[..., None]
    of = special.expit(np.stack([-odds, odds], -1))
    neutral = special.expit(np.stack([-bias, bias], -1))
    priors = {CONTEXTUAL: neutral, BATCH: of.mean(2), DOMAIN: neutral}
    return np.log(of), np.stack([priors[method] for method in METHODS])


def details():
    """Random findings of the appendix, but for what calibration is to find."""
    rng = np.random.default_rng(1)
    ordered, prior = biased()
    return Details(
        answers=special.log_softmax(rng.normal(size=(len(DETAILS), POINTS, 2)), -1),
        labels=rng.integers(2, size=(POINTS, K)),
        weights=rng.random((len(MEASURES), POINTS, K)),
        truth=np.arange(POINTS) % 2,
        ordered=ordered,
        prior=prior,
    )
