"""Why ablating heads costs what it costs: what they write themselves, and what the rest does in answer.

The logits of the label words are s * (sum of what was written to the residual stream) read by the
unembedding, where s is the final norm's scale. Ablating heads takes off their own part (*direct*), changes
what the layers above write (*later*: self-repair, McGrath et al. 2023, if it makes up for the loss), and
changes s (*scale*). The three add up to the whole effect.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclnb.llm.attention import CaptureError, Edit
from iclnb.llm.attention.direct_path import FinalNorm, check_writing, direct_logits, unembedding
from iclnb.llm.demonstrations import Prompts
from iclnb.llm.head_choice import Head
from iclnb.llm.label_words import continuations
from iclnb.llm.passes import Reading
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader
from iclnb.store import Arrays

DIRECT: Final = "direct: what the heads write"
LATER: Final = "indirect: what later layers write"
SCALE: Final = "indirect: scale of the final norm"
TOTAL: Final = "total"
PARTS: Final = (TOTAL, DIRECT, LATER, SCALE)


class Written(NamedTuple):
    """What was read of the label words' logits, prompt by prompt."""

    answers: Float[np.ndarray, "*prompts words"]  # log-probabilities of the words
    # the same logits without what the final norm's offset and the unembedding's bias add, up to a number that
    # all words share
    read: Float[np.ndarray, "*prompts words"]
    scale: Float[np.ndarray, " *prompts"]  # s of the final norm
    # what every head wrote, as the words' unembedding reads it; times s, its part in the logits
    heads: Float[np.ndarray, "*prompts layers heads words"]

    def row(self, row: int | np.integer) -> "Written":
        """One row of the first axis of the prompts."""
        return Written(*(part[row] for part in self))


class Path:
    """The direct path of one model to the label words of some prompts.

    Raises CaptureError if the logits are no such sum in this architecture, or a label word is of several
    tokens; the message says which.
    """

    def __init__(self, reader: Reader, wording: Wording, prompts: Prompts):
        self.reader, self.table = reader, np.asarray(prompts, dtype=object)
        model, flat = reader.loaded.model, self.table.ravel()
        words = continuations(reader.tokenizer, flat, wording)
        each = {tuple(word[0][1] for word in terms) for terms in words.terms}
        if not words.behind(flat) or len(each) > 1:
            raise CaptureError(model, "label words of several tokens have no one direction in it")
        (self.tokens,) = ([*tokens] for tokens in each)
        check_writing(model)
        self.norm = FinalNorm(model)
        self.reads = direct_logits(model, self.tokens, self.norm)
        self.rows, head = unembedding(model, self.tokens, self.norm), model.get_output_embeddings()
        weight = head.weight[self.tokens].detach().float()
        bias = 0 if getattr(head, "bias", None) is None else head.bias[self.tokens].detach().float()
        self.offset = (weight @ self.norm.offset.to(weight.device) + bias).cpu().numpy()

    def written(self, edit: Edit | None = None, row: int | np.integer | None = None) -> Written:
        """The prompts (or one ``row``) read, the heads' outputs replaced by an edit that has a ``key``.

        Raises CaptureError if the logits are not what the final norm and the unembedding make of the stream.
        """
        table = self.table if row is None else self.table[row]
        flat = table.ravel()
        seen = _Seen(self, edit, [len(prompt.input_ids) for prompt in flat])
        with seen.watching():
            rows = self.reader.rows(flat, seen.reduce, ("written", self.tokens), attention=False, edit=seen)
        shaped = {name: array.reshape(*table.shape, *array.shape[1:]) for name, array in rows.items()}
        return Written(read=shaped["answers"] - self.offset, **shaped)

    def of_means(
        self, means: Float[np.ndarray, "layers heads dim"]
    ) -> Float[np.ndarray, "layers heads words"]:
        """What mean head outputs write, as the words' unembedding reads it."""
        pairs = zip(means, self.reads, strict=True)
        return np.stack([np.einsum("hd,hdw->hw", mean, reads.cpu().numpy()) for mean, reads in pairs])


@dataclass
class _Seen:
    """What is seen of the passes of a batch, ``lengths`` of all prompts given."""

    path: Path
    replace: Edit | None
    lengths: Sequence[int]
    heads: dict[int, list[Tensor]] = field(default_factory=dict)
    stream: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def key(self) -> str | None:
        """Of the edit that is asked for; this one only looks."""
        return "" if self.replace is None else getattr(self.replace, "key", None)

    def __call__(self, layer: int, z: Float[Tensor, "prompts heads dim"]) -> Tensor:
        """The edit that is asked for; what the heads put out is kept as the words read it."""
        z = z if self.replace is None else self.replace(layer, z)
        logits = torch.einsum("phd,hdw->phw", z.float(), self.path.reads[layer].to(z.device))
        self.heads.setdefault(layer, []).append(logits.cpu())
        return z

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside the block what goes into and out of the final norm at the last token is kept."""

        def keep(_: torch.nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
            reads = len(next(iter(self.heads.values()), ()))
            if reads > len(self.stream):  # else a pass over earlier tokens alone
                self.stream.append((inputs[0][:, -1], outputs[:, -1]))

        hook = self.path.norm.module.register_forward_hook(keep)
        try:
            yield
        finally:
            hook.remove()

    def reduce(self, readings: list[Reading]) -> Arrays:
        """One batch: its answers, the norm's scale and the heads' parts, once they are checked.

        Readings stand in the order of their prompts; what was seen does in that of the passes, short ones first.
        """
        order = np.argsort([self.lengths[reading.index] for reading in readings], kind="stable").argsort()
        inputs, outputs = (torch.cat(parts)[order] for parts in zip(*self.stream, strict=True))
        heads = torch.stack([torch.cat(self.heads[layer])[order] for layer in sorted(self.heads)], 1).numpy()
        self.heads.clear()
        self.stream.clear()
        answers = np.stack([reading.log_probabilities[self.path.tokens] for reading in readings])
        scale = self._scale(inputs, outputs, answers)
        return {"answers": answers, "scale": scale, "heads": heads}

    def _scale(
        self, inputs: Tensor, outputs: Tensor, answers: Float[np.ndarray, "prompts words"]
    ) -> Float[np.ndarray, " prompts"]:
        """s of each prompt, once what it gives is seen to be what the model answered."""
        path, model = self.path, self.path.reader.loaded.model
        try:
            scale = path.norm.scale(inputs, outputs).cpu().numpy()
        except ValueError as error:
            raise CaptureError(model, str(error)) from None
        read = (inputs.float() @ path.rows.to(inputs.device).T).cpu().numpy()
        logits = scale[:, None] * read + path.offset
        differ = _centred(logits) - _centred(answers)
        tolerance = 2e-2 if outputs.element_size() < 4 else 1e-3
        if np.abs(differ).max() > tolerance * (1 + np.abs(logits).max()):
            raise CaptureError(model, "its logits are not what the unembedding reads of the final norm")
        return scale


def split(
    whole: Written,
    ablated: Written,
    heads: Iterable[Head],
    means: Float[np.ndarray, "layers heads words"],
) -> Mapping[str, Float[np.ndarray, "*prompts words"]]:
    """What the ablation of heads takes off the logits of the words, whole and in parts (:data:`PARTS`).

    With u what the unembedding reads of the stream and s the norm's scale, in the whole model and (primed)
    without the heads, which wrote d and now write m:

    - direct s (d - m),
    - later s (u - d - (u' - m)),
    - scale (s - s') u'.

    They add up to s u - s' u'. All are up to a number that the words share.
    """
    layers, places = np.array(list(heads), dtype=int).reshape(-1, 2).T
    lost = (whole.heads - means)[..., layers, places, :].sum(-2)
    direct = whole.scale[..., None] * lost
    scale = ((whole.scale / ablated.scale - 1)[..., None]) * _centred(ablated.read)
    total = whole.answers - ablated.answers
    return {TOTAL: total, DIRECT: direct, LATER: total - direct - scale, SCALE: scale}


def _centred(values: Float[np.ndarray, "*rows words"]) -> Float[np.ndarray, "*rows words"]:
    return values - values.mean(-1, keepdims=True)
