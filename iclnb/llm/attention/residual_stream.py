"""Where the residual stream of a model can be reached, and what could be read off it (the logit lens)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention.refusals import CaptureError, layers


def blocks(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The layers of a model, first to last.

    Raises:
        CaptureError: if they cannot be found.
    """
    lists = (m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == layers(model))
    found = next(lists, None)
    if found is None:
        raise CaptureError(model, "its layers do not stand in one list")
    return list(found)


def final_norm(model: PreTrainedModel) -> torch.nn.Module:
    """The normalisation between the last layer and the unembedding.

    Raises:
        CaptureError: if it cannot be found.
    """
    inner = getattr(model.base_model, "decoder", model.base_model)
    for name in ("norm", "ln_f", "final_layer_norm", "final_layernorm"):
        if isinstance(norm := getattr(inner, name, None), torch.nn.Module):
            return norm
    raise CaptureError(model, "its last normalisation has no name that is known")


@torch.no_grad()
def logit_lens(
    model: PreTrainedModel, states: Float[Tensor, "*rows width"], tokens: Sequence[int]
) -> Float[Tensor, "*rows words"]:
    """Logits of some tokens, if the residual stream went from here to the final norm and the unembedding.

    Raises:
        CaptureError: if the final norm cannot be found.
    """
    head = model.get_output_embeddings()
    normed = final_norm(model)(states.to(head.weight.device, head.weight.dtype))
    bias = 0 if getattr(head, "bias", None) is None else head.bias[list(tokens)]
    return (normed @ head.weight[list(tokens)].T + bias).float()
