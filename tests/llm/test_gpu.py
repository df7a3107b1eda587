"""The same on CUDA: captured attention, shared prefixes, batches from free memory; skipped elsewhere."""

import copy

import numpy as np
import pytest
import tiny
import torch

from iclnb.llm import limits
from iclnb.llm.attention import last_token_attention, on_gpu, prefix, shared_prefix_attention
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt, Span
from iclnb.llm.reader import Reader

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and none is here"),
]

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
ARCHITECTURES = ("llama", "gpt2", "qwen2", "gemma2", "mistral", "gptj")


@pytest.fixture(params=TOLERANCE, ids=str)
def dtype(request):
    return request.param


def prompts(lengths=(40, 25, 31)):
    """Random tokens, padded on the right, and their mask."""
    ids = torch.randint(
        3, tiny.VOCABULARY, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0)
    )
    return ids, (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def eager(model, ids, mask):
    """The last row of each prompt by itself, and what follows it."""
    rows = torch.zeros(
        model.config.num_hidden_layers, len(ids), model.config.num_attention_heads, ids.shape[1]
    )
    logs = []
    for i, length in enumerate(mask.sum(1).tolist()):
        with torch.no_grad():
            found = model(ids[i : i + 1, :length].cuda(), output_attentions=True)
        for layer, attention in enumerate(found.attentions):
            rows[layer, i, :, :length] = attention[0, :, -1].float().cpu()
        logs.append(found.logits[0, -1].float().log_softmax(-1).cpu())
    return rows, torch.stack(logs)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_capture_equals_eager(architecture, dtype):
    ids, mask = prompts()
    model = tiny.model(architecture).eval().to("cuda", dtype)
    want, _ = eager(model, ids, mask)
    found = last_token_attention(model, ids, mask)
    assert found.device.type == "cpu"
    assert (found - want).abs().max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shared_prefix_equals_eager(architecture, dtype):
    ids, mask = prompts()
    model = tiny.model(architecture).eval().to("cuda", dtype)
    ids[:, :20] = ids[0, :20]
    want, logs = eager(model, ids, mask)
    rows, found = shared_prefix_attention(model, ids[0, :20], ids[:, 20:], mask[:, 20:])
    assert (rows.cpu() - want).abs().max() <= TOLERANCE[dtype]
    scale = 1 if dtype == torch.float32 else logs.abs().max()
    assert (found.cpu() - logs).abs().max() <= 10 * TOLERANCE[dtype] * scale


@pytest.mark.parametrize("padding", ["left", "right"])
def test_padded_suffixes_come_back_where_they_were(padding):
    """Suffixes of three lengths, and no attention asked for."""
    ids, mask = prompts((20, 11, 15))
    if padding == "left":
        ids, mask = ids.flip(1), mask.flip(1)
    model, before = tiny.model("llama").eval().cuda(), torch.arange(3, 24)
    rows, logs = shared_prefix_attention(model, before, ids, mask)
    for i, real in enumerate(mask.bool()):
        whole = torch.cat([before, ids[i, real]])[None]
        want, log = eager(model, whole, torch.ones_like(whole))
        seen = torch.cat([torch.ones_like(before).bool(), real])
        assert (rows[:, i, :, seen] - want[:, 0]).abs().max() <= 1e-5
        assert not rows[:, i, :, ~seen].any()
        assert (logs[i] - log[0]).abs().max() <= 1e-4
    none, again = prefix.attend(model, prefix.prepare(model, before), ids, mask, attention=False)
    assert none is None and torch.equal(again, logs)


def test_one_prompt_without_padding_equals_eager(dtype):
    ids, mask = prompts((33,))
    model = tiny.model("llama").eval().to("cuda", dtype)
    want, _ = eager(model, ids, mask)
    assert (last_token_attention(model, ids) - want).abs().max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dim", [8, 64, 80, 128])
@pytest.mark.parametrize("tokens", [1, 31, 700])
def test_the_kernels_equal_attention_in_float64(half, dim, tokens):
    generator = torch.Generator("cuda").manual_seed(0)
    made = [torch.randn(1, 3, n, dim, generator=generator, device="cuda") for n in (tokens, 999, 999)]
    for dtype, tolerance in ((half, 2e-2), (torch.float32, 1e-5)):
        query, key, value = (each.to(dtype) for each in made)
        scores = query.double() @ key.double().transpose(2, 3) * 0.2
        output, lse = on_gpu.fused(query, key, value, 0.2)
        assert output.dtype == dtype and lse.dtype == torch.float32
        assert (lse - scores.logsumexp(-1)).abs().max() <= 1e-4
        assert (output - scores.softmax(-1) @ value.double()).abs().max() <= tolerance


def test_common_architectures_take_the_kernel(monkeypatch, dtype):
    """Otherwise a change in the library would make everything slow without a word."""
    taken, plain = [], on_gpu.fused
    monkeypatch.setattr(on_gpu, "fused", lambda *parts: taken.append(plain(*parts)) or taken[-1])
    ids, mask = prompts()
    for architecture in ("llama", "qwen2", "qwen3", "phi"):
        model = tiny.model(architecture).eval().to("cuda", dtype)
        taken.clear()
        shared_prefix_attention(model, ids[0, :20], ids[:, 20:], mask[:, 20:])
        assert len(taken) >= 3 and None not in taken, architecture


def queries(count):
    ids = np.random.default_rng(0).integers(3, tiny.VOCABULARY, (count, 30))
    ids[:, :20] = ids[0, :20]
    return [Prompt("", tuple(row), (), (), (), Span(20, 30), ()) for row in ids.tolist()]


def test_a_reader_reads_the_same_as_on_the_processor():
    model, tokenizer = tiny.model("llama").eval(), tiny.tokenizers()["llama3"]
    found = []
    for device in ("cpu", "cuda"):
        reader = Reader(LoadedModel(copy.deepcopy(model).to(device), tokenizer, {}))
        readings = sorted(reader.read(queries(9)), key=lambda reading: reading.index)
        found.append(np.stack([reading.attention for reading in readings]))
    np.testing.assert_allclose(*found, atol=1e-5)


def test_a_batch_fits_the_free_memory(dtype):
    """The peak of a pass stays below what was foreseen, and little free memory makes a batch small."""
    model = tiny.model("llama").eval().to("cuda", dtype)
    size = {"prefix": 2000, "suffix": 40}
    each = limits.bytes_per_query(model, **size)
    free = torch.cuda.mem_get_info()[0]
    assert limits.queries_at_once(model, **size, most=free // each * 2) * each <= free
    assert limits.queries_at_once(model, **size, most=3) == 3
    count, prefix = 16, torch.randint(3, tiny.VOCABULARY, (2000,))
    suffix = torch.randint(3, tiny.VOCABULARY, (count, 40))
    shared_prefix_attention(model, prefix, suffix)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    shared_prefix_attention(model, prefix, suffix)
    shared = 2 * 2000 * model.config.hidden_size * model.config.num_hidden_layers * model.dtype.itemsize
    assert torch.cuda.max_memory_allocated() - before <= 2 * (count * each + shared) + 2**22
