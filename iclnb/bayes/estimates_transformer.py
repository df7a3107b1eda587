"""The evidence of appendix 01c; trainings are the units, each with an HMM, tasks and weights of its own."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from iclnb.bayes.learning import BAYES, IGNORING
from iclnb.bayes.measure_transformer import ANSWERERS, EVERY_TASK, KERNELS, SOURCES, Following
from iclnb.claims import Evidence
from iclnb.stats import geometric_mean

TRAINED, RANDOM = ANSWERERS[:2]
CORPUS, OTHERS = SOURCES

Ratios = Float[np.ndarray, "corpus training n"]


def nearest_kernel(found: Following, answerer: str, source: str) -> Ratios:
    """Distance to the regression that is nearest, chosen anew for each training and n: at the kernels' best."""
    return np.min([found.of(answerer, source, kernel) for kernel in KERNELS], axis=0)


def nearer_to_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over that to the nearest kernel regression, on tasks of the corpus."""
    return _worst(found, lambda who: found.of(who, CORPUS, BAYES) / nearest_kernel(found, who, CORPUS), seed)


def follows_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over the distance between Bayes and ignoring the demonstrations, on the corpus."""
    whole = found.of(BAYES, CORPUS, IGNORING)
    return _worst(found, lambda who: found.of(who, CORPUS, BAYES) / whole, seed)


def no_kernel_elsewhere(found: Following, *, seed: int) -> Evidence:
    """On other tasks: distance to the nearer Bayes, of the corpus or of all tasks, over the nearest kernel."""

    def ratio(who: str) -> Ratios:
        bayes = np.minimum(found.of(who, OTHERS, BAYES), found.of(who, OTHERS, EVERY_TASK))
        return bayes / nearest_kernel(found, who, OTHERS)

    return _worst(found, ratio, seed)


def generality(found: Following, corpus: int, *, seed: int) -> Evidence:
    """On other tasks: distance to Bayes over all tasks, over that to Bayes over the corpus."""

    def ratio(who: str) -> Ratios:
        return found.of(who, OTHERS, EVERY_TASK) / found.of(who, OTHERS, BAYES)

    return _of_corpus(found, ratio, corpus, seed)


def _of_corpus(found: Following, ratio: Callable[[str], Ratios], corpus: int, seed: int) -> Evidence:
    """A ratio after all demonstrations; the control is the same of random weights."""
    trained, random = (ratio(who)[corpus, :, -1] for who in (TRAINED, RANDOM))
    control = f"random weights, same prompts; {found.tasks[corpus]} tasks"
    return Evidence(geometric_mean(trained, seed=seed), float(random.mean()), control)


def _worst(found: Following, ratio: Callable[[str], Ratios], seed: int) -> Evidence:
    """The ratio of the corpus that speaks most against being small."""
    every = [_of_corpus(found, ratio, corpus, seed) for corpus in range(len(found.tasks))]
    return max(every, key=lambda each: float(each.estimate.high))
