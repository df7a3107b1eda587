"""What is read off answers: accuracy, calibration, mass outside the labels, what the order changes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Choices:
    """Which label word a model, or kernel regression, would say after each of many prompts.

    Attributes:
        probabilities: of the label words, renormalised among themselves. (*prompts, words)
        outside: probability of all that is no label word. (*prompts)
        truths: right label index. (*prompts)
    """

    probabilities: Float[np.ndarray, "*prompts words"]
    outside: Float[np.ndarray, " *prompts"]
    truths: Int[np.ndarray, " *prompts"]

    @property
    def chosen(self) -> Int[np.ndarray, " *prompts"]:
        """The more probable label word (ties: the first)."""
        return self.probabilities.argmax(-1)

    @property
    def correct(self) -> Float[np.ndarray, " *prompts"]:
        """1 where the choice is right, else 0."""
        return (self.chosen == self.truths).astype(float)

    @property
    def of_truth(self) -> Float[np.ndarray, " *prompts"]:
        """Probability, among the label words, of the right one."""
        return np.take_along_axis(self.probabilities, self.truths[..., None], -1)[..., 0]

    @property
    def log_odds(self) -> Float[np.ndarray, " *prompts"]:
        """Log-odds of label 1 against label 0, in nats."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities)
        return logs[..., 1] - logs[..., 0]

    @property
    def centred_correct(self) -> Float[np.ndarray, " *prompts"]:
        """:attr:`correct` with the decision threshold at the median log-odds of all prompts.

        It takes off a preference for one of two words.
        """
        above = self.log_odds > np.median(self.log_odds)
        return (above == (self.truths == 1)).astype(float)


def choices(
    log_probabilities: Float[np.ndarray, "*prompts words"], truths: Int[np.ndarray, " *prompts"]
) -> Choices:
    """The choices that log-probabilities of the label words (over the whole vocabulary) amount to."""
    mass = np.exp(log_probabilities.astype(float))
    total = mass.sum(-1)
    shifted = np.exp(log_probabilities - log_probabilities.max(-1, keepdims=True)).astype(float)
    return Choices(
        shifted / shifted.sum(-1, keepdims=True), np.clip(1 - total, 0, 1), np.asarray(truths, dtype=int)
    )


def calibration_error(
    confidence: Float[np.ndarray, " *prompts"], correct: Float[np.ndarray, " *prompts"], bins: int = 10
) -> float:
    """Expected calibration error: Σ_b (n_b / n) |accuracy_b - confidence_b| over bins of equal width.

    Args:
        confidence: probability of the answer given, in [0, 1]; 1 belongs to the last bin.
        correct: 1 or 0.
        bins: how many.

    Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), equation 3.
    """
    flat, right = np.ravel(confidence), np.ravel(correct)
    where = np.minimum((flat * bins).astype(int), bins - 1)
    gap = np.bincount(where, weights=right - flat, minlength=bins)
    return float(np.abs(gap).sum() / len(flat))


def flips(chosen: Int[np.ndarray, "*prompts variants"]) -> Float[np.ndarray, " *prompts"]:
    """How often two different variants of a prompt are answered differently.

    Over all pairs of variants, so that the expectation is the same for any number of them drawn at random:
    0 where all give the same answer, about a half where each gives either of two at random.
    """
    variants = chosen.shape[-1]
    counts = np.stack([(chosen == word).sum(-1) for word in np.unique(chosen)], axis=-1)
    return 1 - (counts * (counts - 1)).sum(-1) / (variants * (variants - 1))


def recency_profile(
    log_odds: Float[np.ndarray, "sets points orders"], labels: Int[np.ndarray, "sets orders k"]
) -> Float[np.ndarray, "sets points k"]:
    """What the label at each position does to the answer: mean log-odds over the orders that have label 1
    there minus the mean over those that have label 0 there, for the same demonstrations and query.

    Zero everywhere for a kernel regression. Not a number for a set with only one label.

    Args:
        log_odds: of label 1 against label 0.
        labels: the labels 0 or 1 in each order, first demonstration first.
    """
    ones = labels.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        high, low = (
            np.einsum("spo,sok->spk", log_odds, side) / side.sum(1)[:, None] for side in (ones, 1 - ones)
        )
    return high - low
