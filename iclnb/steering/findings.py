"""The findings of chapter 04 and of its appendix."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from iclnb.findings import Findings, variable

RANDOM, NEAREST, FARTHEST = "random", "nearest", "farthest"
LIKE_NEAREST, LIKE_FARTHEST = "random, labels of the nearest", "random, labels of the farthest"
UNRELATED, FLIPPED = "random labels", "flipped labels"
ARBITRARY, ARBITRARY_FLIPPED = "arbitrary words", "arbitrary words, flipped labels"
TEMPLATE, ONE_LINE = "another template", "one line each"
TYPOS, RARE, COMPLEX, MARKS = "typos", "rare words", "complex", "punctuation"

RETRIEVED = (RANDOM, NEAREST, LIKE_NEAREST, FARTHEST, LIKE_FARTHEST)  # These differ in the rows alone
RELABELLED = (UNRELATED, FLIPPED, ARBITRARY, ARBITRARY_FLIPPED)
KINDS = (
    TYPOS,
    RARE,
    COMPLEX,
    MARKS,
)  # Of perturbation (`iclnb.steering.perturb`); paper A has the first three
CONDITIONS = (*RETRIEVED, *RELABELLED, TEMPLATE, ONE_LINE, *KINDS)
"""What the test points are asked under, each with demonstrations of its own. But for the choice of rows, all differ
from the first in one thing alone."""

EMBEDDINGS, PREDICTIONS, WORDS = "MiniLM", "prediction", "BM25"
MEASURES = (EMBEDDINGS, PREDICTIONS, WORDS)
"""Similarities of two texts: of sentence embeddings, of what the model predicts after each, of their words."""

PERTURBED = tuple(f"{kind} in demonstrations" for kind in KINDS[:3])
DETAILS = (
    RANDOM, *(f"{what}, {by}" for by in MEASURES for what in (NEAREST, LIKE_NEAREST)), *PERTURBED
)  # fmt: skip
"""The conditions of the appendix."""

CONTEXTUAL, BATCH, DOMAIN = "contextual", "batch", "domain-context"
METHODS = (CONTEXTUAL, BATCH, DOMAIN)  # Methods of calibration (`iclnb.steering.calibration`)

_ANSWER = "log-probability of each label word after the prompt, among the label words"


@dataclass(frozen=True, kw_only=True)
class Steering(Findings):
    """Choice, labels, words, order and wording of demonstrations (chapter 04).

    A condition that the task does not have (a second template) is not a number.
    """

    coordinates: ClassVar = {"condition": CONDITIONS}
    answers: Float[np.ndarray, "condition point word"] = variable(_ANSWER, unit="nats")
    labels: Int[np.ndarray, "condition point demonstration"] = variable(
        "labels that the demonstrations are shown with", unit="class"
    )
    distance: Float[np.ndarray, "condition point demonstration"] = variable(
        "Euclidean distance of the query's embedding from each demonstration's", unit="1"
    )
    truth: Int[np.ndarray, " point"] = variable("right label of each test point", unit="class")
    zero_shot: Float[np.ndarray, "point word"] = variable(f"{_ANSWER}, without demonstrations", unit="nats")
    ordered: Float[np.ndarray, "point order word"] = variable(
        f"{_ANSWER}, the same demonstrations in several orders", unit="nats"
    )
    ordered_labels: Int[np.ndarray, "point order demonstration"] = variable(
        "labels of the demonstrations in those orders", unit="class"
    )
    bandwidth: float = variable("bandwidth of the Gaussian kernel, chosen on held-out rows", unit="1")
    log_loss: float = variable("log-loss of kernel regression on the held-out rows", unit="nats")


@dataclass(frozen=True, kw_only=True)
class Details(Findings):
    """Other retrievers, perturbed demonstrations and calibration (appendix 04a)."""

    coordinates: ClassVar = {"condition": DETAILS, "measure": MEASURES, "method": METHODS}
    answers: Float[np.ndarray, "condition point word"] = variable(_ANSWER, unit="nats")
    labels: Int[np.ndarray, " point demonstration"] = variable(
        "labels of the random demonstrations", unit="class"
    )
    weights: Float[np.ndarray, "measure point demonstration"] = variable(
        "kernel of the query and each random demonstration, by each similarity", unit="1"
    )
    truth: Int[np.ndarray, " point"] = variable("right label of each test point", unit="class")
    ordered: Float[np.ndarray, "set order shared_point word"] = variable(
        f"{_ANSWER}, demonstration sets in several orders shared by test points", unit="nats"
    )
    prior: Float[np.ndarray, "method set order word"] = variable(
        "mean probability of each label word after inputs that stand for none, behind the same demonstrations",
        unit="1",
    )
