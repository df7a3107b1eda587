"""What is known of language models before they are fetched: the packaged ones, and those pinned on the hub."""

from typing import NamedTuple

from iclnb.llm.data import packaged


class Card(NamedTuple):
    """What there is to know of a packaged language model before it is fetched."""

    name: str  # that `model` takes
    parameters: int  # number of weights, the embedding matrix counted once
    layers: int  # number of transformer layers
    heads: int  # attention heads of a layer
    key_value_heads: int  # heads of keys and values of a layer
    licence: str  # SPDX id
    download: int  # bytes


CARDS = tuple(
    Card(*row, "apache-2.0", packaged.of(row[0]).download)
    for row in (
        ("smollm2-135m-instruct", 134_515_008, 30, 9, 3),
        ("qwen2.5-coder-0.5b-instruct", 494_032_768, 24, 14, 2),
        ("qwen2.5-coder-1.5b-instruct", 1_543_714_304, 28, 12, 2),
    )
)
"""Every packaged language model, from small to large."""

HUB = {
    "EleutherAI/gpt-j-6b": (6_050_882_784, 4, ""),
    "meta-llama/Llama-2-7b-hf": (6_738_415_616, 2, "gated"),
    "meta-llama/Meta-Llama-3-8B": (8_030_261_248, 2, "gated"),
    "meta-llama/Llama-3.1-8B-Instruct": (8_030_261_248, 2, "gated"),
    "meta-llama/Llama-3.2-1B": (1_235_814_400, 2, "gated"),
    "Qwen/Qwen2.5-0.5B": (494_032_768, 2, ""),
    "Qwen/Qwen2.5-1.5B": (1_543_714_304, 2, ""),
    "Qwen/Qwen2.5-7B": (7_615_616_512, 2, ""),
    "Qwen/Qwen2.5-7B-Instruct": (7_615_616_512, 2, ""),
}
"""Pinned models of the hub: number of weights, bytes of each in its files, whether access is to be asked for."""
