"""Which heads carry what labels change: answers when heads cannot attend to the labels from the last token.

Nothing done to the last token changes the tokens before it. So these are read once, and every knock-out is one
more pass of the last token alone. Chapters 03 and 07 choose the heads of most :func:`loss`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.errors import IclnbError
from iclnb.llm import flips
from iclnb.llm.attention import SharedPrefix
from iclnb.llm.attention.packed import Packed, read
from iclnb.llm.attention.refusals import layers
from iclnb.llm.head_choice import Head
from iclnb.llm.prompts import Prompt, Wording
from iclnb.llm.reader import Reader

Hidden = Literal["labels", "demonstrations"]

_AT_ONCE = 96  # Knock-outs in one pass


class KnockOut(NamedTuple):
    """Heads that cannot attend to some tokens; without any the model is as it is."""

    heads: Collection[Head] = ()  # pairs of layer and head
    # what they cannot attend to: the label words of the demonstrations, or all of these
    hidden: Hidden = "labels"


def every_head(model: PreTrainedModel) -> list[Head]:
    """All heads, layer by layer."""
    heads = model.config.get_text_config(decoder=True).num_attention_heads
    return [(layer, head) for layer in range(layers(model)) for head in range(heads)]


def knocked_out(
    reader: Reader,
    prompts: Sequence[Prompt],
    flipped: Prompt,
    wording: Wording,
    knock_outs: Sequence[KnockOut],
) -> Float[np.ndarray, "2 prompts knock_outs words"]:
    """Answers as the labels are and with all of them flipped, under every knock-out.

    A head's attention over the other tokens grows in proportion, as if those hidden were not there. Words are
    scored by their first token. What is measured is kept.

    Raises IclnbError if two label words begin with the same token, or the architecture cannot be followed.
    """
    read_in = flips.contexts(reader.tokenizer, prompts, [flipped], wording)
    texts, tokens = first_tokens(read_in, wording)

    def measure() -> dict[str, np.ndarray]:
        model, found = reader.loaded.model, []
        for row, labelled in zip(flips.rows(model, read_in), (prompts[0], flipped), strict=True):
            hidden = {kind: _places(labelled, kind) for kind in get_args(Hidden)}
            pairs = zip(texts, tokens, strict=True)
            found.append([_without(model, row, text, knock_outs, hidden, words) for text, words in pairs])
        return {"answers": np.array(found)}

    what = [(sorted(one.heads), one.hidden) for one in knock_outs]
    return reader.kept("knock-outs", [*prompts, flipped], [what, tokens], measure)["answers"]


def first_tokens(read_in: flips.Contexts, wording: Wording) -> tuple[list[int], list[list[int]]]:
    """The text behind which each prompt's words begin, and their first tokens; IclnbError if two are alike."""
    terms = read_in.words.terms
    tokens = [[word[0][1] for word in words] for words in terms]
    if any(len({*each}) < len(each) for each in tokens):
        raise IclnbError(f"label words {', '.join(wording.words)} begin with the same token; take others")
    return [words[0][0][0] for words in terms], tokens


def _places(prompt: Prompt, hidden: Hidden) -> list[int]:
    """The tokens of all labels, or of all demonstrations but the first token of the prompt."""
    if hidden == "labels":
        return [token for span in prompt.y for token in span.tokens]
    return list(range(max(1, prompt.x[0].start), prompt.query.start))


def _without(
    model: PreTrainedModel,
    row: Packed,
    text: int,
    knock_outs: Sequence[KnockOut],
    places: Mapping[Hidden, Sequence[int]],
    words: Sequence[int],
) -> Float[np.ndarray, "knock_outs words"]:
    """One text of a row under every knock-out."""
    before, last, found = row.before_the_last(text), row.continuations[text][-1], []
    for start in range(0, len(knock_outs), _AT_ONCE):
        batch = knock_outs[start : start + _AT_ONCE]
        again = read(model, before, (), [(last,)] * len(batch), hidden=_hidden(model, before, batch, places))
        found.append(again.log_probabilities[:, list(words)].cpu().numpy())
    return np.concatenate(found)


def _hidden(
    model: PreTrainedModel,
    before: SharedPrefix,
    knock_outs: Sequence[KnockOut],
    places: Mapping[Hidden, Sequence[int]],
) -> dict[int, Bool[Tensor, "knock_outs heads prefix"]]:
    """For every layer in which heads are knocked out what these cannot see."""
    heads = model.config.get_text_config(decoder=True).num_attention_heads
    found: dict[int, Tensor] = {}
    for row, one in enumerate(knock_outs):
        for layer, head in one.heads:
            if layer not in found:
                found[layer] = torch.zeros(len(knock_outs), heads, len(before.input_ids), dtype=torch.bool)
            found[layer][row, head, places[one.hidden]] = True
    return found


def influence_left(
    answers: Float[np.ndarray, "*sets 2 prompts knock_outs words"],
) -> Float[np.ndarray, "*sets knock_outs"]:
    """What the labels still change under each knock-out, in units of what they change without.

    With D the change of the words' log-odds when all labels are flipped, and D' that under a knock-out, Σ D'·D
    over the prompts. Summed over sets and divided by that of the first knock-out, which should be of no heads,
    it is a slope: 1 where nothing is lost, 0 where nothing is left.
    """
    odds = answers - answers.mean(-1, keepdims=True)
    change = odds[..., 0, :, :, :] - odds[..., 1, :, :, :]
    return (change * change[..., :1, :]).sum((-3, -1))


def loss(
    left: Float[np.ndarray, "sets layers heads"], whole: Float[np.ndarray, " sets"]
) -> Float[np.ndarray, "layers heads"]:
    """The share of the labels' influence that is lost without a head."""
    return 1 - left.sum(0) / whole.sum()
