"""What chapter 07 measures."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.findings import Findings, variable
from iclnb.influence.material import ARBITRARY, OWN
from iclnb.influence.matrix import LEVELS, centred
from iclnb.influence.rivals import RIVALS

WORDINGS = (OWN, ARBITRARY)
LOG_ODDS, PROBABILITY = SCALES = ("log-odds", "probability")
HIDDEN = ("labels", "demonstrations")
CHOSEN, RANDOM = "chosen heads", "random heads of the same layers"
COMBINED = ("rivals together", "rivals and all heads")


@dataclass(frozen=True, kw_only=True)
class Influence(Findings):
    """What flipping a label changes, what predicts it, and which heads carry it."""

    coordinates: ClassVar = {
        "wording": WORDINGS, "level": LEVELS, "rival": RIVALS, "scale": SCALES, "hidden": HIDDEN,
        "group": (CHOSEN, RANDOM), "combination": COMBINED,
    }  # fmt: skip

    influence: Float[np.ndarray, "wording set point demonstration"] = variable(
        "log-odds of the word that a demonstration is shown with, minus those with its label flipped, J",
        unit="nats", bits=12,
    )  # fmt: skip
    pull: Float[np.ndarray, "wording set point demonstration"] = variable(
        "the same in probability among the label words", unit="1", bits=12
    )
    right: Bool[np.ndarray, "wording set point"] = variable(
        "whether the answer is the word that the demonstrations call right", unit="1"
    )
    truth: Int[np.ndarray, "set point"] = variable("class of a query", unit="1")
    label: Int[np.ndarray, "set demonstration"] = variable("class of a demonstration", unit="1")
    shown: Int[np.ndarray, "wording set demonstration"] = variable("word that it is shown with", unit="1")
    summed: Float[np.ndarray, "wording scale set point word"] = variable(
        "changes of a word's log-odds or probability by every label flipped by itself, in sum",
        unit="nats or 1", bits=12,
    )  # fmt: skip
    together: Float[np.ndarray, "wording scale set point word"] = variable(
        "the change when all labels are flipped at once", unit="nats or 1", bits=12
    )
    rivals: Float[np.ndarray, "rival set point demonstration"] = variable(
        "what a rival of the heads says of a query and a demonstration", unit="1", bits=12
    )
    combined: Float[np.ndarray, "wording combination set point demonstration"] = variable(
        "influence predicted by ridge regression on other sets", unit="nats", bits=12
    )
    head_mean: Float[np.ndarray, "wording set layer head"] = variable(
        "mean kernel weight of a head", unit="1", bits=12
    )
    head_square: Float[np.ndarray, "wording level set layer head"] = variable(
        "mean square of its kernel weights, centred", unit="1", bits=12
    )
    head_product: Float[np.ndarray, "wording scale level set layer head"] = variable(
        "mean product of its kernel weights and influence on log-odds or on probability, both centred",
        unit="nats or 1", bits=12,
    )  # fmt: skip
    best_layer: Int[np.ndarray, " wording"] = variable(
        "layer of the head whose weights follow pairs best on all sets but the first", unit="1"
    )
    best_head: Int[np.ndarray, " wording"] = variable("which head of it", unit="1")
    best_weights: Float[np.ndarray, "wording point demonstration"] = variable(
        "its kernel weights in the first set", unit="1", bits=12
    )
    state_mean: Float[np.ndarray, "wording set depth"] = variable(
        "mean weight in a ridge regression on the states of a layer", unit="1", bits=12
    )
    state_square: Float[np.ndarray, "wording level set depth"] = variable(
        "mean square of these weights, centred", unit="1", bits=12
    )
    state_product: Float[np.ndarray, "wording scale level set depth"] = variable(
        "mean product of these weights and influence on log-odds or on probability, both centred",
        unit="nats or 1", bits=12,
    )  # fmt: skip
    whole: Float[np.ndarray, "wording set"] = variable(
        "squared change of log-odds when all labels are flipped, summed over some queries", unit="nats²"
    )
    left: Float[np.ndarray, "wording set layer head"] = variable(
        "product of that change with the change when a head cannot attend to labels", unit="nats²", bits=12
    )
    left_window: Float[np.ndarray, "wording hidden set window"] = variable(
        "the same when all heads of neighbouring layers cannot attend to labels, or demonstrations",
        unit="nats²", bits=12,
    )  # fmt: skip
    left_all: Float[np.ndarray, "wording hidden set"] = variable(
        "the same when no head can", unit="nats²", bits=12
    )
    left_group: Float[np.ndarray, "wording group redraw set"] = variable(
        "the same for several heads together, chosen on other sets; not a number on the sets that chose",
        unit="nats²", bits=12,
    )  # fmt: skip
    heads: int = variable("heads that are knocked out together", unit="heads")

    def of(self, name: str, wording: str, *places: str) -> np.ndarray | np.generic:
        """One of the arrays at a wording, and at places of the dimensions that follow it."""
        field = getattr(self, name)[WORDINGS.index(wording)]
        named = {place: i for places_of in self.coordinates.values() for i, place in enumerate(places_of)}
        for place in places:
            field = field[named[place]]
        return field

    def matrix(
        self, wording: str, level: str, scale: str = LOG_ODDS
    ) -> Float[np.ndarray, "set point demonstration"]:
        """The influence matrix of every set, centred on a level."""
        matrix = self.of("influence" if scale == LOG_ODDS else "pull", wording)
        sets = zip(matrix, self.truth, self.label, strict=True)
        return np.stack([centred(one, level, truth, label) for one, truth, label in sets])
