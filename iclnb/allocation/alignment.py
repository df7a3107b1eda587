"""Attention over prompts of different lengths on positions that all of them share (paper A, section 5.1)."""

import numpy as np
import torch
from jaxtyping import Float

from iclnb.llm.prompts import Prompt, Span

SEGMENT = 30  # Positions that every text between two labels is rescaled to (paper A, section 5.1)


def segments(prompt: Prompt) -> list[Span]:
    """The tokens between labels: from behind the first token to y_1, from y_1 to y_2, ..., to the end."""
    starts = [1, *(y.stop for y in prompt.y)]
    stops = [*(y.start for y in prompt.y), len(prompt.input_ids)]
    return [Span(start, stop) for start, stop in zip(starts, stops, strict=True)]


def label_positions(k: int) -> np.ndarray:
    """Where the labels y_1 ... y_k stand among the positions of :func:`aligned`."""
    return 1 + SEGMENT + (SEGMENT + 1) * np.arange(k)


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
    """Each row interpolated linearly at equally spaced positions, ends kept. Raises ValueError without tokens."""
    tokens = values.shape[-1]
    if tokens == 0:
        raise ValueError("a segment without tokens cannot be rescaled")
    rows = torch.from_numpy(np.ascontiguousarray(values).reshape(-1, 1, tokens))
    scaled = torch.nn.functional.interpolate(rows, size=positions, mode="linear", align_corners=True)
    return scaled.numpy().reshape(*values.shape[:-1], positions)
