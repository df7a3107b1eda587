"""Where the residual stream of a model ends."""

import torch
from transformers import PreTrainedModel

from iclnb.llm.attention.refusals import CaptureError


def final_norm(model: PreTrainedModel) -> torch.nn.Module:
    """The normalisation between the last layer and the unembedding. Raises CaptureError if none is found."""
    inner = getattr(model.base_model, "decoder", model.base_model)
    for name in ("norm", "ln_f", "final_layer_norm", "final_layernorm"):
        if isinstance(norm := getattr(inner, name, None), torch.nn.Module):
            return norm
    raise CaptureError(model, "its last normalisation has no name that is known")
