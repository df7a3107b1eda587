"""Everything that chapter 07 reads off a model: one shard a demonstration set, kept and found again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from iclnb.llm.attention import SharedPrefix, last_token_attention, prepare
from iclnb.llm.attention.residual_hooks import Intervention, Observed, extend, observe
from iclnb.llm.kernel_weights import kernel_weights
from iclnb.llm.limits import check_readable, padding_id
from iclnb.llm.prompts import Prompt, Span, collate, label_tokens
from iclnb.llm.reader import Reader
from iclnb.mechanism import flow, own_weights
from iclnb.mechanism.material import OPPOSITE, Material, Repeated


@dataclass(frozen=True)
class Runs:
    """What was read of all sets; contexts in the order of ``contexts``.

    Attributes:
        contexts: of the material.
        steps: interventions, in the order of ``edited``.
        arrays: ``answers`` (sets, contexts, points, words): log-probabilities of the label words; ``states``
            (..., depth, width): residual stream at the last token; ``weights`` (..., layers, heads, k):
            kernel weights (paper A, section 5.2); ``on_labels`` (..., layers, heads): attention on label
            words, of that behind the first token; ``copying`` (sets, contexts, layers, heads); ``outputs``
            (sets, contexts, layers, heads, dim): mean head outputs; ``edited`` (sets, contexts, 2, steps,
            words): answers of the first two points under interventions; ``by_word`` (..., layers, heads,
            words): share of kernel weights on demonstrations of each word.
    """

    contexts: tuple[str, ...]
    steps: tuple[flow.Step, ...]
    arrays: Mapping[str, np.ndarray]

    def of(self, name: str, context: str) -> np.ndarray:
        """One of the arrays in one context: sets, then the axes that follow contexts."""
        return self.arrays[name][:, self.contexts.index(context)]

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return self.arrays["weights"].shape[3]


def shard(
    reader: Reader,
    what: Sequence[Any],
    prompts: Sequence[Prompt],
    measure: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Arrays from the reader's store, or measured and kept there."""
    if reader.store is None:
        return measure()
    rows = [(p.input_ids, p.x, p.y, p.query, p.labels) for p in prompts]
    return reader.store.kept(f"mechanism {what[0]}", [*what[1:], *rows], measure, modules=[__name__])


def run_sets(reader: Reader, material: Material, *, depths: int) -> Runs:
    """Read every set in every context, and the first two queries under every intervention.

    Args:
        reader: of the model.
        material: prompts.
        depths: layers at which states are put in place.

    Raises:
        IclnbError: if a prompt is too long, or the architecture cannot be followed.
    """
    model = reader.loaded.model
    layers = model.config.get_text_config(decoder=True).num_hidden_layers
    contexts, steps = tuple(material.prompts), tuple(flow.plan(layers, depths))
    check_readable(model, [p.input_ids for table in material.prompts.values() for p in table.ravel()])
    tokens = {context: label_tokens(reader.tokenizer, material.wordings[context]) for context in contexts}
    found = []
    for s in tqdm(range(len(material.truth)), desc="sets", unit="set", disable=None):
        of_set = {context: material.prompts[context][s].tolist() for context in contexts}
        flat = [prompt for prompts in of_set.values() for prompt in prompts]
        what = ("set", steps, [tokens[context] for context in contexts], contexts)
        found.append(
            shard(reader, what, flat, lambda of_set=of_set: _Set(reader, of_set, tokens, steps).read())
        )
    return Runs(contexts, steps, {name: np.stack([one[name] for one in found]) for name in found[0]})


class _Set:
    """One demonstration set while it is read."""

    def __init__(
        self,
        reader: Reader,
        prompts: Mapping[str, list[Prompt]],
        tokens: Mapping[str, list[int]],
        steps: Sequence[flow.Step],
    ):
        self.model, self.prompts, self.tokens, self.steps = reader.loaded.model, prompts, tokens, steps
        self.prefixes: dict[tuple[str, int], SharedPrefix] = {}
        self.plain: dict[tuple[str, int], Observed] = {}

    def read(self) -> dict[str, np.ndarray]:
        """All arrays of the set."""
        read = [self._context(context) for context in self.prompts]
        found = {name: np.stack([one[name] for one in read]) for name in read[0]}
        edited = [[self._edited(c, p) if c in OPPOSITE else None for p in (0, 1)] for c in self.prompts]
        like = edited[0][0]
        for name in like:
            blank = np.full_like(like[name], np.nan)
            found[name] = np.stack(
                [np.stack([blank if e is None else e[name] for e in pair]) for pair in edited]
            )
        return found

    def _context(self, context: str) -> dict[str, np.ndarray]:
        """The plain runs of one context's points."""
        prompts, rows = self.prompts[context], []
        columns = zip(*(prompt.input_ids[: prompt.query.start] for prompt in prompts), strict=False)
        common = max(1, sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns)))
        shared = prepare(self.model, prompts[0].input_ids[:common])
        for p, prompt in enumerate(prompts):
            prefix = extend(self.model, shared, prompt.input_ids[common:-1])
            seen = observe(self.model, prefix, prompt.input_ids[-1], [Intervention()])
            rows.append(_plain(seen, prompt, self.tokens[context]))
            if p < 2:
                self.prefixes[context, p], self.plain[context, p] = prefix, seen
        arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        arrays["outputs"] = arrays["outputs"].mean(0)
        arrays["copying"] = own_weights.copying(self.model, shared, prompts[0], self.tokens[context])
        return arrays

    def _edited(self, context: str, point: int) -> dict[str, np.ndarray]:
        """One point under all interventions."""
        prompt = self.prompts[context][point]
        donors = {
            "query": self.plain[context, 1 - point].states[0],
            "labels": self.plain[OPPOSITE[context], point].states[0],
        }
        interventions = [flow.intervention(step, prompt, **donors) for step in self.steps]
        seen = observe(self.model, self.prefixes[context, point], prompt.input_ids[-1], interventions)
        tokens = self.tokens[context]
        shares = [
            by_word(kernel_weights(row, prompt), prompt.labels, len(tokens)) for row in _numpy(seen.attention)
        ]
        return {"edited": _numpy(seen.log_probabilities[:, tokens]), "by_word": np.stack(shares)}


def _plain(seen: Observed, prompt: Prompt, tokens: Sequence[int]) -> dict[str, np.ndarray]:
    attention = _numpy(seen.attention[0])
    words = [token for span in prompt.y for token in span.tokens]
    behind = np.maximum(attention[..., 1:].sum(-1), 1e-9)
    return {
        "answers": _numpy(seen.log_probabilities[0, tokens]),
        "states": _numpy(seen.states[0]),
        "weights": kernel_weights(attention, prompt),
        "on_labels": attention[..., words].sum(-1) / behind,
        "outputs": _numpy(seen.outputs[0]),
    }


def by_word(
    weights: Float[np.ndarray, "*heads k"], labels: Sequence[int], words: int
) -> Float[np.ndarray, "*heads words"]:
    """The share of weights on demonstrations of each word; equal shares where there is no weight."""
    total = weights.sum(-1, keepdims=True)
    shares = np.where(total > 0, weights / np.maximum(total, 1e-30), 1 / weights.shape[-1])
    return shares @ np.eye(words, dtype=weights.dtype)[list(labels)]


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()


def induction(reader: Reader, material: Repeated) -> Float[np.ndarray, "sequences layers heads"]:
    """Attention, on repeated random tokens, to the token after the earlier occurrence of the last one."""
    prompts = [Prompt("", row, (), (), (), Span(0, 0), ()) for row in material.rows]
    found = []
    for start in range(0, len(prompts), reader.batch_size):
        batch = slice(start, start + reader.batch_size)

        def measure(batch: slice = batch) -> dict[str, np.ndarray]:
            ids, mask = collate(material.rows[batch], padding_id(reader.loaded.model, reader.tokenizer))
            rows = _numpy(last_token_attention(reader.loaded.model, ids, mask))
            return {"on": np.stack([rows[:, i, :, place] for i, place in enumerate(material.after[batch])])}

        what = ("induction", material.after[batch])
        found.append(shard(reader, what, prompts[batch], measure)["on"])
    return np.concatenate(found)


def alone(reader: Reader, prompts: Sequence[Prompt]) -> dict[str, np.ndarray]:
    """Texts by themselves, read once: nothing but x.

    Returns:
        ``states`` (texts, 2, depth, width): the residual stream at the end of the text and of the cue, the
        last normalised; ``predicted`` (texts, 2, width): what the unembedding receives there.
    """
    model, found = reader.loaded.model, []
    check_readable(model, [prompt.input_ids for prompt in prompts])
    for start in tqdm(
        range(0, len(prompts), reader.batch_size), desc="texts alone", unit="batch", disable=None
    ):
        batch = prompts[start : start + reader.batch_size]

        def measure(batch: Sequence[Prompt] = batch) -> dict[str, np.ndarray]:
            ids, mask = collate([p.input_ids for p in batch], padding_id(model, reader.tokenizer))
            ids, mask = ids.to(model.device), mask.to(model.device)
            with torch.inference_mode():
                passed = model(
                    input_ids=ids,
                    attention_mask=mask,
                    output_hidden_states=True,
                    use_cache=False,
                    logits_to_keep=1,
                )
            ends = [[prompt.query.stop - 1, len(prompt.input_ids) - 1] for prompt in batch]
            rows = [torch.stack([h[i, end] for h in passed.hidden_states], 1) for i, end in enumerate(ends)]
            return {"states": _numpy(torch.stack(rows))}

        found.append(shard(reader, ("alone",), batch, measure)["states"])
    states = np.concatenate(found)
    return {"states": states, "predicted": states[:, :, -1]}
