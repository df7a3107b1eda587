"""Passes of a model over prompts, one batch at a time; demonstrations that prompts share are read once."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from iclnb.llm.attention import Edit, SharedPrefix, attend, prepare
from iclnb.llm.limits import check_readable, padding_id, queries_at_once
from iclnb.llm.loaded import LoadedModel
from iclnb.llm.prompts import Prompt, Prompts, collate

Alter = Callable[[SharedPrefix, Prompt], SharedPrefix]
"""Changes what the model remembers of the demonstrations; called once for all prompts that share them.

An edit or an alteration may have a ``key``, a text that says what it does: then what is measured is kept."""

TOGETHER = 64  # Prompts of a batch at most. A pass reads as many of them at once as memory allows

_REMEMBERED = 32
"""Demonstration sets whose keys and values are kept in memory; the one not used for longest goes first."""


class Reading(NamedTuple):
    """One prompt, read."""

    index: int  # place of the prompt among those given
    # the last token's attention over the prompt's own tokens, or `None` if not asked for. (layers, heads,
    # tokens)
    attention: Float[np.ndarray, "layers heads tokens"] | None
    log_probabilities: Float[np.ndarray, " vocabulary"]  # of every token as the next one


class Passes:
    """A loaded model with its batch size and the demonstrations that it has read already."""

    def __init__(self, loaded: LoadedModel, batch_size: int):
        self.loaded, self.batch_size = loaded, batch_size
        self._remembered: OrderedDict[tuple[int, ...], SharedPrefix] = OrderedDict()

    def batches(
        self,
        prompts: Prompts,
        *,
        attention: bool = True,
        edit: Edit | None = None,
        alter: Alter | None = None,
    ) -> Iterator[tuple[list[int], Callable[[], Iterator[Reading]]]]:
        """Batches of prompts: the places of each, and a function that gives their readings.

        A batch holds up to :data:`TOGETHER` prompts that share demonstrations, in the order given: what is
        together depends on the prompts alone, and not on memory or the size of a pass. Demonstrations are
        read when the first batch that shares them is.

        Raises IclnbError if the model cannot read a prompt, before any is read.
        """
        check_readable(self.loaded.model, [prompt.input_ids for prompt in prompts])
        with tqdm(total=len(prompts), desc="reading", unit="prompt", disable=None) as bar:
            for group, tokens in _groups(prompts):
                prefix = self._once(prompts, group, tokens, alter)
                for start in range(0, len(group), TOGETHER):
                    batch = group[start : start + TOGETHER]
                    yield batch, partial(self._read, prompts, batch, tokens, prefix, attention, edit)
                    bar.update(len(batch))

    def _read(
        self,
        prompts: Prompts,
        batch: list[int],
        tokens: int,
        prefix: Callable[[], SharedPrefix],
        attention: bool,
        edit: Edit | None,
    ) -> Iterator[Reading]:
        """Passes over the queries of a batch on top of what they share; those of one length together."""
        model, padding = self.loaded.model, padding_id(self.loaded.model, self.loaded.tokenizer)
        by_length = sorted(batch, key=lambda i: len(prompts[i].input_ids))
        longest = len(prompts[by_length[-1]].input_ids)
        size = queries_at_once(model, prefix=tokens, suffix=longest - tokens, most=self.batch_size)
        for start in range(0, len(by_length), size):
            together = by_length[start : start + size]
            ids, mask = collate([prompts[i].input_ids[tokens:] for i in together], padding)
            rows, logs = attend(model, prefix(), ids, mask, attention=attention, edit=edit)
            for place, i in enumerate(together):
                own = None if rows is None else rows[:, place, :, : len(prompts[i].input_ids)].numpy()
                yield Reading(i, own, logs[place].numpy())

    def _once(
        self, prompts: Prompts, group: list[int], tokens: int, alter: Alter | None
    ) -> Callable[[], SharedPrefix]:
        """What the model remembers of the tokens that a group shares, read at the first call alone."""
        first = prompts[group[0]]

        @cache
        def prefix() -> SharedPrefix:
            found = self._prefix(first.input_ids[:tokens], keep=len(group) > 1)
            return found if alter is None else alter(found, first)

        return prefix

    def _prefix(self, ids: tuple[int, ...], *, keep: bool) -> SharedPrefix:
        """What the model remembers of the shared tokens, read now unless it was kept."""
        if not keep:
            return prepare(self.loaded.model, ids)
        if ids not in self._remembered:
            self._remembered[ids] = prepare(self.loaded.model, ids)
        self._remembered.move_to_end(ids)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return self._remembered[ids]


def _groups(prompts: Prompts) -> Iterator[tuple[list[int], int]]:
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
