"""The one door to a language model: what it answers, and looks at, after each of many prompts."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from iclnb.llm.attention import Edit, SharedPrefix, last_token_attention, prepare
from iclnb.llm.kernel_weights import KernelWeights, Variant, kernel_weights
from iclnb.llm.label_words import Continuations, continuations
from iclnb.llm.limits import check_readable, padding_id
from iclnb.llm.loaded import LoadedModel
from iclnb.llm.passes import Alter, Passes, Reading
from iclnb.llm.prompts import Prompt, Prompts, Wording, collate, tokenise
from iclnb.store import Arrays, Store

Reduce = Callable[[list[Reading]], Arrays]  # From the readings of one batch to the arrays that are kept of it


class Reader:
    """A loaded model with its batch size and the demonstrations that it has read already.

    Demonstrations that several prompts share are read once; their queries run on top in batches. Wherever a
    table of prompts is asked for, an array of any shape (``*prompts``) or a list of prompts will do, and
    what comes back has its shape.

    Args:
        loaded: a model and its tokeniser.
        batch_size: queries per forward pass, or fewer where memory is short.
        store: where measurements are kept and found again; ``None`` for nowhere.
    """

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16, store: Store | None = None):
        self.loaded, self.batch_size, self.store = loaded, batch_size, store
        self._passes = Passes(loaded, batch_size)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokeniser."""
        return self.loaded.tokenizer

    @property
    def origin(self) -> dict[str, Any]:
        """What pins the model, for the provenance of a run (:class:`iclnb.llm.loaded.LoadedModel`)."""
        return self.loaded.origin

    def answers(
        self, prompts: Prompts, wording: Wording, *, edit: Edit | None = None, alter: Alter | None = None
    ) -> Float[np.ndarray, "*prompts words"]:
        """Log-probabilities of the label words behind each prompt, among all that may follow.

        Words are scored whole, from the tokens that they are in their context
        (:mod:`iclnb.llm.label_words`): one pass a prompt where they are single tokens, else more.

        Args:
            prompts: what to read.
            wording: that the prompts are written in.
            edit: replaces what heads put out at the last token that is read
                (:data:`iclnb.llm.attention.Edit`).
            alter: changes keys and values of the demonstrations before the queries are read.

        Returns:
            A row's exponentials sum to the share of probability on the label words.

        Raises:
            IclnbError: if two words give the same tokens, or a prompt is longer than the model's context;
                before anything is computed, as in all that a reader does.
        """
        table = np.asarray(prompts, dtype=object)
        words = continuations(self.tokenizer, table.ravel(), wording)
        answers = self._answers(words, edit=edit, alter=alter)
        return answers.reshape(*table.shape, len(wording.words))

    def kernel_weights(
        self,
        prompts: Prompts,
        wording: Wording,
        truth: Int[np.ndarray, "*#prompts"] | Sequence[int] | int,
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
        flat = (table := np.asarray(prompts, dtype=object)).ravel()
        words = continuations(self.tokenizer, flat, wording)
        tokens = words.tokens

        def reduce(readings: list[Reading]) -> Arrays:
            return {"answers": np.stack([reading.log_probabilities[tokens] for reading in readings])} | {
                variant: np.stack([kernel_weights(r.attention, flat[r.index], variant) for r in readings])
                for variant in variants
            }

        found = self.rows(flat, reduce, ("kernel weights", tokens, *variants))
        answers = words.score(found["answers"]) if words.behind(flat) else self._answers(words)
        labels, truth = np.array([p.labels for p in flat]), np.broadcast_to(truth, table.shape).ravel()
        weights = {variant: found[variant] for variant in variants}
        return KernelWeights(weights, labels, answers, truth).reshaped(table.shape)

    def attention(
        self, prompts: Prompts
    ) -> Iterator[tuple[Prompt, Float[np.ndarray, "layers heads tokens"]]]:
        """Each prompt with its last token's attention over its own tokens, in the order given.

        Nothing is kept from batch to batch.
        """
        check_readable(self.loaded.model, [prompt.input_ids for prompt in prompts])
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

        Raises IclnbError if the architecture's head outputs cannot be reached; ValueError without prompts.
        """
        flat = np.asarray(prompts, dtype=object).ravel()
        if not len(flat):
            raise ValueError("a mean needs at least one prompt")
        sums: dict[int, np.ndarray] = {}

        def add(layer: int, z: Tensor) -> Tensor:
            sums[layer] = sums.get(layer, 0) + z.double().sum(0).cpu().numpy()
            return z

        def reduce(_: list[Reading]) -> Arrays:
            total = np.stack([sums[layer] for layer in sorted(sums)])
            sums.clear()
            return {"sum": total}

        add.key = "sum of head outputs"
        parts = self.measure(flat, reduce, ("mean head outputs",), attention=False, edit=add)
        return sum(arrays["sum"] for _, arrays in parts) / len(flat)

    def remember(self, prompt: Prompt) -> SharedPrefix:
        """Keys and values of a whole prompt, in every layer."""
        check_readable(self.loaded.model, [prompt.input_ids])
        return prepare(self.loaded.model, prompt.input_ids)

    def next_token_probabilities(self, texts: Sequence[str]) -> Float[np.ndarray, "texts vocabulary"]:
        """P(o | x): the distribution of the token that follows each text, the text alone in the prompt.

        The product of two such rows is the prediction similarity sim(x, x') = P(o | x)ᵀ P(o | x') (paper A,
        section 5.3).

        Raises ValueError if a text has no tokens.
        """
        alone = [tokenise(self.tokenizer, text)[0] for text in texts]
        if not all(alone):
            raise ValueError("expected texts, got one without tokens")
        check_readable(self.loaded.model, alone)
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
        prompts: Prompts,
        *,
        attention: bool = True,
        edit: Edit | None = None,
        alter: Alter | None = None,
    ) -> Iterator[Reading]:
        """Read prompts one batch at a time, those with the same demonstrations on top of one pass over these.

        Nothing is kept from batch to batch, so that memory does not grow with the number of prompts. The
        order is not that of ``prompts`` (queries of one length stand together); use :attr:`Reading.index`.

        Raises CaptureError if the architecture cannot be captured exactly; ValueError if a prompt has fewer
        than two tokens.
        """
        for _, readings in self._passes.batches(prompts, attention=attention, edit=edit, alter=alter):
            yield from readings()

    def measure(
        self, prompts: Prompts, reduce: Reduce, what: tuple, **reading: Any
    ) -> Iterator[tuple[list[int], Arrays]]:
        """What each batch of prompts is reduced to: from the store, or measured and kept there.

        Args:
            reduce: from the readings of a batch (:attr:`Reading.index` is the place among ``prompts``) to the
                arrays to keep.
            what: a name of the measurement, then all that ``reduce`` depends on besides the readings.
            reading: ``attention``, ``edit`` and ``alter`` as in :meth:`read`.

        Yields:
            The places of a batch's prompts, and its arrays.
        """
        edits = [reading[name] for name in ("edit", "alter") if reading.get(name) is not None]
        keys = [getattr(edit, "key", None) for edit in edits]
        store = None if None in keys else self.store
        modules = [__name__, *(_module(part) for part in (reduce, *edits))]
        label, *content = what
        for indices, readings in self._passes.batches(prompts, **reading):
            reduced = partial(_reduced, reduce, readings)
            if store is None:
                yield indices, reduced()
                continue
            content_of = [*content, *keys, *(_content(prompts[i]) for i in indices)]
            yield indices, store.kept(label, content_of, reduced, modules=modules)

    def kept(
        self, label: str, prompts: Sequence[Prompt], content: Sequence[Any], measure: Callable[[], Arrays]
    ) -> Arrays:
        """What is measured on some prompts together: from the store, or measured and kept there."""
        if self.store is None:
            return measure()
        content_of = [*content, *map(_content, prompts)]
        return self.store.kept(label, content_of, measure, modules=[__name__, _module(measure)])

    def _answers(self, words: Continuations, **edits: Any) -> Float[np.ndarray, "prompts words"]:
        """Log-probabilities of whole label words, from passes over their contexts."""
        tokens = words.tokens

        def reduce(readings: list[Reading]) -> Arrays:
            return {"answers": np.stack([reading.log_probabilities[tokens] for reading in readings])}

        found = self.rows(words.contexts, reduce, ("answers", tokens), attention=False, **edits)
        return words.score(found["answers"])

    def rows(self, prompts: Prompts, reduce: Reduce, what: tuple, **reading: Any) -> Arrays:
        """Arrays with a row for each prompt, put together from the batches in the order of ``prompts``."""
        rows: dict[str, np.ndarray] = {}
        for indices, arrays in self.measure(prompts, reduce, what, **reading):
            for name, array in arrays.items():
                rows.setdefault(name, np.empty((len(prompts), *array.shape[1:]), array.dtype))[indices] = (
                    array
                )
        return rows

    @property
    def _padding(self) -> int:
        return padding_id(self.loaded.model, self.tokenizer)


def _reduced(reduce: Reduce, readings: Callable[[], Iterator[Reading]]) -> Arrays:
    """Of the readings in the order of their prompts, in which a batch names them."""
    return reduce(sorted(readings(), key=lambda reading: reading.index))


def _module(part: Any) -> str:
    """Where the code of a reduction or of an edit stands."""
    return getattr(part, "func", part).__module__


def _content(prompt: Prompt) -> tuple:
    """What a measurement may depend on."""
    return prompt.input_ids, prompt.x, prompt.y, prompt.query, prompt.labels
