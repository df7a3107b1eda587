"""Batches by the memory that there is."""

import tiny
import torch

from iclnb.llm import memory
from iclnb.llm.attention import attend, prepare


class _Free:
    def __init__(self, available):
        self.available = available


def at_once(monkeypatch, free, **sizes):
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: _Free(free))
    return memory.queries_at_once(tiny.model("llama"), **({"prefix": 40, "suffix": 8, "most": 16} | sizes))


def test_fewer_queries_where_memory_is_short(monkeypatch):
    one = memory.bytes_per_query(tiny.model("llama"), prefix=40, suffix=8)
    assert at_once(monkeypatch, 2 * 16 * one) == 16 and at_once(monkeypatch, 2 * 16 * one - 2) == 15
    assert at_once(monkeypatch, 2 * 3 * one, prefix=400) < 3
    assert at_once(monkeypatch, 0) == 1 and at_once(monkeypatch, 10**12, most=300) == 300


def test_no_tensor_of_a_pass_is_larger_than_the_estimate():
    model = tiny.model("llama", implementation="sdpa", vocab_size=5000)
    prefix, batch = prepare(model, torch.arange(3, 203)), torch.randint(3, 99, (12, 20))
    attend(model, prefix, batch)
    with tiny.Largest() as largest:
        attend(model, prefix, batch)
    estimate = 12 * memory.bytes_per_query(model, prefix=200, suffix=20)
    assert estimate / 20 < largest.bytes < estimate
