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
BLIND = "random weights, same prompts"

ByTraining = Callable[[str], Float[np.ndarray, "corpus training"]]


def nearest_kernel(found: Following, answerer: str, source: str) -> Float[np.ndarray, "corpus training n"]:
    """Distance to the regression that is nearest, chosen anew for each training and n: at the kernels' best."""
    return np.min([found.of(answerer, source, kernel) for kernel in KERNELS], axis=0)


def nearer_to_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over that to the nearest kernel regression, on tasks of the corpus."""
    return _worst(
        found,
        lambda who: (found.of(who, CORPUS, BAYES) / nearest_kernel(found, who, CORPUS))[:, :, -1],
        seed,
    )


def follows_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over the distance between Bayes and ignoring the demonstrations, on the corpus."""
    whole = found.of(BAYES, CORPUS, IGNORING)[:, :, -1]
    return _worst(found, lambda who: found.of(who, CORPUS, BAYES)[:, :, -1] / whole, seed)


def no_kernel_elsewhere(found: Following, *, seed: int) -> Evidence:
    """On other tasks: distance to the nearer Bayes, of the corpus or of all tasks, over the nearest kernel."""

    def ratio(who: str) -> Float[np.ndarray, "corpus training"]:
        bayes = np.minimum(found.of(who, OTHERS, BAYES), found.of(who, OTHERS, EVERY_TASK))
        return (bayes / nearest_kernel(found, who, OTHERS))[:, :, -1]

    return _worst(found, ratio, seed)


def generality(found: Following, corpus: int, *, seed: int) -> Evidence:
    """On other tasks: distance to Bayes over all tasks, over that to Bayes over the corpus."""

    def ratio(who: str) -> Float[np.ndarray, " training"]:
        return (found.of(who, OTHERS, EVERY_TASK) / found.of(who, OTHERS, BAYES))[corpus, :, -1]

    control = f"{BLIND}; {found.tasks[corpus]} tasks"
    return Evidence(geometric_mean(ratio(TRAINED), seed=seed), float(ratio(RANDOM).mean()), control)


def _worst(found: Following, ratio: ByTraining, seed: int) -> Evidence:
    """The ratio of the corpus that speaks most against being small."""
    estimates = [geometric_mean(values, seed=seed) for values in ratio(TRAINED)]
    place = int(np.argmax([float(each.high) for each in estimates]))
    control = f"{BLIND}; {found.tasks[place]} tasks"
    return Evidence(estimates[place], float(ratio(RANDOM)[place].mean()), control)
