"""Demonstration sets read with their labels as drawn, each flipped in turn, and all flipped; a shard a set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from iclnb.influence.material import Material
from iclnb.llm import flips
from iclnb.llm.kernel_weights import kernel_weights
from iclnb.llm.prompts import Prompt, Wording
from iclnb.llm.reader import Reader

RIDGE = 0.1  # Penalty of the ridge regression on internal states, in units of their mean square


@dataclass(frozen=True)
class Readings:
    """What was read of all sets of a material."""

    # log-probabilities of the label words, in every context
    answers: Float[np.ndarray, "sets contexts points words"]
    # kernel weight of each head on each demonstration, as drawn (paper A, section 5.2)
    weights: Float[np.ndarray, "sets points layers heads k"]
    # weight of each demonstration in a ridge regression on the states of each layer (`ridge_weights`)
    smoothed: Float[np.ndarray, "sets points depth k"]


def read_sets(reader: Reader, material: Material) -> Readings:
    """Read every query of every set in every context: as it is, each label flipped in turn, and all flipped.

    Raises IclnbError if the architecture cannot be followed.
    """
    wording, found = material.wording, []
    pairs = list(zip(material.prompts.tolist(), material.flipped.tolist(), strict=True))
    for one, other in tqdm(pairs, desc="influence", unit="set", disable=None):
        measure = partial(_read, reader, one, other, wording)
        found.append(reader.kept("influence", [*one, *other], [wording.words], measure))
    return Readings(**{name: np.stack([one[name] for one in found]) for name in found[0]})


def _read(
    reader: Reader, prompts: Sequence[Prompt], flipped: Sequence[Prompt], wording: Wording
) -> dict[str, np.ndarray]:
    """One set."""
    read_in = flips.contexts(reader.tokenizer, prompts, flipped, wording)
    before_labels = [span.start - 1 for span in prompts[0].y]
    rows = flips.rows(reader.loaded.model, read_in, attention=True, states=before_labels)
    first = next(rows)
    answers = [read_in.answers(first), *(read_in.answers(row) for row in rows)]
    attention = (first.attention(place).cpu().numpy() for place in read_in.prompts)
    weights = [kernel_weights(one, prompt) for one, prompt in zip(attention, prompts, strict=True)]
    k = len(before_labels)
    queries = first.states[[k + place for place in read_in.prompts]]
    smoothed = ridge_weights(queries.float(), first.states[:k].float())
    return {
        "answers": np.stack(answers),
        "weights": np.stack(weights).astype(np.float32),
        "smoothed": smoothed.cpu().numpy(),
    }


def ridge_weights(
    queries: Float[torch.Tensor, "points depth width"], shown: Float[torch.Tensor, "k depth width"]
) -> Float[torch.Tensor, "points depth k"]:
    """How much each demonstration's label counts in ridge regression on internal states, layer by layer.

    With the states M of the demonstrations at the token before their label, centred, and m of a query at its
    last token, the prediction mᵀMᵀ(MMᵀ + λI)⁻¹y is linear in the labels; these are its coefficients, which
    say what flipping one of them changes. Source: DETAIL (Zhou et al. 2024), which ranks demonstrations by
    the influence function of this regression.
    """
    mean = shown.mean(0)
    m, states = (queries - mean).transpose(0, 1), (shown - mean).transpose(0, 1)
    products = states @ states.transpose(1, 2)  # (depth, k, k)
    penalty = RIDGE * products.diagonal(dim1=1, dim2=2).mean(-1).clamp(min=1e-12)
    inner = products + penalty[:, None, None] * torch.eye(len(shown), device=shown.device)
    return torch.linalg.solve(inner, states @ m.transpose(1, 2)).permute(2, 0, 1)
