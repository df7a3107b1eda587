"""Whether what heads write reaches the logits unchanged, architecture by architecture."""

import pytest
import tiny

from iclnb.llm.attention import CaptureError
from iclnb.llm.attention.direct_path import check_writing

pytestmark = pytest.mark.tiny


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
