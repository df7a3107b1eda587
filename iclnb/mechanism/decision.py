"""From which layer on the answer can be read at the last token: logit lens, and a trained probe."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float

from iclnb.llm.attention.residual_stream import logit_lens
from iclnb.llm.prompts import label_tokens
from iclnb.llm.reader import Reader
from iclnb.mechanism.flow import centred, without_prior
from iclnb.mechanism.material import CONDITIONS, Material
from iclnb.mechanism.passes import Runs

LEVEL = 0.9
"""The answer is there from the first layer on whose agreement with the final answer stays at this level: at
most one answer in ten changes afterwards."""

_RIDGE = 0.1
"""Of the probe, relative to the mean square of the states' projections."""


def lens(
    reader: Reader, runs: Runs, material: Material, condition: str
) -> Bool[np.ndarray, "sets prompts depth"]:
    """Whether the logit lens at the input of each layer, and after the last, gives the final answer.

    Both with their mean over prompts taken off (priors off), labellings pooled.
    """
    found = []
    for context in CONDITIONS[condition]:
        tokens = label_tokens(reader.tokenizer, material.wordings[context])
        states = torch.tensor(runs.of("states", context))
        logits = logit_lens(reader.loaded.model, states, tokens).cpu().numpy()
        early = centred(logits)
        early = (early - early.mean((0, 1))).argmax(-1)
        found.append(early == without_prior(runs.of("answers", context)).argmax(-1)[..., None])
    return np.concatenate(found, axis=1)


def probe(
    runs: Runs, condition: str, *, folds: int, seed: int
) -> tuple[Float[np.ndarray, "sets prompts depth"], Float[np.ndarray, "sets prompts depth"]]:
    """Whether a linear probe, trained on other sets, gives the final answer; and with shuffled targets.

    Ridge regression of the final log-odds (priors off) on the residual stream. The probes of the control are
    trained on targets permuted among prompts and judged on the true ones.

    Args:
        runs: what was read.
        condition: whose labellings are pooled.
        folds: of sets.
        seed: of the control's permutation.
    """
    contexts = CONDITIONS[condition]
    states = np.concatenate([runs.of("states", c) for c in contexts], 1).astype(float)
    targets = np.concatenate([without_prior(runs.of("answers", c)) for c in contexts], 1)
    sets, points, depth, _ = states.shape
    fold = np.arange(sets) % min(folds, sets)
    shuffled = (
        np.random.default_rng(seed).permutation(targets.reshape(-1, targets.shape[-1])).reshape(targets.shape)
    )
    hits = np.zeros((2, sets, points, depth))
    for layer in range(depth):
        for one in np.unique(fold):
            for kind, taught in enumerate((targets, shuffled)):
                guess = _ridge(
                    states[fold != one, :, layer], taught[fold != one], states[fold == one, :, layer]
                )
                hits[kind, fold == one, :, layer] = guess.argmax(-1) == targets[fold == one].argmax(-1)
    return hits[0], hits[1]


def _ridge(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Ridge regression in its dual form on standardised columns; leading axes are rows."""
    flat, labels = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    mean, scale = flat.mean(0), flat.std(0) + 1e-6
    flat, new = (flat - mean) / scale, (at - mean) / scale
    products = flat @ flat.T
    penalty = max(_RIDGE * np.trace(products) / len(flat), 1e-6) * np.eye(len(flat))
    dual = np.linalg.solve(products + penalty, labels - labels.mean(0))
    return new @ (flat.T @ dual) + labels.mean(0)


def decision_layer(agrees: Float[np.ndarray, "sets prompts depth"], level: float = LEVEL) -> float:
    """The first layer at whose input, and at every later one, agreement reaches the level.

    The number of layers stands for the output of the last.
    """
    mean = np.asarray(agrees, dtype=float).reshape(-1, agrees.shape[-1]).mean(0)
    below = np.flatnonzero(mean < level)
    return float(below.max() + 1) if len(below) else 0.0


def middle_layer(heads: Sequence[tuple[int, int]]) -> int:
    """The median layer in which heads stand, the lower one of two."""
    layers = sorted(layer for layer, _ in heads)
    return layers[(len(layers) - 1) // 2]
