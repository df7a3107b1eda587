"""How many queries a device has memory for at once."""

import psutil
import torch
from transformers import PreTrainedModel

_SHARE = 0.5  # Of the free memory that a batch may take: the estimate knows nothing of what else is allocated


def queries_at_once(model: PreTrainedModel, *, prefix: int, suffix: int, most: int) -> int:
    """Queries that one pass on top of a shared prefix may hold: ``most``, or fewer where memory is short."""
    if model.device.type == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
    else:
        free = psutil.virtual_memory().available
    return max(1, min(most, int(_SHARE * free) // bytes_per_query(model, prefix=prefix, suffix=suffix)))


def bytes_per_query(model: PreTrainedModel, *, prefix: int, suffix: int) -> int:
    """Memory that a query takes in a pass: activations of one layer, rows of all, log-probabilities.

    Attention scores are counted as written out in float32, as they are where no kernel gives log-sum-exps.
    """
    config, size = model.config.get_text_config(decoder=True), model.dtype.itemsize
    width, heads = config.hidden_size, config.num_attention_heads
    inner = getattr(config, "intermediate_size", None) or 4 * width
    activations = suffix * (6 * width + 3 * inner) * size
    scores = 2 * 4 * heads * suffix * (prefix + suffix)
    rows = 2 * 4 * config.num_hidden_layers * heads * (prefix + suffix)
    return activations + scores + rows + 3 * 4 * config.vocab_size
