"""GGUF files of tiny models, written with llama.cpp's own library."""

import json

import gguf
import numpy as np
import tiny
import torch

_LAYER = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip
"""llama.cpp's name of a layer's part -> 🤗 transformers' name."""

F32, F16, BF16, Q8_0 = (getattr(gguf.GGMLQuantizationType, name) for name in ("F32", "F16", "BF16", "Q8_0"))


def model(architecture="llama", seed=0):
    """A tiny model with the attention of a loaded one, and its tokenizer (GPT-2's kind)."""
    tokenizer = tiny.tokenizers()["gpt2"]
    how = {"vocab_size": len(tokenizer), "initializer_range": 0.25, "implementation": "sdpa"}
    return tiny.model(architecture, seed=seed, **how), tokenizer


def write(path, architecture="llama", *, seed=0, kind=F32, without=(), extra=(), values=None):
    """Write the model to ``path`` as llama.cpp's converter would; returns it.

    Args:
        architecture: of the weights, and what the file says.
        kind: of the matrices; vectors stay in fp32, rows that cannot be quantised too.
        without: names of tensors to leave out.
        extra: names of tensors to add, of two ones each.
        values: further entries, or others in place of the usual ones.
    """
    made, tokenizer = model(architecture, seed)
    config, state = made.config, made.state_dict()
    entries = {
        "block_count": config.num_hidden_layers, "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size, "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "rope.dimension_count": config.hidden_size // config.num_attention_heads,
        "rope.freq_base": float(config.rope_parameters["rope_theta"]),
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "vocab_size": config.vocab_size,
    }  # fmt: skip
    values = values or {}
    told = values.get("general.architecture", architecture)
    writer = gguf.GGUFWriter(path, told)
    writer.add_name("Tiny")
    for key, value in {f"{told}.{key}": value for key, value in entries.items()}.items():
        writer.add_float32(key, value) if isinstance(value, float) else writer.add_uint32(key, value)
    for key, value in values.items():
        if key != "general.architecture":
            writer.add_string(key, value) if isinstance(value, str) else writer.add_uint16(key, value)
    _add_tokenizer(writer, tokenizer)
    for name, tensor in tensors(config, state, architecture):
        if name not in without:
            _add(writer, name, tensor, kind)
    for name in extra:
        writer.add_tensor(name, np.ones(2, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return made


def logits(model, ids):
    """(tokens, vocabulary) of a batch of one."""
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float()


def _add(writer, name, tensor, kind):
    array = tensor.float().numpy()
    block = 32 if kind == Q8_0 else 1
    if kind == F32 or array.ndim == 1 or array.shape[-1] % block:
        writer.add_tensor(name, array)
    else:
        writer.add_tensor(name, gguf.quantize(array, kind), raw_dtype=kind)


def tensors(config, state, architecture):
    yield "token_embd.weight", state["model.embed_tokens.weight"]
    yield "output_norm.weight", state["model.norm.weight"]
    if not config.tie_word_embeddings:
        yield "output.weight", state["lm_head.weight"]
    groups = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for i in range(config.num_hidden_layers):
        for theirs, ours in _LAYER.items():
            for part in ("weight", "bias"):
                tensor = state.get(f"model.layers.{i}.{ours}.{part}")
                if tensor is None:
                    continue
                if architecture == "llama" and theirs in groups:  # pairs of a rotation side by side
                    half = tensor.reshape(groups[theirs], 2, -1, tensor.shape[-1])
                    tensor = half.swapaxes(1, 2).reshape(tensor.shape).contiguous()
                yield f"blk.{i}.{theirs}.{part}", tensor


def _add_tokenizer(writer, tokenizer):
    trained = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(trained["vocab"], key=trained["vocab"].get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in trained["merges"]]
    special = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special[token != "<s>"] for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<s>"))
    writer.add_eos_token_id(tokens.index("<s>"))
    writer.add_add_bos_token(False)
