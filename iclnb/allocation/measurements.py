"""A model's last-token attention as shares of groups of tokens and an averaged map (paper A, 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb.allocation.alignment import aligned
from iclnb.allocation.groups import GROUPS, groups
from iclnb.fingerprint import of_modules
from iclnb.llm.passes import Reading
from iclnb.llm.prompts import Prompt
from iclnb.llm.reader import Reader
from iclnb.llm.store import Arrays

_CODE = ("iclnb.allocation.alignment", "iclnb.allocation.measurements")
"""What the shares and the map of a prompt depend on, besides its attention."""


@dataclass(frozen=True)
class Allocation:
    """How a model's last-token attention is allotted over a set of prompts.

    Attributes:
        ratio: for each of :data:`GROUPS` the attention on the group divided by what uniform attention over
            the prompt would give it, r_G = (sum of a_t over G) / (|G| / T), averaged over heads; 1 means no
            preference. (prompts, layers)
        mass: the same attention, not divided. (prompts, layers)
        map: attention averaged over prompts, on the positions of
            :func:`iclnb.allocation.alignment.aligned`. (layers, heads, positions)
    """

    ratio: dict[str, Float[np.ndarray, "prompts layers"]]
    mass: dict[str, Float[np.ndarray, "prompts layers"]]
    map: Float[np.ndarray, "layers heads positions"]


def measure(reader: Reader, prompts: Sequence[Prompt], *, tail: int, seed: int) -> Allocation:
    """Capture the last token's attention on every prompt and reduce it, batch by batch.

    Args:
        reader: of a causal language model.
        prompts: with the same number of demonstrations, one per test point.
        tail: how many tokens count as the query's end.
        seed: of the label control's tokens, which are the same for every model.

    Returns:
        The allocation; nothing of size prompts x layers x heads x tokens is held.
    """
    rng = np.random.default_rng(seed)
    chosen = [groups(prompt, tail, rng) for prompt in prompts]

    def reduce(readings: list[Reading]) -> Arrays:
        shares = [
            [reading.attention[:, :, tokens].sum(-1).mean(-1) for tokens in chosen[reading.index].values()]
            for reading in readings
        ]
        maps = [aligned(reading.attention, prompts[reading.index]) for reading in readings]
        return {"mass": np.array(shares), "map": np.sum(maps, axis=0)}

    mass, total = {}, 0.0
    what = ("allocation", [list(each.values()) for each in chosen], of_modules(_CODE))
    for places, arrays in reader.measure(prompts, reduce, what):
        mass.update(zip(places, arrays["mass"], strict=True))
        total = total + arrays["map"]
    by_group = dict(zip(GROUPS, np.array([mass[i] for i in range(len(prompts))]).swapaxes(0, 1), strict=True))
    uniform = {name: [_uniform(p, g[name]) for p, g in zip(prompts, chosen, strict=True)] for name in GROUPS}
    ratio = {name: by_group[name] / np.array(uniform[name])[:, None] for name in GROUPS}
    return Allocation(ratio, by_group, total / len(prompts))


def _uniform(prompt: Prompt, tokens: Sequence[int]) -> float:
    """The share of uniform attention that falls on some tokens."""
    return max(len(tokens), 1) / len(prompt.input_ids)
