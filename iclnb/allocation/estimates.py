"""The evidence of chapter 02: attention relative to uniform, for a trained model and for random weights."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from iclnb import stats
from iclnb.allocation.findings import LABELS, RANDOM, TEXTS, TRAINED, Allocation
from iclnb.claims import Evidence
from iclnb.stats import Estimate

PerPrompt = Callable[[str], Float[np.ndarray, " prompt"]]
"""A number of every prompt, of the trained model or of random weights."""

Layers = Int[np.ndarray, " chosen"]

CONTROL = "random weights, same prompts"


def share(found: Allocation, group: str, layers: Layers | None = None, *, seed: int) -> Evidence:
    """Attention on a group relative to uniform, over some layers or all; random weights on the same prompts."""
    where = slice(None) if layers is None else layers
    return _against_random(lambda reader: found.of(reader, group)[:, where].mean(1), seed)


def times_elsewhere(found: Allocation, group: str, layers: Layers, *, seed: int) -> Evidence:
    """Attention on a group over some layers, as a multiple of that over all the others."""
    return _ratio(
        lambda reader: found.of(reader, group)[:, layers].mean(1),
        lambda reader: np.delete(found.of(reader, group), layers, axis=1).mean(1),
        seed,
    )


def times_texts(found: Allocation, layers: Layers, *, seed: int) -> Evidence:
    """Attention on labels over some layers, as a multiple of that on as many tokens of their texts."""
    return _ratio(
        lambda reader: found.of(reader, LABELS)[:, layers].mean(1),
        lambda reader: found.of(reader, TEXTS)[:, layers].mean(1),
        seed,
    )


def share_of_all_layers(found: Allocation, group: str, layers: Layers, *, seed: int) -> Evidence:
    """Of the attention on a group, summed over layers, the part that falls into some of them."""

    def part(reader: str) -> Float[np.ndarray, " prompt"]:
        ratio = found.of(reader, group)
        return ratio[:, layers].sum(1) / ratio.sum(1)

    return _against_random(part, seed)


def window_overlap(found: Allocation, *, seed: int) -> Evidence:
    """How much of the window that attends most to labels lies within the paper's, both of the same width.

    For the interval the window is chosen anew in every draw of prompts. The control is the mean over all
    windows, as if every depth were as likely.
    """
    labels, middle = found.of(TRAINED, LABELS), found.middle
    width = len(middle)
    overlaps = np.array(
        [np.isin(np.arange(start, start + width), middle).mean() for start in range(found.layers - width + 1)]
    )
    windows = np.lib.stride_tricks.sliding_window_view(labels, width, axis=1).mean(-1)

    def overlap(windows: Float[np.ndarray, "prompts starts"]) -> float:
        return overlaps[windows.mean(0).argmax()]

    estimate = stats.interval(windows, statistic=overlap, smooth=False, range="rate", seed=seed)
    return Evidence(estimate, float(overlaps.mean()), "a window at any depth")


def by_layer(found: Allocation, reader: str, group: str, *, seed: int) -> Estimate:
    """Attention on a group relative to uniform in every layer."""
    return stats.interval(found.of(reader, group), seed=seed)


def _ratio(above: PerPrompt, below: PerPrompt, seed: int) -> Evidence:
    """A ratio of geometric means over prompts, so that its interval stays positive; random weights beside."""
    trained, random = (above(reader) / below(reader) for reader in (TRAINED, RANDOM))
    return Evidence(stats.geometric_mean(trained, seed=seed), float(np.exp(np.log(random).mean())), CONTROL)


def _against_random(number: PerPrompt, seed: int) -> Evidence:
    """The mean over prompts; its control are random weights on the same prompts."""
    estimate = stats.interval(number(TRAINED), seed=seed)
    return Evidence(estimate, float(number(RANDOM).mean()), CONTROL)
