"""Tiny random models and tokenisers, made in memory: no download, no weights on disk."""

import json

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 97

torch.set_num_threads(1)  # operations this small lose by being shared out

_LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
_GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 4096}
_FALCON = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
_GEMMA = {**_LLAMA, "head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8}
_LONGROPE = {
    "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [2.0] * 4
}  # fmt: skip

ARCHITECTURES = {
    "llama": _LLAMA,
    "gpt2": _GPT2,
    "gptj": {**_GPT2, "rotary_dim": 4},
    "gpt_neox": _LLAMA,
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 4, "num_heads": 4, "max_position_embeddings": 4096,
        "attention_types": [[["global", "local"], 2]], "window_size": 6,
    },
    "qwen2": _LLAMA,
    "qwen3": {**_LLAMA, "head_dim": 8},
    "mistral": {**_LLAMA, "sliding_window": 7},
    "gemma2": {**_GEMMA, "attn_logit_softcapping": 0.5},
    "gemma3_text": {**_GEMMA, "num_hidden_layers": 7},
    "phi": _LLAMA,
    "phi3 longrope": {
        **_LLAMA, "pad_token_id": 0, "max_position_embeddings": 128,
        "original_max_position_embeddings": 16, "rope_parameters": _LONGROPE,
    },
    "llama dynamic rope": {
        **_LLAMA, "max_position_embeddings": 16,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
    },
    "opt": {**_FALCON, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 4096},
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
    "falcon": {**_FALCON, "alibi": False},
    "falcon alibi": {**_FALCON, "alibi": True, "multi_query": False},
    "falcon grouped": {**_FALCON, "num_kv_heads": 2, "new_decoder_architecture": True},
    "gpt_oss": {
        **_LLAMA, "head_dim": 8, "sliding_window": 6, "num_local_experts": 4, "num_experts_per_tok": 2
    },
    "mpt": {"d_model": 32, "n_layers": 3, "n_heads": 4},
    "codegen": {**_GPT2, "rotary_dim": 4},
}  # fmt: skip
"""Configurations of tiny causal language models, by model type (and variant)."""


def model(architecture: str, *, seed: int = 0, implementation: str = "eager", **changes):
    """A tiny random model whose weights are large enough for its attention to be far from uniform."""
    settings = {"vocab_size": VOCABULARY, **ARCHITECTURES[architecture], **changes}
    config = AutoConfig.for_model(architecture.split()[0], **settings)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = AutoModelForCausalLM.from_config(config, attn_implementation=implementation)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(6.0)
    return made


def reader(tokenizer="llama3", architecture: str = "llama", *, batch_size: int = 16, **changes):
    """A reader of a tiny model, with this tokeniser, or one of a family, that it knows all tokens of."""
    from iclnb.llm.models import LoadedModel
    from iclnb.llm.reader import Reader

    tokenizer = tokenizers()[tokenizer] if isinstance(tokenizer, str) else tokenizer
    made = model(architecture, **({"vocab_size": len(tokenizer)} | changes)).eval()
    return Reader(LoadedModel(made, tokenizer, {"name": "tiny"}), batch_size=batch_size)


_CORPUS = [
    "Review: a fine film, really good!\nSentiment: good\n\nReview: dull.\nSentiment: bad\n\n",
    "naïve café 😀 «ünïcödé» 東京 — text\n\n\n with   blank lines\tand tabs. The end.\n",
]


def tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    """Small tokenisers of the families in use, trained on a few sentences."""
    # GPT-2's: bytes, space before the word, offsets trimmed of white space
    gpt2 = Tokenizer(models.BPE())
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2.post_processor = processors.ByteLevel(trim_offsets=True)
    gpt2.decoder = decoders.ByteLevel()
    # Llama 3's and Qwen's: bytes, punctuation and line ends in one token (".\n\n"), an opening token
    llama3 = Tokenizer(models.BPE())
    pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    llama3.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    llama3.decoder = decoders.ByteLevel()
    # Llama 2's: spaces as ▁, one before the text, bytes for what is unknown
    llama2 = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama2.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
    ])  # fmt: skip

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    for tokenizer in (gpt2, llama3):
        tokenizer.train_from_iterator(
            _CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=["<s>"])
        )
    llama2.train_from_iterator(_CORPUS, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>"]))
    trained = json.loads(llama2.to_str())["model"]
    for i in range(256):  # as ordinary tokens: a trainer could only make them special
        trained["vocab"][f"<0x{i:02X}>"] = len(trained["vocab"])
    merges = [tuple(pair) for pair in trained["merges"]]
    llama2.model = models.BPE(trained["vocab"], merges, byte_fallback=True, unk_token="<unk>")
    for tokenizer in (llama3, llama2):
        opening = [("<s>", tokenizer.token_to_id("<s>"))]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=opening)
    return {
        name: PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)
        for name, tokenizer in (("gpt2", gpt2), ("llama3", llama3), ("llama2", llama2))
    }


def gemma_like():
    """Spaces as ▁ at the head of a word, one piece a word at most, an opening token."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    letters = [chr(i) for i in range(33, 127)] + ["\n", "▁"]
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=letters)
    text = "Review: a good film\nSentiment: good\n\nReview: a bad one\n: bad"
    made.train_from_iterator([text] * 5, trainer)
    bos = [("<bos>", made.token_to_id("<bos>"))]
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=bos)
    return made


def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's unigram model, as T5's and XLNet's: ▁ before every word, one before the text."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200,
        special_tokens=["<unk>", "<s>"],
        unk_token="<unk>",
        initial_alphabet=[chr(i) for i in range(33, 127)],
    )
    made.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def first_tokens(tokenizer, text, ends) -> list[int]:
    """The token behind ``text`` that each end begins with, where it does not merge with the text."""
    known = tokenizer(text)["input_ids"]
    known = known[:-1] if known[-1] == tokenizer.eos_token_id else known
    found = [tokenizer(text + end)["input_ids"] for end in ends]
    assert all(whole[: len(known)] == known for whole in found)
    return [whole[len(known)] for whole in found]


class Largest(TorchDispatchMode):
    """The largest tensor that any operation makes within the block: its numbers, and its bytes."""

    numbers = bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for made in out if isinstance(out, tuple | list) else (out,):
            if isinstance(made, torch.Tensor):
                self.numbers = max(self.numbers, made.numel())
                self.bytes = max(self.bytes, made.numel() * made.element_size())
        return out
