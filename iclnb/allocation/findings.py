"""What chapter 02 measures."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from iclnb.findings import Findings, variable
from iclnb.llm.depth import FIRST, MIDDLE, layers_within

TRAINED, RANDOM = "trained", "random weights"
READERS = (TRAINED, RANDOM)

LABELS, TEXTS, QUERY_END, FIRST_TOKEN = "labels", "label control", "query end", "first token"
GROUPS = (LABELS, TEXTS, QUERY_END, FIRST_TOKEN)  # Of tokens (`iclnb.allocation.tokens.groups`)


@dataclass(frozen=True, kw_only=True)
class Allocation(Findings):
    """Where the last token's attention goes, of a model and of the same architecture with random weights."""

    coordinates: ClassVar = {"reader": READERS, "group": GROUPS}

    ratio: Float[np.ndarray, "reader group prompt layer"] = variable(
        "attention on a group of tokens over its uniform share, r_G, mean over heads", unit="1", bits=12
    )
    by_head: Float[np.ndarray, "group layer head"] = variable(
        "the same of every head of the trained model, mean over prompts", unit="1", bits=12
    )
    map: Float[np.ndarray, "layer position"] = variable(
        "attention of the trained model on positions that all prompts share, mean over prompts and heads",
        unit="1", bits=8,
    )  # fmt: skip
    k: int = variable("demonstrations of a prompt", unit="demonstrations")

    def of(self, reader: str, group: str) -> Float[np.ndarray, "prompt layer"]:
        """The ratio to uniform of one group of tokens, in every prompt and layer."""
        return self.ratio[READERS.index(reader), GROUPS.index(group)]

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return self.ratio.shape[-1]

    @property
    def first(self) -> Int[np.ndarray, " chosen"]:
        """The layers at the depth of the paper's first ones."""
        return layers_within(self.layers, FIRST)

    @property
    def middle(self) -> Int[np.ndarray, " chosen"]:
        """The layers at the depth of the paper's middle ones."""
        return layers_within(self.layers, MIDDLE)
