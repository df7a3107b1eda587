"""Where the last token's attention goes: to labels, to the query's end, to the first token (paper A, 5.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm
from transformers import PreTrainedModel

from iclnb.llm.attention import last_token_attention
from iclnb.llm.depth import FIRST, MIDDLE, contrast, layers_within
from iclnb.llm.prompts import Prompt, Span, collate

__all__ = [
    "FIRST", "GROUPS", "MIDDLE", "SEGMENT", "Allocation", "aligned", "attentions", "contrast", "groups",
    "layers_within", "measure", "rescale", "segments",
]  # fmt: skip

SEGMENT = 30
"""Positions that every text between two labels is rescaled to (paper A, section 5.1)."""

GROUPS = ("labels", "label control", "query end", "first token")
"""Groups of tokens whose share of the attention is measured; see :func:`groups`."""


def groups(prompt: Prompt, tail: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """The tokens of each of :data:`GROUPS`.

    - labels: the tokens of the label words y_1 ... y_k;
    - label control: for each demonstration as many tokens of its text x_i, drawn without regard to what they
      say: a head that looks at demonstrations but not at labels treats both alike;
    - query end: the last ``tail`` tokens of the prompt;
    - first token: the first one, the "attention sink".

    Groups may overlap (without an opening token the first one belongs to x_1); their shares need not add up
    to one or less.
    """
    control: list[int] = []
    for x, y in zip(prompt.x, prompt.y, strict=True):
        candidates = [token for token in x.tokens if token > 0]
        size = min(len(y.tokens), len(candidates))
        control += rng.choice(candidates, size=size, replace=False).tolist() if size else []
    last = len(prompt.input_ids)
    return {
        "labels": [token for y in prompt.y for token in y.tokens],
        "label control": control,
        "query end": list(range(max(0, last - tail), last)),
        "first token": [0],
    }


@dataclass(frozen=True)
class Allocation:
    """How a model's last-token attention is allotted over a set of prompts.

    Attributes:
        ratio: for each of :data:`GROUPS` the attention on the group divided by what uniform attention over
            the prompt would give it, averaged over heads; 1 means no preference. (prompts, layers)
        mass: the same attention, not divided. (prompts, layers)
        map: attention averaged over prompts, on the common positions of :func:`segments`.
            (layers, heads, positions)
    """

    ratio: dict[str, Float[np.ndarray, "prompts layers"]]
    mass: dict[str, Float[np.ndarray, "prompts layers"]]
    map: Float[np.ndarray, "layers heads positions"]


def measure(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    *,
    pad_token_id: int,
    tail: int,
    batch_size: int,
    seed: int,
) -> Allocation:
    """Capture the last token's attention on every prompt and reduce it, batch by batch.

    Args:
        model: a causal language model.
        prompts: prompts with the same number of demonstrations, one per test point.
        pad_token_id: the tokeniser's padding token.
        tail: how many tokens count as the query's end.
        batch_size: prompts per forward pass.
        seed: seeds the choice of the label control's tokens (the same for every model).

    Returns:
        The allocation; nothing of size prompts x layers x heads x tokens is held.
    """
    rng = np.random.default_rng(seed)
    mass: dict[str, list] = {name: [] for name in GROUPS}
    ratio: dict[str, list] = {name: [] for name in GROUPS}
    total = 0.0
    for prompt, attention in attentions(model, prompts, pad_token_id=pad_token_id, batch_size=batch_size):
        for name, tokens in groups(prompt, tail, rng).items():
            share = attention[:, :, tokens].sum(-1).mean(-1)
            mass[name].append(share)
            ratio[name].append(share * len(prompt.input_ids) / max(len(tokens), 1))
        total = total + aligned(attention, prompt)
    return Allocation(
        ratio={name: np.stack(rows) for name, rows in ratio.items()},
        mass={name: np.stack(rows) for name, rows in mass.items()},
        map=total / len(prompts),
    )


def attentions(
    model: PreTrainedModel, prompts: Sequence[Prompt], *, pad_token_id: int, batch_size: int
) -> Iterator[tuple[Prompt, Float[np.ndarray, "layers heads tokens"]]]:
    """Each prompt with its last token's attention over its own tokens, in the order of ``prompts``."""
    for start in tqdm(range(0, len(prompts), batch_size), desc="attention", unit="batch", disable=None):
        batch = prompts[start : start + batch_size]
        captured = (
            last_token_attention(model, *collate([prompt.input_ids for prompt in batch], pad_token_id))
            .cpu()
            .numpy()
        )
        for i, prompt in enumerate(batch):
            yield prompt, captured[:, i, :, : len(prompt.input_ids)]


def segments(prompt: Prompt) -> list[Span]:
    """The tokens between labels: from behind the first token to y_1, from y_1 to y_2, ..., to the end."""
    starts = [1, *(y.stop for y in prompt.y)]
    stops = [*(y.start for y in prompt.y), len(prompt.input_ids)]
    return [Span(start, stop) for start, stop in zip(starts, stops, strict=True)]


def aligned(
    attention: Float[np.ndarray, "layers heads tokens"], prompt: Prompt
) -> Float[np.ndarray, "layers heads positions"]:
    """The attention on positions that all prompts with k demonstrations share: 1 + 31 k + 30 of them.

    The first token, then for each demonstration its segment rescaled to :data:`SEGMENT` positions by linear
    interpolation and one position for its label (the sum over the label's tokens), then the query's segment.
    """
    columns = [attention[:, :, :1]]
    for i, segment in enumerate(segments(prompt)):
        columns.append(rescale(attention[:, :, segment.start : segment.stop], SEGMENT))
        if i < len(prompt.y):
            y = prompt.y[i]
            columns.append(attention[:, :, y.start : y.stop].sum(-1, keepdims=True))
    return np.concatenate(columns, axis=-1)


def rescale(
    values: Float[np.ndarray, "*rows tokens"], positions: int
) -> Float[np.ndarray, "*rows positions"]:
    """Linear interpolation of each row to ``positions`` equally spaced points, both ends kept.

    Raises:
        ValueError: if there are no tokens to interpolate.
    """
    tokens = values.shape[-1]
    if tokens == 0:
        raise ValueError("a segment without tokens cannot be rescaled")
    rows = torch.from_numpy(np.ascontiguousarray(values).reshape(-1, 1, tokens))
    scaled = torch.nn.functional.interpolate(rows, size=positions, mode="linear", align_corners=True)
    return scaled.numpy().reshape(*values.shape[:-1], positions)
