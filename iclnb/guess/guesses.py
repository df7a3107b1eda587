"""Guesses of a pair's score that need no model: from words, from the scores alone, and of any quality."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, rankdata

LOWEST, HIGHEST = 0.0, 5.0  # The ends of the STS benchmark's scale


def clipped(guess: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The guess, moved to the nearest end of the scale where it lies outside."""
    return np.clip(guess, LOWEST, HIGHEST)


def word_overlap(rows: Iterable[Mapping[str, object]]) -> Float[np.ndarray, " pairs"]:
    """Jaccard similarity of the two sentences' sets of lower-case words, 0 where neither has a word."""
    found = []
    for row in rows:
        one, other = (set(re.findall(r"\w+", str(row[name]).lower())) for name in ("sentence1", "sentence2"))
        found.append(len(one & other) / max(len(one | other), 1))
    return np.array(found)


def rescaled(
    feature: Float[np.ndarray, " pairs"],
    train_feature: Float[np.ndarray, " train"],
    train_scores: Float[np.ndarray, " train"],
) -> Float[np.ndarray, " pairs"]:
    """The least-squares prediction of the score from one feature, fitted on train, clipped to the scale."""
    design = np.stack([np.ones_like(train_feature), train_feature], axis=1)
    constant, slope = np.linalg.lstsq(design, train_scores, rcond=None)[0]
    return clipped(constant + slope * feature)


def random(
    pairs: int, train_scores: Float[np.ndarray, " train"], *, seed: int | tuple[int, ...]
) -> Float[np.ndarray, " pairs"]:
    """Scores of train pairs drawn with replacement: the right spread, no information."""
    return np.random.default_rng(seed).choice(train_scores, size=pairs)


def reflected(guess: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """The adversarial guess 5 - g: as informative as g, with the wrong sign."""
    return LOWEST + HIGHEST - guess


def graded(scores: Float[np.ndarray, " pairs"], quality: float, *, seed: int) -> Float[np.ndarray, " pairs"]:
    """A guess whose correlation with the truth is about ``quality``, from useless (0) to perfect (1).

    The scores are turned into normal scores z, mixed with standard normal noise e as
    q z + sqrt(1 - q²) e, and mapped back by rank: the pair whose mixture is the r-th smallest gets the r-th
    smallest score. So every grade is a permutation of the same scores: it has the mean, the spread and the
    shape of the truth, and only the pairing gets worse. The noise is the same for every ``quality``.

    Raises ValueError if ``quality`` lies outside [0, 1].
    """
    if not 0 <= quality <= 1:
        raise ValueError(f"expected a quality from 0 to 1, got {quality}")
    ranks = rankdata(scores, method="average") / (len(scores) + 1)
    noise = np.random.default_rng(seed).standard_normal(len(scores))
    mixture = quality * norm.ppf(ranks) + np.sqrt(1 - quality**2) * noise
    return np.sort(scores)[np.argsort(np.argsort(mixture, kind="stable"), kind="stable")]
