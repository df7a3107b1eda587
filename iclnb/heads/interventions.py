"""Interventions that ask what heads cause: mean ablation, and label values swapped among demonstrations."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclnb.errors import IclnbError
from iclnb.llm.attention import Edit, SharedPrefix
from iclnb.llm.head_choice import Head
from iclnb.llm.passes import Alter
from iclnb.llm.prompts import Prompt, Span


def ablate(heads: Iterable[Head], means: Float[np.ndarray, "layers heads dim"]) -> Edit:
    """Mean ablation, an edit: each given head puts out, whatever the prompt, what it puts out on average.

    A head so treated still gives the residual stream the offset that later layers rely on; what it loses is
    everything that depends on the prompt. Zero ablation (means of zero) takes the offset away too.
    """
    by_layer: dict[int, list[int]] = {}
    for layer, head in sorted(set(heads)):
        by_layer.setdefault(layer, []).append(head)

    def edit(layer: int, z: Tensor) -> Tensor:
        if layer not in by_layer:
            return z
        z, chosen = z.clone(), by_layer[layer]
        z[:, chosen] = torch.as_tensor(means[layer, chosen]).to(z)
        return z

    put_out = [means[layer, chosen].tobytes() for layer, chosen in by_layer.items()]
    edit.key = f"ablate {by_layer} {hashlib.sha256(b''.join(put_out)).hexdigest()}"
    return edit


def swapping(seed: int, layers: Collection[int] | None = None, *, within: bool = False) -> Alter:
    """For :meth:`iclnb.llm.reader.Reader.answers`: label tokens get the values of other labels.

    ``layers`` says where (``None``: everywhere); partners ``within`` a class are the control
    (:func:`label_partners`).
    """

    def alter(prefix: SharedPrefix, prompt: Prompt) -> SharedPrefix:
        partners = label_partners(prompt.labels, seed=seed, within=within)
        return swap_label_values(prefix, prompt.y, partners, layers=layers)

    kind = "within" if within else "between"
    alter.key = f"swap label values {kind} classes, seed {seed}, layers {layers}"
    return alter


def label_partners(labels: Sequence[int], *, seed: int, within: bool = False) -> list[int]:
    """For each demonstration a random one of another class, or another one of its own.

    Where no class has more than half of the demonstrations the partners of other classes are a permutation: with
    two classes of equal size the demonstrations are paired and swapped. Otherwise each demonstration's partner is
    drawn independently from those of other classes. Within classes they are a permutation that leaves only
    the sole member of a class in its place.

    Raises IclnbError if all demonstrations are of one class and partners are to be of another.
    """
    classes, rng = np.asarray(labels), np.random.default_rng(seed)
    names, counts = np.unique(classes, return_counts=True)
    members = [rng.permutation(np.flatnonzero(classes == name)) for name in names]
    partners = np.empty(len(classes), dtype=int)
    if within:
        for rows in members:
            partners[rows] = np.roll(rows, 1)
        return partners.tolist()
    if len(names) < 2:
        raise IclnbError(
            "label values can only be swapped between classes; draw demonstrations of two or more"
        )
    if 2 * counts.max() > len(classes):
        return [int(rng.choice(np.flatnonzero(classes != own))) for own in classes]
    order = np.concatenate(members)
    partners[order] = np.roll(order, -counts.max())  # classes lie in runs no longer than the step
    return partners.tolist()


def swap_label_values(
    prefix: SharedPrefix,
    y: Sequence[Span],
    partners: Sequence[int],
    *,
    layers: Collection[int] | None = None,
) -> SharedPrefix:
    """The prefix in which each label token holds the value vectors of its partner's.

    Keys stay, so that a query attends as before; if a head averages labels by similarity, the answer should
    follow the values. Only what later tokens read changes: the prefix's own tokens keep what they computed
    from the values as they were.

    Raises IclnbError if label words differ in their number of tokens; ValueError if a span is empty or
    reaches past the prefix, or spans and partners differ in number.
    """
    tokens = len(prefix.input_ids)
    if len(y) != len(partners) or any(not 0 <= start < stop <= tokens for start, stop in y):
        raise ValueError(f"expected {len(partners)} label spans inside {tokens} tokens, got {list(y)}")
    if len({stop - start for start, stop in y}) > 1:
        raise IclnbError("label words of different numbers of tokens cannot be swapped; choose other words")
    to = [token for span in y for token in range(*span)]
    source = [token for partner in partners for token in range(*y[partner])]
    values = []
    for layer, value in enumerate(prefix.values):
        if layers is None or layer in layers:
            value = value.clone()
            value[:, to] = value[:, source]
        values.append(value)
    return replace(prefix, values=tuple(values))
