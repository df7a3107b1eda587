"""What decides the claims of chapter 01 about distances to the posterior; HMMs are the units."""

import numpy as np
from scipy.stats import binomtest

from iclnb.bayes.experiment import PAPER_ACCURACY, PAPER_DISTANCE
from iclnb.bayes.study import Study
from iclnb.claims import Evidence
from iclnb.stats import Estimate, exact, interval

LABELS_ONLY = "labels only"
"""The kernel K = 1, blind to x."""


def final_distance(study: Study, kernel: str, *, seed: int) -> Evidence:
    """L1 distance at the largest n; control: labels permuted within each prompt, or no x at all."""
    distance = study.estimate("distance", kernel, seed=seed).at(-1)
    if study.shuffled and kernel in study.shuffled[0].distance:
        control = study.table("distance", kernel, shuffled=True)[:, -1].mean()
        return Evidence(distance, float(control), "same kernel, labels permuted")
    return Evidence(distance, study.mean("distance", LABELS_ONLY, study.ns[-1]), LABELS_ONLY)


def table_gap(study: Study, kernel: str, *, seed: int, key: str = "distance") -> Evidence:
    """Mean over n of the gap between our mean distance and table 3's; control: labels only."""
    gap, control = (study.gap(name, PAPER_DISTANCE, key=key, seed=seed) for name in (kernel, LABELS_ONLY))
    return Evidence(gap, float(control.value), LABELS_ONLY)


def negative_normalisers(study: Study, kernel: str, n: int, *, seed: int) -> Evidence:
    """Share of prompts whose normaliser Σ_i K is negative at one n."""
    share = study.estimate("negative", kernel, seed=seed).at(study.ns.index(n))
    return Evidence(share, 0.5, "kernel values of random sign")


def plateau(study: Study, kernel: str, *, seed: int, key: str = "distance") -> Evidence:
    """Distance at n = 128 over that at n = 32: near one on a plateau."""
    return Evidence(study.ratio(kernel, 128, (kernel, 32), key=key, seed=seed), 0.5, "the rate n^(-1/2)")


def unlucky_hmms(study: Study, kernel: str) -> Evidence:
    """Share of HMMs whose distance stays at or above table 3's lowest from n = 32 on (Clopper-Pearson)."""
    late = study.table("distance", kernel)[:, study.ns.index(32) :]
    stays = (late >= min(PAPER_DISTANCE)).all(axis=1)
    share = binomtest(int(stays.sum()), len(stays)).proportion_ci()
    return Evidence(Estimate(float(stays.mean()), share.low, share.high), 0.0, "no such HMM")


def demonstrations_matter(study: Study, other: Study, other_is: str, *, seed: int) -> Evidence:
    """L1 distance between posteriors with no and with the most demonstrations; control: another design."""
    return Evidence(interval(study.without[:, -1], seed=seed), float(other.without[:, -1].mean()), other_is)


def against_frequencies(study: Study, kernel: str, *, seed: int) -> Evidence:
    """Mean distance at the largest n over that of the frequencies of the labels."""
    n = study.ns[-1]
    return Evidence(study.ratio(kernel, n, (LABELS_ONLY, n), seed=seed), 1.0, LABELS_ONLY)


def table_norm() -> Evidence:
    """c in distance = c (1 - accuracy), by least squares over the columns of table 3: 2 for L1, √2 for L2."""
    distance, missed = np.array(PAPER_DISTANCE), 1 - np.array(PAPER_ACCURACY)
    constant = float(distance @ missed / (missed @ missed))
    return Evidence(exact(constant), float(np.sqrt(2)), "what the L2 norm would give")


def table_norm_deviation() -> float:
    """Largest deviation of table 3's distances from 2 (1 - accuracy)."""
    return float(np.abs(np.array(PAPER_DISTANCE) - 2 * (1 - np.array(PAPER_ACCURACY))).max())
