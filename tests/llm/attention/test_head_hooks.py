"""Head outputs against attention times values; edited head outputs against models with edited weights."""

import copy

import pytest
import tiny
import torch
from transformers import BertConfig, BertLMHeadModel, DynamicCache

from iclnb.errors import IclnbError
from iclnb.llm.attention import attend, prepare
from iclnb.llm.attention.head_hooks import head_outputs

pytestmark = pytest.mark.tiny

ARCHITECTURES = [
    "llama", "qwen2", "gemma2", "gemma3_text", "mistral", "gptj", "gpt2", "gpt_neox", "gpt_neo", "opt", "phi",
    "falcon", "falcon grouped", "bloom", "mpt", "codegen", "qwen3",
]  # fmt: skip
IDS = torch.randint(3, tiny.VOCABULARY, (2, 11), generator=torch.Generator().manual_seed(0))


def logits(model, ids=IDS):
    with torch.no_grad():
        return model.eval()(ids).logits[:, -1]


def zeroing(layer, head):
    def edit(at, z):
        z = z.clone()
        if at == layer:
            z[:, head] = 0
        return z

    return edit


def without_head(model, layer, head):
    """A copy whose output projection reads nothing from one head."""
    model = copy.deepcopy(model)
    names = ("o_proj", "out_proj", "attn.c_proj", "dense")
    weights = [
        m.weight for n, m in model.named_modules()
        if n.endswith(names) and ("attn" in n or "attention" in n) and "mlp" not in n
    ]  # fmt: skip
    assert len(weights) == model.config.num_hidden_layers
    width = weights[layer].shape[1] // model.config.num_attention_heads
    part = slice(head * width, (head + 1) * width)
    with torch.no_grad():
        if model.config.model_type == "gpt2":  # Conv1D: (in, out)
            weights[layer][part] = 0
        else:
            weights[layer][:, part] = 0
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_zeroing_a_head_equals_reading_nothing_from_it(architecture):
    """Oracle: the prompt but its last token by the model, the last token by a copy with the head cut off."""
    model, cache = tiny.model(architecture), DynamicCache()
    layer, head = model.config.num_hidden_layers - 2, 2
    with head_outputs(model, zeroing(layer, head)):
        found = logits(model)
    with torch.no_grad():
        model(IDS[:, :-1], past_key_values=cache)
        cut = without_head(model, layer, head).eval()
        expected = cut(IDS[:, -1:], past_key_values=cache).logits[:, -1]
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    assert (found - logits(model)).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_edit_sees_is_attention_times_values(architecture):
    model, seen, cache = tiny.model(architecture), {}, DynamicCache()
    plain = logits(model)
    with head_outputs(model, lambda layer, z: seen.setdefault(layer, z)):
        same = logits(model)
    assert torch.equal(plain, same)
    with torch.no_grad():
        maps = model(IDS, past_key_values=cache, output_attentions=True).attentions
    assert sorted(seen) == list(range(len(maps)))
    for layer, attention in enumerate(maps):
        values = cache.layers[layer].values
        values = values.repeat_interleave(attention.shape[1] // values.shape[1], dim=1)
        expected = torch.einsum("pht,phtd->phd", attention[:, :, -1], values)
        torch.testing.assert_close(seen[layer], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "falcon"])
def test_edits_on_top_of_a_shared_prefix(architecture):
    """The engine's ``edit``, of suffixes of 5 and 2 tokens, equals the same edit of full prompts."""
    model = tiny.model(architecture, implementation="sdpa" if architecture == "llama" else "eager")
    mask = (torch.arange(5) < torch.tensor([5, 2])[:, None]).long()
    _, found = attend(model, prepare(model, IDS[0, :6]), IDS[:, 6:], mask, edit=zeroing(1, 3))
    for i, length in enumerate((5, 2)):
        whole = torch.cat([IDS[0, :6], IDS[i, 6 : 6 + length]])[None]
        with head_outputs(model, zeroing(1, 3)):
            expected = logits(model, whole).log_softmax(-1)[0]
        torch.testing.assert_close(found[i], expected, atol=1e-4, rtol=1e-4)
        assert (expected - logits(model, whole).log_softmax(-1)[0]).abs().max() > 1e-3


def hooks(model):
    return sum(len(module._forward_pre_hooks) for module in model.modules())


def test_nothing_stays_behind_after_an_exception():
    model = tiny.model("gptj")
    plain = logits(model)

    def failing(layer, z):
        if layer == 1:
            raise RuntimeError("stop")
        return z * 0

    with pytest.raises(RuntimeError, match="stop"), head_outputs(model, failing):
        assert hooks(model) > 0
        logits(model)
    assert hooks(model) == 0
    assert torch.equal(logits(model), plain)


def test_wrong_shapes_are_refused():
    model = tiny.model("llama")
    with pytest.raises(ValueError, match="returned"), head_outputs(model, lambda layer, z: z[:, 1:]):
        logits(model)


def test_an_architecture_without_a_known_projection_is_named():
    settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    model = BertLMHeadModel(BertConfig(vocab_size=97, is_decoder=True, **settings))
    with pytest.raises(IclnbError, match="BertLMHeadModel"), head_outputs(model, lambda layer, z: z):
        pass


def test_a_projection_that_is_not_called_is_noticed():
    """Bloom's tensor-parallel emulation multiplies by slices of the weight and never calls the module."""
    model = tiny.model("bloom", slow_but_exact=True, pretraining_tp=2)
    with pytest.raises(IclnbError, match="BloomForCausalLM"), head_outputs(model, lambda layer, z: z * 0):
        logits(model)
