"""Attention and answers under a shared prefix against full prompts, one by one, under eager attention."""

import pytest
import tiny
import torch
from llm.attention import sweep
from llm.attention.sweep import by_itself, padded

from iclnb.llm.attention import (
    CaptureError,
    architectures,
    attend,
    on_gpu,
    prefix,
    prefix_pass,
    prepare,
    split_softmax,
)

pytestmark = pytest.mark.tiny

REFUSED = {"phi3 longrope", "llama dynamic rope"}
"""Their keys depend on the length of the whole prompt."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(architectures, "BLOCK", 8)


def inputs(padding):
    """A prefix, suffixes of different lengths, and their mask."""
    return padded((20,), "none", 1)[0][0], *padded((12, 5, 8, 1), padding, 2)


@pytest.mark.parametrize("architecture", [name for name in tiny.ARCHITECTURES if name not in REFUSED])
def test_equals_full_prompts(architecture):
    """A prefix of 20 tokens; suffixes of 12, 5 and 1, padded on either side or not at all."""
    oracle = tiny.model(architecture).eval()
    for implementation in {"eager", "sdpa" if oracle._supports_sdpa else "eager"}:
        model = tiny.model(architecture, implementation=implementation)
        assert list(sweep.shared_prefix_cases(model, oracle, [20])) == []


def test_without_mask_and_without_attention():
    model = tiny.model("llama").eval()
    prefix, suffixes, _ = inputs("none")
    prepared = prepare(model, prefix.tolist())
    rows, said = attend(model, prepared, suffixes)
    want, _ = by_itself(model, torch.cat([prefix.expand(len(suffixes), -1), suffixes], 1))
    torch.testing.assert_close(rows, want, atol=1e-5, rtol=0)
    nothing, again = attend(model, prepared, suffixes, attention=False)
    assert nothing is None and torch.equal(said, again)


@pytest.mark.parametrize("part", ["_part", "_written_out"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merging_equals_one_softmax_over_joined_keys(dtype, part, monkeypatch):
    """Grouped heads, causal suffixes with padding; the flash kernel, and what runs where there is none."""
    monkeypatch.setattr(split_softmax, "_part", getattr(split_softmax, part))
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator).to(dtype)

    query, key, value = draw(3, 6, 5, 8), draw(3, 2, 5, 8), draw(3, 2, 5, 8)
    prefix_key, prefix_value = draw(2, 9, 8), draw(2, 9, 8)
    hidden = torch.ones(5, 5).triu(1).bool().expand(3, 1, 5, 5).clone()
    hidden[1, ..., :2] = True  # padding
    mask = torch.zeros(3, 1, 5, 5, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)
    keys, values = (
        torch.cat([a.expand(3, -1, -1, -1), b], 2).repeat_interleave(3, 1).double()
        for a, b in ((prefix_key, key), (prefix_value, value))
    )
    seen = torch.cat([torch.ones(3, 1, 5, 9).bool(), ~hidden], -1)
    scores = (query.double() @ keys.transpose(2, 3) * 0.3).masked_fill(~seen, -torch.inf)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    got = split_softmax.merged_attention(query, prefix_key, prefix_value, key, value, mask, 0.3)
    torch.testing.assert_close(got.double(), scores.softmax(-1) @ values, atol=tolerance, rtol=0)
    row = split_softmax.last_row(query[:, :, -1], prefix_key, key, mask[:, 0, -1], 0.3)
    torch.testing.assert_close(row.double(), scores.softmax(-1)[:, :, -1], atol=tolerance, rtol=0)


@pytest.mark.parametrize("side", ["left", "right", "none"])
def test_rows_placed_at_once_are_those_placed_one_by_one(side):
    """What a GPU does, done here."""
    lengths = torch.tensor([4, 4, 4] if side == "none" else [3, 1, 4])
    real = torch.arange(5 if side == "right" else 4) < lengths[:, None]  # five: a column of padding alone
    real = real.flip(1) if side == "left" else real
    order = torch.argsort(real.long(), dim=1, stable=True)
    rows = torch.rand(2, 3, 5, 6 + 4, generator=torch.Generator().manual_seed(0))
    rows[..., 6:] *= torch.gather(real, 1, order)[None, :, None, -4:]  # padding is attended to by none
    found = on_gpu.placed(list(rows), order, 6)
    for i, length in enumerate(lengths.tolist()):
        assert torch.equal(found[:, i], prefix._placed(list(rows), i, order[i], length, 6))


@pytest.mark.parametrize("last", [[8, 8], [8, 3]])
def test_last_rows_as_a_gpu_takes_them_equal_a_causal_softmax(last):
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(2, heads, 9, 4, generator=generator) for heads in (6, 2))
    scores = (query @ key.repeat_interleave(3, 1).transpose(2, 3)).double() * 0.4
    want = scores.masked_fill(torch.ones(9, 9).triu(1).bool(), -torch.inf).softmax(-1)
    want = torch.stack([want[i, :, row] for i, row in enumerate(last)])
    torch.testing.assert_close(on_gpu.last_rows(query, key, last, 0.4).double(), want, atol=1e-6, rtol=0)


def test_most_architectures_take_the_merged_way(monkeypatch):
    """Otherwise a change in the library would make everything slow without a word."""
    taken = []
    merged = split_softmax.merged_attention
    monkeypatch.setattr(prefix_pass, "merged_attention", lambda *words: taken.append(1) or merged(*words))
    for architecture in ("llama", "qwen2", "qwen3", "phi", "mistral"):
        changes = {"sliding_window": None} if architecture == "mistral" else {}
        model = tiny.model(architecture, **changes)
        prepared = prepare(model, inputs("right")[0])
        taken.clear()
        attend(model, prepared, *inputs("right")[1:])
        assert len(taken) == 3, architecture


@pytest.mark.parametrize("architecture", sorted(REFUSED))
def test_refuses_keys_that_depend_on_the_length_of_the_prompt(architecture):
    with pytest.raises(CaptureError, match="rotary"):
        prepare(tiny.model(architecture), [3, 4, 5])
