"""Cost of capturing last-token attention, against ``output_attentions=True`` and against no capture at all.

Run by hand: ``.venv/bin/python tests/benchmarks/bench_attention.py [--tokens 400] [--prompts 8]``.
The three are interleaved in one process on the packaged model's architecture (random weights: the cost is
the same); time is given as the ratio to a plain forward pass of the same round, memory as the peak of a
process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from iclnb.llm.attention import last_token_attention

SMOLLM2_135M = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192,
}  # fmt: skip


def model(implementation: str) -> LlamaForCausalLM:
    config = LlamaConfig(**SMOLLM2_135M)
    return LlamaForCausalLM._from_config(config, attn_implementation=implementation).eval()


def plain(model, ids, mask):
    model(ids, attention_mask=mask, logits_to_keep=1, use_cache=False)


def capture(model, ids, mask):
    last_token_attention(model, ids, mask)


def eager(model, ids, mask):
    model(ids, attention_mask=mask, logits_to_keep=1, use_cache=False, output_attentions=True)


WAYS = {
    "plain forward": ("sdpa", plain),
    "last-token capture": ("sdpa", capture),
    "output_attentions": ("eager", eager),
}
"""Name -> attention implementation that the model is loaded with, and what is timed."""


def batch(prompts: int, tokens: int, padded: bool):
    ids = torch.randint(0, SMOLLM2_135M["vocab_size"], (prompts, tokens))
    mask = torch.ones_like(ids)
    if padded:
        for i in range(prompts):
            mask[i, tokens - i * tokens // (4 * prompts) :] = 0
    return ids, mask


def peak_megabytes(name: str, arguments: argparse.Namespace) -> float:
    """Memory that one call needs on top of the loaded model (Linux)."""
    command = [sys.executable, __file__, "--only", name, "--tokens", str(arguments.tokens)]
    command += ["--prompts", str(arguments.prompts)] + ["--padded"] * arguments.padded
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def resident(field: str) -> float:
    """VmRSS (now) or VmHWM (peak since the last reset) of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--padded", action="store_true", help="prompts of unequal length")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    inputs = batch(arguments.prompts, arguments.tokens, arguments.padded)
    if arguments.only:
        implementation, way = WAYS[arguments.only]
        loaded = model(implementation)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
        way(loaded, *inputs)
        print(resident("VmHWM") - before)
        return
    models = {implementation: model(implementation) for implementation in ("sdpa", "eager")}
    seconds = {name: [] for name in WAYS}
    for _ in range(arguments.rounds + 1):
        for name, (implementation, way) in WAYS.items():
            start = time.perf_counter()
            way(models[implementation], *inputs)
            seconds[name].append(time.perf_counter() - start)
    print(f"{arguments.prompts} prompts of {arguments.tokens} tokens, {torch.get_num_threads()} threads")
    for name, times in seconds.items():
        ratios = [t / p for t, p in zip(times[1:], seconds["plain forward"][1:], strict=True)]
        each = 1000 * statistics.median(times[1:]) / arguments.prompts
        print(
            f"{name:20s} {each:8.1f} ms a prompt, {statistics.median(ratios):5.2f} x plain "
            f"[{min(ratios):.2f}, {max(ratios):.2f}], {peak_megabytes(name, arguments):7.0f} MB on top"
        )


if __name__ == "__main__":
    main()
