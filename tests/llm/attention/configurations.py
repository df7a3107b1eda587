"""A tiny random model of any causal architecture: settings are made small by what they are called."""

import copy
import re

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

TYPES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
VOCABULARY = 97
LAYERS = 2
_MOST = 40_000_000  # parameters of a model that still counts as tiny

WINDOWS = re.compile(
    r"sliding_window(_size)?|window_size|local_attention|attention_window_size|swa_window|attention_chunk_size"
)
_BY_NAME = [
    (r"vocab_size|vocab_size_per_layer_input|unpadded_vocab_size|decoder_vocab_size", VOCABULARY),
    (r"n_langs|codebook_size|num_codebooks", 4),
    (r"num_hidden_layers|n_layers?|num_layers|(en|de)coder_layers|num_(en|de)coder_layers", LAYERS),
    (r"depth|num_blocks|conf_num_hidden_layers|num_global_layers", LAYERS),
    (r"num_attention_heads|n_heads?|num_heads|attention_heads|(en|de)coder_attention_heads", 4),
    (r"num_(en|de)coder_attention_heads|swa_num_attention_heads|conf_num_attention_heads", 4),
    (r"num_key_value_heads|num_kv_heads|swa_num_key_value_heads|num_query_groups", 2),
    (r"head_dim|swa_head_dim|dim_head|kv_channels|d_head|attention_head_size|attention_head_dim", 8),
    (r"index_head_dim|global_head_dim|qk_nope_head_dim|qk_rope_head_dim|v_head_dim|linear_\w*head_dim", 8),
    (r"qk_head_dim", 16),
    (r"index_n_heads|linear_num_\w+heads|linear_num_heads", 4),
    (r"index_topk|index_topk_blocks|index_block_size", 8),
    (r"hidden_size|n_embd|d_model|hidden_dim|out_hidden_size|attention_hidden_size|emb_dim|embed_dim", 32),
    (r"embedding_size|(in|out)put_embedding_size|word_embed_proj_dim|embedding_dim|lru_width|d_ff", 32),
    (
        r"adapter_out_dim|vision_output_dim|projector_(in|out)put_dim|hidden_size_global|backbone_hidden_size",
        32,
    ),
    (
        r"\w*intermediate_size\w*|\w*ffn_dim|\w*ffn_hidden_size|dim_ff|dff|d_inner|mlp_dim|feed_forward_size",
        48,
    ),
    (r"q_lora_rank|kv_lora_rank|o_lora_rank|hc_lowrank|adapter_rank|laurel_rank|gated_norm_rank", 8),
    (r"(n_routed|num_local|moe_num)_experts|num_experts|zero_expert_num", 4),
    (r"num_experts_per_tok(en)?|moe_topk|moe_top_k|moe_k", 2),
    (r"n_group|topk_group|num_expert_group|first_k_dense_replace|num_dense_layers|o_groups", 1),
    (r"hidden_size_per_layer_input|ple_embed_dim|rotary_dim|router_hidden_size|prompt_length", 8),
    (WINDOWS.pattern, 6),
    (r"max_position_embeddings|n_positions|max_seq_len|n_ctx|max_target_positions|model_max_length", 256),
    (r"context_length|max_source_positions", 256),
    (r"num_kv_shared_layers|num_nextn_predict_layers|mtp_num_layers", 0),
    (r"ngram_vocab_size_base", 101),
    (r"(mamba_)?(d_state|state_size|ssm_state_size)|mamba_d_head|mamba_head_dim|mamba_headdim", 8),
    (r"mamba_n_heads|n_mamba_heads|mamba_num_heads", 8),
    (r"mamba_d_ssm", 64),
    (r"mamba_n_groups|n_groups|mamba_ngroups", 1),
    (r"mamba_dt_rank|time_step_rank|rel_extent|d_rel", 8),
    (r"mamba_chunk_size|chunk_size", 8),
    (r"encoder_hash_byte_group_vocab", 101),
    (r"image_size|crop_size", 32),
    (r"patch_size", 16),
]
"""What numbers with a name that matches become; the first match counts."""

_DERIVED = re.compile(
    r"layer_types|mlp_layer_types|layers_block_type|no_rope_layers|moe_layers|hybrid_layer_ids|indexer_types"
    r"|activation_sparsity_pattern|layer_rope_theta|num_attention_heads_per_layer|full_attn_idxs|attention_layers"
    r"|cross_attention_layers|mtp_layers_block_type|mlp_only_layers|block_types|ple_layer_ids"
)
"""Lists over layers, which the configuration makes itself from the number of layers."""

_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
_QWEN4 = {
    "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 16,
    "indexer_compress_ratio": 4,
}  # fmt: skip
SPECIAL: dict[str, dict] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "attention_layers": ["global", "local"]},
    "deepseek_v4": {"o_groups": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "zaya": {"num_experts_per_tok": 1},
    "deepseek_v2": {"topk_method": "greedy", "num_experts_per_tok": 2, "first_k_dense_replace": 2},
    "zamba": {"layers_block_type": ["mamba", "hybrid"]},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"], "hybrid_layer_ids": [1]},
    "lfm2_moe": {"layer_types": ["full_attention", "full_attention"]},
    "xlstm": {"qk_dim_factor": 1.0, "v_dim_factor": 1.0},
    "qwen4_exp_text": _QWEN4,
    "dots3_note_text": {"per_layer_config": None, "swa_head_dim": 16},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"sliding_attention": _ROPE, "full_attention": _ROPE},
    },
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0}},
    "xmod": {"default_language": "en_XX"},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "reformer": {"attn_layers": ["local", "local"], "axial_pos_embds": False, "is_decoder": True},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 8, "mamba_d_head": 8},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8, "attn_layer_indices": [1]},
    "xlm": {"causal": True, "n_langs": 1},
    "nemotron_h": {"layers_block_type": ["mamba", "attention"]},
}
"""What cannot be known from a name."""


def _small(config: PretrainedConfig, causal: bool) -> dict:
    """Changed settings of one configuration, without its parts."""
    changes, free = {}, iter(range(VOCABULARY - 1, 3, -1))
    for name, value in config.to_dict().items():
        if name.endswith(("_token_id", "_token_index", "_index")) and isinstance(value, int):
            changes[name] = value if 0 <= value < 4 else next(free)
        elif isinstance(value, list) and name.endswith("_token_id"):
            changes[name] = value[0] % 4
        elif name == "is_decoder" or (name == "is_causal" and not causal):
            changes[name] = causal
        elif value is None and name in ("head_dim", "num_key_value_heads"):
            changes[name] = {"head_dim": 8, "num_key_value_heads": 2}[name]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            size = next((size for pattern, size in _BY_NAME if re.fullmatch(pattern, name)), None)
            changes |= {} if size is None else {name: size}
    if "kv_lora_rank" in changes and "num_key_value_heads" in changes:
        changes["num_key_value_heads"] = changes["num_attention_heads"]  # latent attention has no groups
    return changes


def configuration(kind: str, *, causal: bool = True, window: int = 6) -> PretrainedConfig:
    """Two layers of a few dozen numbers, with sliding windows and chunks of ``window`` tokens."""
    cls = CONFIG_MAPPING[kind]
    try:
        default = cls()
    except Exception:  # a few have no configuration without arguments
        default = None
    made = cls(**_changes(default, causal, window)) if default is not None else cls(**SPECIAL.get(kind, {}))
    if not causal:
        made.is_causal = made.get_text_config().is_causal = False  # masks heed it whatever the architecture
    return made


def _changes(config: PretrainedConfig, causal: bool, window: int) -> dict:
    changes = _small(config, causal)
    for name in list(changes):
        if WINDOWS.fullmatch(name):
            changes[name] = window
    known = config.to_dict()
    for name in known:
        if _DERIVED.fullmatch(name):
            changes[name] = None
    if isinstance(known.get("layer_types"), list) and not _makes_its_layer_types(type(config), changes):
        types = sorted(set(known["layer_types"]), key=known["layer_types"].index)
        changes["layer_types"] = (types * LAYERS)[:LAYERS]
    if "use_sliding_window" in known:
        changes |= {"use_sliding_window": True, "max_window_layers": 1}
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            changes[name] = _changes(part, causal, window) | {"model_type": part.model_type}
    return changes | SPECIAL.get(config.model_type, {})


def _makes_its_layer_types(cls: type[PretrainedConfig], changes: dict) -> bool:
    plain = {name: value for name, value in changes.items() if not name.endswith("config")}
    try:
        made = cls(**plain | {"layer_types": None})
    except Exception:
        return False
    attending = {"full_attention", "sliding_attention", "attention", "hybrid"}
    return len(made.layer_types or ()) == LAYERS and bool(attending & {*made.layer_types})


def settings(config: PretrainedConfig) -> set[str]:
    """The names of all settings, with those of its parts."""
    names = set(config.to_dict())
    for name in config.sub_configs:
        if isinstance(part := getattr(config, name, None), PretrainedConfig):
            names |= settings(part)
    return names


def model(config: PretrainedConfig, implementation: str, *, scale: float = 4.0) -> PreTrainedModel:
    """A random model, the same at each call, whose attention is far from uniform."""
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(config)
    if (size := sum(p.numel() for p in made.parameters())) > _MOST:
        raise ValueError(f"{size} parameters are not tiny")
    torch.manual_seed(0)
    config = copy.deepcopy(config)  # a model keeps its attention implementation there
    made = AutoModelForCausalLM.from_config(config, attn_implementation=implementation, dtype=torch.float32)
    with torch.no_grad():
        for parameter in made.parameters():
            if not parameter.isfinite().all():
                parameter.copy_(torch.randn_like(parameter) * 0.02)
            if parameter.ndim > 1:
                parameter.mul_(scale)
    return made.eval()
