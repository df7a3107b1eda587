"""Packed rows against the model's own passes over each text by itself, on tiny models of many architectures."""

import pytest
import tiny
import torch

from iclnb.llm.attention import CaptureError, packed, prepare

pytestmark = pytest.mark.tiny

ARCHITECTURES = ["llama", "gpt2", "gpt_neox", "qwen2", "gemma2", "gemma3_text", "mistral", "opt", "gpt_oss"]
IDS = torch.randint(3, tiny.VOCABULARY, (30,), generator=torch.Generator().manual_seed(0)).tolist()
BEFORE, SHARED = IDS[:7], IDS[7:12]
TEXTS = [IDS[12:20], IDS[20:23], IDS[23:24], IDS[24:30]]


@pytest.fixture(params=ARCHITECTURES)
def model(request):
    return tiny.model(request.param).eval()


def whole(model, ids, **settings):
    """One text under the model's own eager attention."""
    with torch.no_grad():
        return model(torch.tensor([ids]), **settings)


def test_every_text_is_read_as_if_by_itself(model):
    found = packed.read(
        model, prepare(model, BEFORE), SHARED, TEXTS, attention=True, states=[0, len(SHARED) - 1]
    )
    for i, text in enumerate(TEXTS):
        own = whole(model, BEFORE + SHARED + text, output_attentions=True, output_hidden_states=True)
        expected = own.logits[0, -1].log_softmax(-1)
        torch.testing.assert_close(found.log_probabilities[i], expected, rtol=0, atol=1e-4)
        rows = torch.stack([layer[0, :, -1] for layer in own.attentions])
        torch.testing.assert_close(found.attention(i), rows, rtol=0, atol=1e-5)
        states = torch.stack([layer[0, [7, 11, -1]] for layer in own.hidden_states], 1)
        torch.testing.assert_close(found.states[[0, 1, 2 + i]], states, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_logits_have_the_steps_of_float32_in_half_precision(architecture):
    """The oracle: the last states, multiplied by the output embedding in float32."""
    model = tiny.model(architecture).eval().to(torch.bfloat16)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(40)
    found = packed.read(model, prepare(model, BEFORE), SHARED, TEXTS, states=[0])
    logits = found.states[1:, -1].float() @ model.get_output_embeddings().weight.float().T
    cap = getattr(model.config, "final_logit_softcapping", None)
    expected = logits if cap is None else torch.tanh(logits / cap) * cap
    torch.testing.assert_close(found.log_probabilities, expected.log_softmax(-1), rtol=0, atol=1e-4)
    own = whole(model, BEFORE + SHARED + TEXTS[0]).logits[0, -1]
    assert (own.float() * 8 == (own.float() * 8).round()).float().mean() > 0.2, "its own logits are coarse"
    assert own.dtype == torch.bfloat16, "and stay as they were"


def test_what_is_remembered_of_a_row_can_be_read_on(model):
    found = packed.read(model, prepare(model, BEFORE), SHARED, TEXTS)
    pairs = [(found.before_the_last(i), BEFORE + SHARED + text[:-1]) for i, text in enumerate(TEXTS)]
    pairs += [(found.common(), BEFORE + SHARED), (found.common().first(9), (BEFORE + SHARED)[:9])]
    for got, ids in pairs:
        want = prepare(model, ids)
        assert got.input_ids == want.input_ids == tuple(ids)
        for one, other in zip((*got.keys, *got.values), (*want.keys, *want.values), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def masked(model, layer, tokens, head):
    """The whole text with an explicit mask for one head of one layer: the oracle of a knock-out."""
    named = (module for name, module in model.named_modules() if name.endswith(("attn", "attention")))
    module = next(module for module in named if getattr(module, "layer_idx", None) == layer)

    def hide(_, arguments, named):
        mask = named["attention_mask"].expand(-1, model.config.num_attention_heads, -1, -1).clone()
        mask[:, head, -1, tokens] = torch.finfo(mask.dtype).min
        return arguments, named | {"attention_mask": mask}

    handle = module.register_forward_pre_hook(hide, with_kwargs=True)
    try:
        return whole(model, BEFORE + SHARED, output_attentions=True)
    finally:
        handle.remove()


def test_hidden_tokens_are_those_of_an_explicit_mask(model):
    layer, head, tokens = 2, 1, [1, 2, 9]
    prefix, last = prepare(model, (BEFORE + SHARED)[:-1]), SHARED[-1:]
    hidden = torch.zeros(2, model.config.num_attention_heads, 11, dtype=torch.bool)
    hidden[1, head, tokens] = True
    found = packed.read(model, prefix, (), [last, last], attention=True, hidden={layer: hidden})
    for i, own in enumerate(
        (whole(model, BEFORE + SHARED, output_attentions=True), masked(model, layer, tokens, head))
    ):
        expected = own.logits[0, -1].log_softmax(-1)
        torch.testing.assert_close(found.log_probabilities[i], expected, rtol=0, atol=2e-4)
        rows = torch.stack([each[0, :, -1] for each in own.attentions])
        torch.testing.assert_close(found.attention(i), rows, rtol=0, atol=1e-5)
    assert not found.attention(1)[layer, head, tokens].any()
    assert (found.log_probabilities[0] - found.log_probabilities[1]).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", ["bloom", "gptj", "falcon", "llama dynamic rope"])
def test_other_architectures_are_refused_and_left_as_they_were(architecture):
    model = tiny.model(architecture).eval()
    before = whole(model, IDS).logits
    with pytest.raises(CaptureError):
        packed.read(model, prepare(tiny.model("llama"), BEFORE), SHARED, TEXTS)
    torch.testing.assert_close(whole(model, IDS).logits, before)


def test_a_row_that_lets_texts_see_each_other_is_refused(monkeypatch):
    own = packed.Packed._seen
    monkeypatch.setattr(packed.Packed, "_seen", lambda self, mask: own(self, mask) | True)
    with pytest.raises(CaptureError, match="differs"):
        packed.read(tiny.model("llama").eval(), prepare(tiny.model("llama"), BEFORE), SHARED, TEXTS)
