"""Label words as continuations of a prompt: which tokens they are there, whatever the tokeniser merges."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.prompts import Prompt, Prompts, Wording, alike, tokenise

Term = tuple[int, int]  # A context, by its place in `Continuations.contexts`, and a token that may follow it


class Continuations(NamedTuple):
    """What must be read to score whole label words behind prompts."""

    # texts whose next token counts. Where every word is one token they are the prompts
    contexts: list[Prompt]
    # for each prompt and word, the tokens whose log-probabilities add up to the word's
    terms: list[list[list[Term]]]

    @property
    def tokens(self) -> list[int]:
        """Every token that counts, once."""
        return sorted({token for words in self.terms for word in words for _, token in word})

    def behind(self, prompts: Prompts) -> bool:
        """Whether the contexts are the prompts themselves: every word is a token of its own there."""
        pairs = zip(self.contexts, prompts, strict=False)
        return len(self.contexts) == len(prompts) and all(one is other for one, other in pairs)

    def score(self, logs: Float[np.ndarray, "contexts tokens"]) -> Float[np.ndarray, "prompts words"]:
        """Log-probabilities of the words from those of :attr:`tokens` behind each context."""
        place = {token: i for i, token in enumerate(self.tokens)}
        sums = [
            [sum(float(logs[context, place[token]]) for context, token in word) for word in words]
            for words in self.terms
        ]
        return np.array(sums, dtype=float)


def continuations(tokenizer: PreTrainedTokenizerBase, prompts: Prompts, wording: Wording) -> Continuations:
    """The tokens of every label word behind every prompt, from the tokens of the whole text.

    A word may be several tokens, share its first ones with another, or merge with the end of the prompt.
    Then the prompt is shortened to the tokens that it has in common with all words behind it, and every word
    is scored from there.

    Raises IclnbError if two label words give the same tokens.
    """
    contexts: list[Prompt] = []
    terms = []
    for prompt in prompts:
        wholes = _wholes(tokenizer, prompt, wording)
        kept = min(alike(prompt.input_ids, whole[:-1]) for whole in wholes)
        places: dict[tuple[int, ...], int] = {}
        words = []
        for whole in wholes:
            word = []
            for stop in range(kept, len(whole)):
                ids = whole[:stop]
                if ids not in places:
                    places[ids] = len(contexts)
                    contexts.append(prompt if ids == prompt.input_ids else replace(prompt, input_ids=ids))
                word.append((places[ids], whole[stop]))
            words.append(word)
        terms.append(words)
    return Continuations(contexts, terms)


def _wholes(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, wording: Wording) -> list[tuple[int, ...]]:
    """The tokens of the prompt with each label word behind it."""
    opened, _, _ = tokenise(tokenizer, prompt.text)
    special = opened == prompt.input_ids  # a chat template's text holds its opening token already
    texts = [prompt.text + wording.format.label_prefix + word for word in wording.words]
    wholes = [tokenise(tokenizer, text, special_tokens=special)[0] for text in texts]
    if len(set(wholes)) < len(wholes):
        raise IclnbError(f"label words {', '.join(wording.words)} give the same tokens; choose others")
    return wholes
