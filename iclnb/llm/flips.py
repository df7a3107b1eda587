"""Demonstrations in several contexts that differ in their labels, each followed by the same queries.

The contexts begin alike, up to the first label that differs. What a model remembers of that part is read once;
the rest of a context and all queries behind it are one packed row (:mod:`iclnb.llm.attention.packed`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.attention import prepare
from iclnb.llm.attention.packed import Packed, read
from iclnb.llm.label_words import Continuations, continuations
from iclnb.llm.prompts import Prompt, Wording, alike

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Contexts:
    """Tokens of a demonstration set in several contexts, and of its queries."""

    words: Continuations  # how the label words are scored behind the queries, in any of the contexts
    # for each context the tokens that all queries share; first those of the prompts as they are
    demonstrations: tuple[Ids, ...]
    # the tokens behind these: of every text whose next token counts, then of the prompts
    queries: tuple[Ids, ...]
    prompts: tuple[int, ...]  # where among them the prompts themselves stand

    def answers(self, row: Packed) -> Float[np.ndarray, "prompts words"]:
        """Log-probabilities of the label words, from a row that :func:`rows` gave."""
        logs = row.log_probabilities[: len(self.words.contexts), self.words.tokens]
        return self.words.score(logs.cpu().numpy())


def contexts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], others: Sequence[Prompt], wording: Wording
) -> Contexts:
    """The tokens of prompts, and of the same queries in other contexts.

    Raises IclnbError if the tokeniser merges demonstrations and query in another way in one of the contexts.
    """
    words = continuations(tokenizer, prompts, wording)
    texts = [one.input_ids for one in words.contexts]
    texts += [one.input_ids for one in prompts if one.input_ids not in texts]
    common = min(alike(texts[0], one[:-1]) for one in texts)
    query = prompts[0].input_ids[common:]
    for one in others:
        if one.input_ids[-len(query) :] != query:
            raise IclnbError(
                "the tokeniser splits a query in another way behind other labels; take other words"
            )
    return Contexts(
        words,
        (texts[0][:common], *(one.input_ids[: -len(query)] for one in others)),
        tuple(one[common:] for one in texts),
        tuple(texts.index(one.input_ids) for one in prompts),
    )


def rows(
    model: PreTrainedModel, read_in: Contexts, *, attention: bool = False, states: Sequence[int] = ()
) -> Iterator[Packed]:
    """Every context with all queries behind it, read one after the other.

    Of the first context the last tokens' ``attention`` may be kept, and the residual streams of the
    demonstrations' tokens ``states`` and of all last tokens.

    Raises CaptureError if the architecture cannot be followed.
    """
    first, *others = read_in.demonstrations
    start = min([len(first) - 1, *states, *(alike(first, one) for one in others)])
    base = prepare(model, first[: max(1, start)])
    start = len(base.input_ids)
    kept = {"attention": attention, "states": [place - start for place in states]}
    row = read(model, base, first[start:], read_in.queries, **kept)
    yield row
    whole = row.common()
    for one in others:
        common = alike(first, one)
        yield read(model, whole.first(common), one[common:], read_in.queries)
