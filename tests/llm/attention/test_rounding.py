"""Half precision: fused attention is used where it is right, whatever eager attention rounds."""

import copy

import pytest
import tiny
import torch

from iclnb.llm.attention import last_token, last_token_attention, prefix, prefix_pass, probe
from iclnb.llm.attention import shared_prefix_attention as shared

pytestmark = pytest.mark.tiny

PREFIX, SUFFIX = torch.arange(10, 40), torch.tensor([[31, 62, 33, 4], [50, 6, 71, 8]])
WHOLE = torch.cat([PREFIX.expand(len(SUFFIX), -1), SUFFIX], dim=1)


def with_large_scores():
    """A tiny Qwen 2 in bfloat16: one number of each query and key, hardly rotated, lifts all scores by 90."""
    model = tiny.model("qwen2", implementation="sdpa").eval()
    with torch.no_grad():
        for layer in model.model.layers:
            for part in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                part.weight.view(-1, 8, 32)[:, [3, 7]] = 0
                part.bias.view(-1, 8)[:, 3] = 16
    return model.to(torch.bfloat16)


def eager(model):
    """The last rows of the whole prompts, and what comes next, by the library's eager attention alone."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        found = model(WHOLE, output_attentions=True)
    rows = torch.stack([layer[:, :, -1].float() for layer in found.attentions])
    return rows, found.logits[:, -1].float().softmax(-1)


def distance(one, other):
    """Mean total variation distance."""
    return float((one - other).abs().sum(-1).mean() / 2)


def test_scores_that_eager_attention_rounds_do_not_cost_fused_attention():
    model = with_large_scores()
    exact, rounded = eager(copy.deepcopy(model).float()), eager(copy.deepcopy(model))
    assert distance(rounded[0], exact[0]) > 0.05  # so much that it looks like a mistake
    rows, logs = shared(model, PREFIX, SUFFIX)
    assert prefix._way(model).through == "interface"
    assert distance(rows, exact[0]) < distance(rounded[0], exact[0]) / 4
    assert distance(logs.exp(), exact[1]) < distance(rounded[1], exact[1]) / 4
    rows = last_token_attention(model, WHOLE)
    assert probe.way_to_last_tokens(model, last_token.WAYS, last_token.capture, left=False) == "sdpa"
    assert distance(rows, exact[0]) < distance(rounded[0], exact[0]) / 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_fused_attention_that_is_a_little_wrong_is_not_used(dtype, monkeypatch):
    plain, fused = prefix_pass.merged_attention, last_token.sdpa_attention_forward

    def wrong(*arguments):
        return 1.01 * plain(*arguments)

    def wrong_too(*arguments, **settings):
        output, none = fused(*arguments, **settings)
        return 1.01 * output, none

    monkeypatch.setattr(prefix_pass, "merged_attention", wrong)
    monkeypatch.setattr(last_token, "sdpa_attention_forward", wrong_too)
    model = tiny.model("llama", implementation="sdpa").to(dtype)
    assert prefix._way(model).through == "cache"
    assert probe.way_to_last_tokens(model, last_token.WAYS, last_token.capture, left=False) == "interface"
