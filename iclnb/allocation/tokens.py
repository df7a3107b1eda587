"""Where attention goes in prompts of different lengths: groups of tokens, and positions that all have in common."""

import numpy as np
import torch
from jaxtyping import Float

from iclnb.allocation.findings import FIRST_TOKEN, LABELS, QUERY_END, TEXTS
from iclnb.llm.prompts import Prompt

SEGMENT = 30  # Positions that every text between two labels is rescaled to (paper A, section 5.1)


def groups(prompt: Prompt, tail: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """The tokens of each of :data:`iclnb.allocation.findings.GROUPS`.

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
        LABELS: [token for y in prompt.y for token in y.tokens],
        TEXTS: control,
        QUERY_END: list(range(max(0, last - tail), last)),
        FIRST_TOKEN: [0],
    }


def label_positions(k: int) -> np.ndarray:
    """Where the labels y_1 ... y_k stand among the positions of :func:`aligned`."""
    return 1 + SEGMENT + (SEGMENT + 1) * np.arange(k)


def aligned(
    attention: Float[np.ndarray, "layers heads tokens"], prompt: Prompt
) -> Float[np.ndarray, "layers heads positions"]:
    """The attention on positions that all prompts with k demonstrations share: 1 + 31 k + 30 of them.

    The first token, then for each demonstration its segment, the tokens before its label, rescaled to
    :data:`SEGMENT` positions by linear interpolation, and one position for its label (the sum over the label's
    tokens), then the query's segment.
    """
    edges = [1, *(edge for y in prompt.y for edge in y), len(prompt.input_ids)]
    columns = [attention[:, :, :1]]
    for i, (start, stop) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        columns.append(rescale(attention[:, :, start:stop], SEGMENT))
        if i < len(prompt.y):
            y = prompt.y[i]
            columns.append(attention[:, :, y.start : y.stop].sum(-1, keepdims=True))
    return np.concatenate(columns, axis=-1)


def rescale(
    values: Float[np.ndarray, "*rows tokens"], positions: int
) -> Float[np.ndarray, "*rows positions"]:
    """Each row interpolated linearly at equally spaced positions, ends kept."""
    rows = torch.from_numpy(np.ascontiguousarray(values).reshape(-1, 1, values.shape[-1]))
    scaled = torch.nn.functional.interpolate(rows, size=positions, mode="linear", align_corners=True)
    return scaled.numpy().reshape(*values.shape[:-1], positions)
