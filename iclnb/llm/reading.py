"""What a model says, and looks at, after each of many prompts; shared demonstrations are read once."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from iclnb.llm import prompts as prompts_module
from iclnb.llm.attention import Edit, SharedPrefix, attend, prepare
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt, Wording
from iclnb.llm.reader import Reader


class Reading(NamedTuple):
    """One prompt, read.

    Attributes:
        index: place of the prompt among those given.
        attention: the last token's attention over the prompt's own tokens, or ``None`` if not asked for.
            (layers, heads, tokens)
        log_probabilities: of every token as the next one. (vocabulary,)
    """

    index: int
    attention: Float[np.ndarray, "layers heads tokens"] | None
    log_probabilities: Float[np.ndarray, " vocabulary"]


Alter = Callable[[SharedPrefix, Prompt], SharedPrefix]
"""Changes what the model remembers of the demonstrations; called once for all prompts that share them."""

Prefixes = dict[tuple[int, ...], SharedPrefix]
"""Demonstrations that were read already, by their tokens."""


def read(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    *,
    pad_token_id: int,
    attention: bool = True,
    batch_size: int = 16,
    edit: Edit | None = None,
    alter: Alter | None = None,
    prefixes: Prefixes | None = None,
) -> Iterator[Reading]:
    """Read prompts one batch at a time, those with the same demonstrations on top of one pass over these.

    Nothing is kept from batch to batch, so that memory does not grow with the number of prompts. The order is
    not that of ``prompts`` (queries of one length stand together); use :attr:`Reading.index`.

    Args:
        model: a causal language model.
        prompts: in any order; a prompt that shares nothing is its own prefix but for its last token.
        pad_token_id: the tokeniser's padding token.
        attention: whether to capture attention.
        batch_size: queries per forward pass.
        edit: replaces what heads put out at the last token (:class:`iclnb.llm.attention.Edit`).
        alter: changes keys and values of the demonstrations before the queries are read.
        prefixes: where demonstrations that several prompts share are kept, unaltered, for later calls with
            the same model; of each it holds what the model remembers.

    Raises:
        CaptureError: if the architecture cannot be captured exactly.
        ValueError: if a prompt has fewer than two tokens.
    """
    with tqdm(total=len(prompts), desc="reading", unit="prompt", disable=None) as bar:
        for indices, tokens in _groups(prompts):
            first = prompts[indices[0]]
            prefix = _prefix(model, first.input_ids[:tokens], prefixes if len(indices) > 1 else None)
            prefix = prefix if alter is None else alter(prefix, first)
            by_length = sorted(indices, key=lambda i: len(prompts[i].input_ids))
            for start in range(0, len(by_length), batch_size):
                batch = by_length[start : start + batch_size]
                ids, mask = _suffixes([prompts[i] for i in batch], tokens, pad_token_id)
                rows, said = attend(model, prefix, ids, mask, attention=attention, edit=edit)
                for place, i in enumerate(batch):
                    own = None if rows is None else rows[:, place, :, : len(prompts[i].input_ids)].numpy()
                    yield Reading(i, own, said[place].numpy())
                bar.update(len(batch))


def answers(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    tokens: Sequence[int],
    *,
    batch_size: int = 16,
    edit: Edit | None = None,
    alter: Alter | None = None,
    prefixes: Prefixes | None = None,
) -> Float[np.ndarray, "prompts words"]:
    """Log-probabilities, over the whole vocabulary, of some tokens as the next one after each prompt.

    Args:
        loaded: a model and its tokeniser.
        prompts: what to read.
        tokens: token ids, such as those of :func:`label_tokens`.
        batch_size, edit, alter, prefixes: as in :func:`read`.

    Returns:
        In the order of ``prompts``; a row's exponentials sum to the share of probability on these tokens.
    """
    found = np.empty((len(prompts), len(tokens)))
    settings = {"batch_size": batch_size, "edit": edit, "alter": alter, "prefixes": prefixes}
    pad = loaded.tokenizer.pad_token_id
    for reading in read(loaded.model, prompts, pad_token_id=pad, attention=False, **settings):
        found[reading.index] = reading.log_probabilities[list(tokens)]
    return found


def label_tokens(tokenizer: PreTrainedTokenizerBase, format: Format, words: Sequence[str]) -> list[int]:
    """As :func:`iclnb.llm.prompts.label_tokens`."""
    return prompts_module.label_tokens(tokenizer, Wording(format, tuple(words)))


def _prefix(model: PreTrainedModel, ids: tuple[int, ...], kept: Prefixes | None) -> SharedPrefix:
    if kept is None:
        return prepare(model, ids)
    if ids not in kept:
        kept[ids] = prepare(model, ids)
    return kept[ids]


def _groups(prompts: Sequence[Prompt]) -> Iterator[tuple[list[int], int]]:
    """Prompts that begin with the same demonstrations, and how many tokens all of them share."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, prompt in enumerate(prompts):
        groups[prompt.input_ids[: prompt.query.start]].append(i)
    for indices in groups.values():
        columns = zip(*(prompts[i].input_ids[:-1] for i in indices), strict=False)
        tokens = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
        if tokens > 0:
            yield indices, tokens
        else:
            yield from (([i], len(prompts[i].input_ids) - 1) for i in indices)


def _suffixes(prompts: Sequence[Prompt], tokens: int, pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What follows the shared tokens, padded on the right, and its mask."""
    own = [torch.tensor(prompt.input_ids[tokens:]) for prompt in prompts]
    ids = torch.nn.utils.rnn.pad_sequence(own, batch_first=True, padding_value=pad_token_id)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in own], batch_first=True)
    return ids, mask


def next_token_probabilities(
    loaded: LoadedModel, texts: Sequence[str], *, batch_size: int = 16
) -> Float[np.ndarray, "texts vocabulary"]:
    """As :meth:`iclnb.llm.reader.Reader.next_token_probabilities`."""
    return Reader(loaded, batch_size=batch_size).next_token_probabilities(texts)
