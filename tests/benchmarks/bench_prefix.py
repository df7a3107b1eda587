"""Throughput of queries under shared demonstrations, against eager ``output_attentions=True`` per test point.

Run by hand on a quiet machine: ``.venv/bin/python tests/benchmarks/bench_prefix.py [--queries 128]``.
Interleaved in one process on the packaged model's architecture (random weights: the cost is the same). In
each round some test points go the eager way (full prompt, float32), then all of them on top of a shared
prefix, whose own pass is counted in, in float32 and in bfloat16. Ratios are of times per test point within a
round. Beside them stand the machine's matrix-multiply peak and the rate that is reached, and the memory that
twice as many queries need.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from bench_attention import SMOLLM2_135M, model, resident

from iclnb.llm.attention import attend, prepare

DTYPES = (torch.float32, torch.bfloat16)


def peak_gflops(dtype: torch.dtype, size: int = 2048) -> float:
    """The best of several square matrix products."""
    a, b = torch.randn(2, size, size).to(dtype)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def needed_gflop(suffix: float, prefix: int) -> float:
    """What one query needs: linear layers and attention over its tokens, and one row of logits."""
    c = SMOLLM2_135M
    width, inner, layers, vocabulary = (
        c[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size")
    )
    kv_width = width * c["num_key_value_heads"] // c["num_attention_heads"]
    linear = 2 * width * (2 * width + 2 * kv_width + 3 * inner) * suffix
    attention = 4 * width * suffix * (prefix + suffix / 2)
    return (layers * (linear + attention) + 2 * width * vocabulary) / 1e9


def suffixes(queries: int, mean: int) -> list[torch.Tensor]:
    """Random queries of different lengths, sorted, as ``iclnb.llm.reader.Reader`` orders them."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(mean // 2, mean + mean // 2 + 1, (queries,), generator=generator)
    return [
        torch.randint(0, SMOLLM2_135M["vocab_size"], (length,), generator=generator)
        for length in sorted(lengths.tolist())
    ]


def eagerly(loaded, prefix, rows) -> None:
    for row in rows:
        ids = torch.cat([prefix, row])[None]
        found = loaded(ids, logits_to_keep=1, use_cache=False, output_attentions=True)
        torch.stack([layer[0, :, -1] for layer in found.attentions])
        found.logits[:, -1].log_softmax(-1)


def shared(loaded, prefix, rows, batch_size) -> None:
    prepared = prepare(loaded, prefix)
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in batch], batch_first=True)
        attend(loaded, prepared, ids, mask)


def grown(loaded, prefix, rows, batch_size) -> float:
    """The peak of memory, in MB above what the process holds, while these queries are read."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    shared(loaded, prefix, rows, batch_size)
    return resident("VmHWM") - before


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", type=int, default=595)
    parser.add_argument("--suffix", type=int, default=27, help="mean length of a query")
    parser.add_argument("--queries", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--eager", type=int, default=4, help="test points a round that go the eager way")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    eager = model("eager")
    models = {dtype: model("sdpa").to(dtype) for dtype in DTYPES}
    prefix = torch.randint(0, SMOLLM2_135M["vocab_size"], (arguments.prefix,))
    rows = suffixes(arguments.queries, arguments.suffix)
    some = rows[:: max(1, len(rows) // arguments.eager)][: arguments.eager]
    seconds = {"eager": [], **{dtype: [] for dtype in DTYPES}}
    for _ in range(arguments.rounds + 1):
        start = time.perf_counter()
        eagerly(eager, prefix, some)
        seconds["eager"].append((time.perf_counter() - start) / len(some))
        for dtype in DTYPES:
            start = time.perf_counter()
            shared(models[dtype], prefix, rows, arguments.batch_size)
            seconds[dtype].append((time.perf_counter() - start) / len(rows))
    report(arguments, seconds, models, prefix, rows)


def report(arguments, seconds, models, prefix, rows) -> None:
    print(
        f"prefix {arguments.prefix}, {len(rows)} queries of {arguments.suffix} tokens on average, batches of "
        f"{arguments.batch_size}, {torch.get_num_threads()} threads"
    )
    print(f"eager, output_attentions: {1000 * statistics.median(seconds['eager'][1:]):8.1f} ms a test point")
    need = needed_gflop(sum(map(len, rows)) / len(rows), arguments.prefix)
    for dtype in DTYPES:
        times = seconds[dtype][1:]
        ratios = [e / t for e, t in zip(seconds["eager"][1:], times, strict=True)]
        peak, rate = peak_gflops(dtype), need / statistics.median(times)
        small, large = (grown(models[dtype], prefix, part, arguments.batch_size) for part in (rows, rows * 2))
        name = str(dtype).removeprefix("torch.")
        print(
            f"shared prefix, {name:9s} {1000 * statistics.median(times):6.1f} ms, "
            f"{statistics.median(ratios):5.1f} times the throughput [{min(ratios):.1f}, {max(ratios):.1f}], "
            f"{rate:.0f} of {peak:.0f} GFLOP/s; "
            f"memory on top {small:.0f} MB, twice the queries {large:.0f} MB"
        )


if __name__ == "__main__":
    main()
