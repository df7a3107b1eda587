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
LENGTHS = (11, 7)
MASK = (torch.arange(11) < torch.tensor(LENGTHS)[:, None]).long()


def logits(model, ids=IDS, mask=MASK):
    with torch.no_grad():
        said = model.eval()(ids, attention_mask=mask).logits
    return torch.stack([said[i, length - 1] for i, length in enumerate(mask.sum(1))])


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
    model = tiny.model(architecture)
    layer, head = model.config.num_hidden_layers - 2, 2
    with head_outputs(model, zeroing(layer, head), [10, 6]):
        found = logits(model)
    for i, length in enumerate(LENGTHS):
        cache = DynamicCache()
        with torch.no_grad():
            model(IDS[i : i + 1, : length - 1], past_key_values=cache)
            cut = without_head(model, layer, head).eval()
            expected = cut(IDS[i : i + 1, length - 1 : length], past_key_values=cache).logits[0, -1]
        torch.testing.assert_close(found[i], expected, atol=2e-4, rtol=1e-4)
    assert (found - logits(model)).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_edit_sees_is_attention_times_values(architecture):
    model, seen, cache = tiny.model(architecture), {}, DynamicCache()
    plain = logits(model)
    with head_outputs(model, lambda layer, z: seen.setdefault(layer, z), [None, 6]):
        same = logits(model)
    assert torch.equal(plain, same)
    with torch.no_grad():
        maps = model(IDS[1:, :7], past_key_values=cache, output_attentions=True).attentions
    assert sorted(seen) == list(range(len(maps)))
    for layer, attention in enumerate(maps):
        values = cache.layers[layer].values[0]
        values = values.repeat_interleave(attention.shape[1] // len(values), dim=0)
        expected = torch.einsum("ht,htd->hd", attention[0, :, -1], values)
        assert seen[layer].shape == (1, *expected.shape)
        torch.testing.assert_close(seen[layer][0], expected, atol=1e-4, rtol=1e-4)


def test_a_prompt_at_none_is_left_alone():
    model = tiny.model("llama")
    plain = logits(model)
    with head_outputs(model, zeroing(1, 0), [10, None]):
        found = logits(model)
    assert torch.equal(found[1], plain[1])
    assert not torch.allclose(found[0], plain[0], atol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "falcon"])
def test_edits_on_top_of_a_shared_prefix(architecture):
    """The engine's ``edit`` equals the same edit of full prompts."""
    model = tiny.model(architecture, implementation="sdpa" if architecture == "llama" else "eager")
    ids = torch.cat([IDS[:1, :6].expand(2, -1), IDS[:, 6:]], dim=1)
    mask = (torch.arange(11) < torch.tensor([11, 8])[:, None]).long()
    with head_outputs(model, zeroing(1, 3), [10, 7]):
        expected = torch.log_softmax(logits(model, ids, mask), -1)
    _, found = attend(model, prepare(model, ids[0, :6]), ids[:, 6:], mask[:, 6:], edit=zeroing(1, 3))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (expected - torch.log_softmax(logits(model, ids, mask), -1)).abs().max() > 1e-3


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
    with pytest.raises(ValueError, match="3 prompts"), head_outputs(model, lambda layer, z: z, [0, 0, 0]):
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
