"""The direct path from heads to logits: the final norm taken apart, and architectures without such a path."""

import pytest
import tiny
import torch

from iclnb.llm.attention import CaptureError
from iclnb.llm.attention.direct_path import FinalNorm, check_writing
from iclnb.llm.attention.residual_stream import final_norm

pytestmark = pytest.mark.tiny


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox", "falcon", "gemma3_text"])
def test_the_final_norm_is_a_scale_a_gain_and_an_offset(architecture):
    """Oracle: root mean square or standard deviation by its formula; the norm itself for the rest."""
    model = tiny.model(architecture)
    module, generator = final_norm(model), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        rows = torch.randn(5, 32, generator=generator) * torch.tensor([[1.0, 3, 10, 30, 100]]).T + 2
        found, outputs = FinalNorm(model), module(rows)
        assert found.centred == isinstance(module, torch.nn.LayerNorm)
        spread = rows.std(-1, correction=0) if found.centred else rows.pow(2).mean(-1).sqrt()
        torch.testing.assert_close(found.scale(rows, outputs), 1 / spread, rtol=1e-4, atol=1e-5)
        x = rows - rows.mean(-1, keepdim=True) if found.centred else rows
        by_parts = x / spread[:, None] * found.gain + found.offset
        torch.testing.assert_close(by_parts, outputs, rtol=1e-3, atol=1e-4)
        with pytest.raises(ValueError, match="scale"):
            found.scale(rows, torch.tanh(outputs))


WRITING = [
    "llama", "gpt2", "gptj", "gpt_neox", "gpt_neo", "qwen2", "phi", "opt", "bloom", "falcon", "gpt_oss"
]  # fmt: skip


@pytest.mark.parametrize("architecture", WRITING)
def test_what_heads_write_reaches_the_final_norm_before_norm(architecture):
    check_writing(tiny.model(architecture))


@pytest.mark.parametrize("architecture", ["gemma2", "gemma3_text"])
def test_what_is_normed_before_it_is_added_is_refused(architecture):
    with pytest.raises(CaptureError, match="changed before the final norm"):
        check_writing(tiny.model(architecture))


def test_what_is_scaled_before_it_is_added_is_refused():
    model = tiny.model("llama")
    for block in model.model.layers[1:2]:
        block.self_attn.register_forward_hook(lambda _, __, output: (output[0] / 2, *output[1:]))
    with pytest.raises(CaptureError, match="changed before the final norm"):
        check_writing(model)
