"""Interventions on the last token against forward passes written out by hand, on tiny models."""

import pytest
import tiny
import torch

from iclnb.llm.attention import CaptureError, prepare
from iclnb.llm.attention.residual_hooks import Intervention, extend, observe
from iclnb.llm.attention.residual_stream import blocks, logit_lens

pytestmark = pytest.mark.tiny

ARCHITECTURES = ["llama", "gpt2", "gpt_neox", "qwen2", "gemma2", "mistral", "opt"]
IDS = torch.randint(3, tiny.VOCABULARY, (12,), generator=torch.Generator().manual_seed(0)).tolist()


def observed(model, *interventions):
    return observe(model, prepare(model, IDS[:-1]), IDS[-1], interventions)


def whole(model, **settings):
    """The whole prompt under the model's own eager attention."""
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS]), **settings)


@pytest.fixture(params=ARCHITECTURES)
def model(request):
    return tiny.model(request.param)


def test_without_a_change_it_is_the_models_own_pass(model):
    found, own = observed(model, Intervention(), Intervention()), whole(model, output_attentions=True)
    expected = own.logits[0, -1].log_softmax(-1)
    attention = torch.stack([layer[0, :, -1] for layer in own.attentions])
    for row in range(2):
        torch.testing.assert_close(found.log_probabilities[row], expected, rtol=0, atol=2e-4)
        torch.testing.assert_close(found.attention[row], attention, rtol=0, atol=1e-5)
    hidden = whole(model, output_hidden_states=True).hidden_states
    for layer in range(len(hidden) - 1):  # the last of them is normalised
        torch.testing.assert_close(found.states[0, layer], hidden[layer][0, -1], rtol=1e-3, atol=1e-3)


def test_a_replaced_state_is_that_of_a_pass_whose_layer_was_changed(model):
    vector = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(1)) * 3
    layer = 1

    def replace(_, arguments, named):
        hidden = (arguments[0] if arguments else named["hidden_states"]).clone()
        hidden[:, -1] = vector
        return (
            ((hidden, *arguments[1:]), named) if arguments else (arguments, named | {"hidden_states": hidden})
        )

    found = observed(
        model, Intervention(), Intervention(replaced={layer: vector}), Intervention(added={layer: vector})
    )
    handle = blocks(model)[layer].register_forward_pre_hook(replace, with_kwargs=True)
    expected = whole(model).logits[0, -1].log_softmax(-1)
    handle.remove()
    torch.testing.assert_close(found.log_probabilities[1], expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(found.states[2, layer], found.states[0, layer] + vector)
    assert (found.log_probabilities[0] - found.log_probabilities[1]).abs().max() > 1e-2
    assert (found.log_probabilities[0] - found.log_probabilities[2]).abs().max() > 1e-2
    again = observed(model, Intervention(replaced={layer: found.states[2, layer]}))
    torch.testing.assert_close(again.log_probabilities[0], found.log_probabilities[2], rtol=0, atol=1e-5)


def masked(model, layer, tokens):
    """The whole prompt, with an explicit mask of tokens² in one layer: the oracle of a knock-out."""
    attention = blocks(model)[layer]
    module = next(m for n, m in attention.named_modules() if n in ("self_attn", "attn", "attention"))

    def block(_, arguments, named):
        mask = named["attention_mask"].clone()
        mask[:, :, -1, tokens] = torch.finfo(mask.dtype).min
        return arguments, named | {"attention_mask": mask}

    handle = module.register_forward_pre_hook(block, with_kwargs=True)
    try:
        return whole(model, output_attentions=True)
    finally:
        handle.remove()


def test_blocked_tokens_are_those_of_an_explicit_mask(model):
    layer, tokens = 2, [1, 2, 9, 10]
    found = observed(model, Intervention(), Intervention(blocked={layer: tokens}))
    own = masked(model, layer, tokens)
    torch.testing.assert_close(
        found.log_probabilities[1], own.logits[0, -1].log_softmax(-1), rtol=0, atol=2e-4
    )
    torch.testing.assert_close(found.attention[1, layer], own.attentions[layer][0, :, -1], rtol=0, atol=1e-5)
    assert found.attention[1, layer][:, tokens].max() == 0
    torch.testing.assert_close(found.attention[1, :layer], found.attention[0, :layer])


def test_replaced_head_outputs_stand_in_one_row_only(model):
    plain = observed(model, Intervention(), Intervention())
    z = torch.zeros_like(plain.outputs[0, 1])
    found = observed(
        model, Intervention(), Intervention(heads={1: z}), Intervention(heads={1: plain.outputs[0, 1]})
    )
    assert not found.outputs[1, 1].any()
    torch.testing.assert_close(found.log_probabilities[0], found.log_probabilities[2], rtol=0, atol=1e-5)
    assert (found.log_probabilities[0] - found.log_probabilities[1]).abs().max() > 1e-2


def test_the_lens_after_the_last_layer_is_the_answer(model):
    found = observed(model, Intervention())
    lens = logit_lens(model, found.states, range(tiny.VOCABULARY))
    soft = getattr(model.config, "final_logit_softcapping", None)
    last = lens[0, -1] if soft is None else soft * torch.tanh(lens[0, -1] / soft)
    torch.testing.assert_close(last.log_softmax(-1), found.log_probabilities[0], rtol=0, atol=2e-4)


def test_a_prefix_can_be_read_in_two_parts(model):
    once, parts = prepare(model, IDS[:-1]), extend(model, prepare(model, IDS[:4]), IDS[4:-1])
    assert parts.input_ids == once.input_ids
    for a, b in zip((*once.keys, *once.values), (*parts.keys, *parts.values), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    assert extend(model, once, []) is once


def test_other_architectures_are_refused_and_left_as_they_were():
    model = tiny.model("bloom")
    before = whole(model).logits
    with pytest.raises(CaptureError, match="Bloom"):
        observed(model, Intervention())
    torch.testing.assert_close(whole(model).logits, before)
