"""How attention over a demonstration becomes one weight, against a loop over its tokens."""

import itertools

import numpy as np
import pytest
import tiny

from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.kernel_weights import VARIANTS, kernel_weights
from iclnb.llm.prompts import Demonstration

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
TEXTS = ("fine film", "a really long text with many words, and dull", "good", "naïve 😀")


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_are_what_the_variant_says(variant):
    tokenizer = tiny.tokenizers()["gpt2"]
    shown = [Demonstration({"text": text}, i % 2) for i, text in enumerate(TEXTS)]
    made = prompts.build(tokenizer, FORMAT, ("bad", "good"), shown, {"text": TEXTS[0]})
    attention = np.random.default_rng(0).dirichlet(np.ones(len(made.input_ids)), size=(2, 3))
    attention[:, :, 0] = 9  # the sink: it must never count
    got = kernel_weights(attention, made, variant)
    decoded = [tokenizer.decode([token]) for token in made.input_ids]
    for i, text in enumerate(TEXTS):
        inside = range(made.x[i].start, made.y[i].stop)
        written = "".join(decoded[t] for t in inside)
        assert written.strip().startswith("Review") and written.endswith(("good", "bad")), (text, written)
        tokens = made.y[i].tokens if variant == "label" else [t for t in inside if t > 0]
        reduce = sum if variant == "sum" else max
        for layer, head in itertools.product(range(2), range(3)):
            want = reduce(attention[layer, head, t] for t in tokens)
            assert got[layer, head, i] == pytest.approx(want)
