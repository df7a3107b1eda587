"""What chapter 03 measures: which heads answer as the model does, what their weights follow, what they cause."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.findings import Findings, variable
from iclnb.heads.causes import ABLATIONS, SWAPS
from iclnb.heads.correlation import WAYS
from iclnb.heads.direct import PARTS
from iclnb.heads.nulls import CONTROLS, RANDOM
from iclnb.heads.reconstruction import CHOSEN, PRIOR_OFF, PRIORS, RAW, WHO
from iclnb.llm.kernel_weights import VARIANTS

SHARED, FRESH = "shared", "fresh, prior off"
ARMS: Final = (SHARED, FRESH)

ALONE, WITH_CUE = "texts alone", "with the cue"
READINGS: Final = (ALONE, WITH_CUE)
"""How prediction similarity is read: the paper's way, and with the cue of the prompts behind every text."""

OWN, EMBEDDING, WORDS = "prediction", "embedding", "words"
COMPARED: Final = (OWN, EMBEDDING, WORDS)


@dataclass(frozen=True, kw_only=True)
class Heads(Findings):
    """Attention heads as kernels, in one model and task.

    Whatever is chosen (a head, a prior, a rule's factor) is chosen on the other half of the test points.
    """

    coordinates: ClassVar = {
        "prior": PRIORS, "method": (CHOSEN, *CONTROLS, RANDOM), "who": WHO,
        "variant": VARIANTS, "way": WAYS, "reading": READINGS, "compared": COMPARED, "product": ("ab", "aa", "bb"),
        "ablation": ABLATIONS, "part": PARTS, "swap": SWAPS,
    }  # fmt: skip

    task: str = variable("name of the task", unit="name")
    half: Bool[np.ndarray, " query"] = variable(
        "the half of a query; prompts have the first queries", unit="1"
    )
    shared: Float[np.ndarray, "prior method set point"] = variable(
        "whether the answer is the model's, shared demonstrations; mean over permutations", unit="1", bits=8
    )
    fresh: Float[np.ndarray, "method prompt"] = variable(
        "the same for demonstrations of each prompt's own, priors off", unit="1", bits=8
    )
    shared_right: Bool[np.ndarray, "prior who set point"] = variable(
        "whether the answer is right, shared demonstrations", unit="1"
    )
    fresh_right: Bool[np.ndarray, "prior who prompt"] = variable(
        "whether the answer is right, demonstrations of each prompt's own", unit="1"
    )
    agreement: Float[np.ndarray, "layer head"] = variable(
        "share of prompts in which a head answers as the model does, shared demonstrations", unit="1", bits=12
    )
    fresh_hits: Bool[np.ndarray, "prompt layer head"] = variable(
        "whether a head answers as the model does, fresh prompts, priors off", unit="1"
    )
    shared_layers: Float[np.ndarray, "set point layer"] = variable(
        "share of a layer's heads that answer as the model does, shared demonstrations", unit="1", bits=8
    )
    shared_best: Bool[np.ndarray, "set point layer"] = variable(
        "whether a layer's best head answers as the model does, shared demonstrations", unit="1"
    )
    fresh_best: Bool[np.ndarray, "prompt layer"] = variable(
        "the same for fresh prompts, priors off", unit="1"
    )
    by_variant: Bool[np.ndarray, "variant set point"] = variable(
        "whether the chosen head answers as the model does, by what makes attention a weight", unit="1"
    )
    correlation: Float[np.ndarray, "way reading layer head"] = variable(
        "correlation of a head's weights with prediction similarity", unit="1", bits=12
    )
    products: Float[np.ndarray, "way reading compared product set point"] = variable(
        "what a prompt adds to the sums of a chosen head's correlation with a similarity", unit="1", bits=12
    )
    permuted: Float[np.ndarray, "way reading permutation"] = variable(
        "correlation of a head chosen and judged with similarities of other test points", unit="1"
    )
    agreement_blocks: Float[np.ndarray, "set pair layer head"] = variable(
        "agreement by set and group of test points, even groups", unit="1", bits=8
    )
    correlation_blocks: Float[np.ndarray, "way reading set pair layer head"] = variable(
        "correlation with prediction similarity by set and group of test points, odd groups", unit="1", bits=8
    )
    contrast: Float[np.ndarray, "reading set point"] = variable(
        "similarity to demonstrations of the query's label less that to others, over the mean",
        unit="1", bits=12,
    )  # fmt: skip
    separation: Float[np.ndarray, "row judged"] = variable(
        "what the true label stands above the others, less the set's mean", unit="nats"
    )
    right: Bool[np.ndarray, "row judged"] = variable("whether the whole model is right", unit="1")
    cost: Float[np.ndarray, "ablation part redraw judged"] = variable(
        "separation lost by ablating heads, and its parts", unit="nats"
    )
    right_without: Bool[np.ndarray, "ablation redraw judged"] = variable(
        "whether the model is right without these heads", unit="1"
    )
    redraw_set: Int[np.ndarray, " redraw"] = variable("the row that a choice of heads is judged in", unit="1")
    chosen_share: Float[np.ndarray, "layer head"] = variable(
        "share of the choices that a head is among", unit="1", bits=12
    )
    swap_cost: Float[np.ndarray, "swap row judged"] = variable(
        "separation lost by swapping label values", unit="nats"
    )
    unsplit: str = variable("why the cost of an ablation has no parts, if so", unit="words")

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return self.agreement.shape[0]

    def hits(self, arm: str, prior: str = PRIOR_OFF) -> dict[str, Float[np.ndarray, " *prompts"]]:
        """Method -> where it gives the model's answer; without those that were not measured."""
        values = self.fresh if arm == FRESH else self.shared[PRIORS.index(prior)]
        named = zip(self.coordinates["method"], values, strict=True)
        return {name: one for name, one in named if not np.isnan(one).all()}

    def is_right(self, arm: str, who: str, prior: str = RAW) -> Bool[np.ndarray, " *prompts"]:
        """Where the model, the chosen head or the most frequent label is right."""
        values = self.fresh_right if arm == FRESH else self.shared_right
        return values[PRIORS.index(prior), WHO.index(who)]
