"""The one door to a language model: what it answers, and looks at, after each of many prompts."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from iclnb.llm import models
from iclnb.llm.attention import Edit, SharedPrefix, attend, last_token_attention, prepare
from iclnb.llm.demonstrations import Prompts
from iclnb.llm.kernel_weights import KernelWeights, Variant, kernel_weights
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt, Wording, collate, label_tokens, tokenise

Alter = Callable[[SharedPrefix, Prompt], SharedPrefix]
"""Changes what the model remembers of the demonstrations; called once for all prompts that share them."""

_REMEMBERED = 32
"""Demonstration sets of which a reader remembers keys and values; the one not used for longest goes first."""


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


class Reader:
    """A loaded model with its batch size and the demonstrations that it has read already.

    Demonstrations that several prompts share are read once; their queries run on top in batches. Wherever a
    table of prompts is asked for, an array of any shape (``*prompts``) or a list of prompts will do, and
    what comes back has its shape.

    Args:
        loaded: a model and its tokeniser.
        batch_size: queries per forward pass.
    """

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16):
        self.loaded, self.batch_size = loaded, batch_size
        self._remembered: OrderedDict[tuple[int, ...], SharedPrefix] = OrderedDict()

    @classmethod
    def load(cls, name: str = models.PACKAGED, *, batch_size: int = 16, **where: Any) -> "Reader":
        """A reader of a model by name; further arguments and errors as :func:`iclnb.llm.models.load`."""
        return cls(models.load(name, **where), batch_size=batch_size)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokeniser."""
        return self.loaded.tokenizer

    @property
    def origin(self) -> dict[str, Any]:
        """What pins the model, for the provenance of a run (:class:`iclnb.llm.models.LoadedModel`)."""
        return self.loaded.origin

    def answers(
        self, prompts: Prompts, wording: Wording, *, edit: Edit | None = None, alter: Alter | None = None
    ) -> Float[np.ndarray, "*prompts words"]:
        """Log-probabilities, over the whole vocabulary, of the label words as the next word.

        Args:
            prompts: what to read.
            wording: that the prompts are written in.
            edit: replaces what heads put out at the last token (:data:`iclnb.llm.attention.Edit`).
            alter: changes keys and values of the demonstrations before the queries are read.

        Returns:
            A row's exponentials sum to the share of probability on the label words.

        Raises:
            IclnbError: if the next token cannot tell the words apart.
        """
        table, tokens = np.asarray(prompts, dtype=object), label_tokens(self.tokenizer, wording)
        found = np.empty((table.size, len(tokens)))
        for reading in self.read(table.ravel(), attention=False, edit=edit, alter=alter):
            found[reading.index] = reading.log_probabilities[tokens]
        return found.reshape(*table.shape, len(tokens))

    def kernel_weights(
        self,
        prompts: Prompts,
        wording: Wording,
        truth: Int[np.ndarray, "*#prompts"],
        *,
        variants: Sequence[Variant] = ("maximum",),
    ) -> KernelWeights:
        """Every head's kernel weights a_i on the demonstrations, beside the model's answers.

        Args:
            prompts: all with the same number k of demonstrations.
            wording: that they are written in.
            truth: the label of each prompt's query.
            variants: which of :data:`iclnb.llm.kernel_weights.VARIANTS` to keep.
        """
        table, tokens = np.asarray(prompts, dtype=object), label_tokens(self.tokenizer, wording)
        flat, weights = table.ravel(), {}
        answers = np.empty((len(flat), len(tokens)))
        for i, attention, log_probabilities in self.read(flat):
            answers[i] = log_probabilities[tokens]
            for variant in variants:
                found = kernel_weights(attention, flat[i], variant)
                if variant not in weights:
                    weights[variant] = np.empty((len(flat), *found.shape), dtype=np.float32)
                weights[variant][i] = found
        labels = np.array([prompt.labels for prompt in flat])
        truth = np.broadcast_to(truth, table.shape).ravel()
        return KernelWeights(weights, labels, answers, truth).reshaped(table.shape)

    def attention(
        self, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[Prompt, Float[np.ndarray, "layers heads tokens"]]]:
        """Each prompt with its last token's attention over its own tokens, in the order given.

        Nothing is kept from batch to batch.
        """
        starts = range(0, len(prompts), self.batch_size)
        for start in tqdm(starts, desc="attention", unit="batch", disable=None):
            batch = prompts[start : start + self.batch_size]
            ids, mask = collate([prompt.input_ids for prompt in batch], self._padding)
            captured = last_token_attention(self.loaded.model, ids, mask).cpu().numpy()
            for i, prompt in enumerate(batch):
                yield prompt, captured[:, i, :, : len(prompt.input_ids)]

    def mean_head_outputs(self, prompts: Prompts) -> Float[np.ndarray, "layers heads dim"]:
        """What every head puts out at the last token, averaged over prompts.

        Sums are kept, not outputs: memory does not grow with the number of prompts. For an ablation take
        prompts other than those on which it is judged.

        Raises:
            IclnbError: if the architecture's head outputs cannot be reached.
            ValueError: without prompts.
        """
        flat = np.asarray(prompts, dtype=object).ravel()
        if not len(flat):
            raise ValueError("a mean needs at least one prompt")
        sums: dict[int, np.ndarray] = {}

        def add(layer: int, z: Tensor) -> Tensor:
            sums[layer] = sums.get(layer, 0) + z.double().sum(0).cpu().numpy()
            return z

        for _ in self.read(flat, attention=False, edit=add):
            pass
        return np.stack([sums[layer] for layer in sorted(sums)]) / len(flat)

    def remember(self, prompt: Prompt) -> SharedPrefix:
        """Keys and values of a whole prompt, in every layer."""
        return prepare(self.loaded.model, prompt.input_ids)

    def next_token_probabilities(self, texts: Sequence[str]) -> Float[np.ndarray, "texts vocabulary"]:
        """P(o | x): the distribution of the token that follows each text, the text alone in the prompt.

        The product of two such rows is the prediction similarity sim(x, x') = P(o | x)ᵀ P(o | x') (paper A,
        section 5.3).

        Raises:
            ValueError: if a text has no tokens.
        """
        alone = [tokenise(self.tokenizer, text)[0] for text in texts]
        if not all(alone):
            raise ValueError("expected texts, got one without tokens")
        rows: list[np.ndarray] = []
        for start in tqdm(
            range(0, len(texts), self.batch_size), desc="texts alone", unit="batch", disable=None
        ):
            ids, mask = collate(alone[start : start + self.batch_size], self._padding)
            ends, where = (mask.sum(1) - 1).unique(return_inverse=True)  # on the CPU: index of any device
            model = self.loaded.model
            with torch.inference_mode():
                ids, mask = ids.to(model.device), mask.to(model.device)
                found = model(input_ids=ids, attention_mask=mask, logits_to_keep=ends, use_cache=False)
            logits = found.logits[torch.arange(len(where)), where]
            rows.append(logits.float().softmax(-1).cpu().numpy())
        return np.concatenate(rows)

    def read(
        self,
        prompts: Sequence[Prompt],
        *,
        attention: bool = True,
        edit: Edit | None = None,
        alter: Alter | None = None,
    ) -> Iterator[Reading]:
        """Read prompts one batch at a time, those with the same demonstrations on top of one pass over these.

        Nothing is kept from batch to batch, so that memory does not grow with the number of prompts. The
        order is not that of ``prompts`` (queries of one length stand together); use :attr:`Reading.index`.

        Args:
            prompts: in any order; a prompt that shares nothing is its own prefix but for its last token.
            attention: whether to capture attention.
            edit, alter: as in :meth:`answers`.

        Raises:
            CaptureError: if the architecture cannot be captured exactly.
            ValueError: if a prompt has fewer than two tokens.
        """
        with tqdm(total=len(prompts), desc="reading", unit="prompt", disable=None) as bar:
            for indices, tokens in _groups(prompts):
                first = prompts[indices[0]]
                prefix = self._prefix(first.input_ids[:tokens], keep=len(indices) > 1)
                prefix = prefix if alter is None else alter(prefix, first)
                by_length = sorted(indices, key=lambda i: len(prompts[i].input_ids))
                for start in range(0, len(by_length), self.batch_size):
                    batch = by_length[start : start + self.batch_size]
                    suffixes = [prompts[i].input_ids[tokens:] for i in batch]
                    ids, mask = collate(suffixes, self._padding)
                    rows, logs = attend(self.loaded.model, prefix, ids, mask, attention=attention, edit=edit)
                    for place, i in enumerate(batch):
                        own = None if rows is None else rows[:, place, :, : len(prompts[i].input_ids)].numpy()
                        yield Reading(i, own, logs[place].numpy())
                    bar.update(len(batch))

    @property
    def _padding(self) -> int:
        return self.tokenizer.pad_token_id

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
