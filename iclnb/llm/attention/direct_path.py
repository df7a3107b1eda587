"""The direct path from an attention head to the logits: output projection, final norm, unembedding.

In a pre-norm transformer the final norm divides a sum of everything that was written to the residual stream.
With the scale s of that division held fixed, a head that puts out z adds s * zᵀ W_O diag(g) u to the logit of
a token with unembedding u (g is the norm's gain; Elhage et al. 2021, "A mathematical framework for
transformer circuits"). Where an architecture does not work like this, :func:`check_writing` says so.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention.head_hooks import _projections
from iclnb.llm.attention.prefix import attend, prepare
from iclnb.llm.attention.refusals import CaptureError

_LARGE = 1e6  # Times what heads put out at random: next to it all else in the residual stream vanishes


def output_weights(projection: torch.nn.Module, heads: int) -> Float[Tensor, "heads dim width"]:
    """W_O of a layer, the part that reads each head; GPT-2's ``Conv1D`` stores it transposed."""
    weight = projection.weight.float()
    weight = weight if hasattr(projection, "nx") else weight.T
    return weight.reshape(heads, -1, weight.shape[1])


def final_norm(model: PreTrainedModel) -> torch.nn.Module:
    """The normalisation between the last layer and the unembedding. Raises CaptureError if none is found."""
    inner = getattr(model.base_model, "decoder", model.base_model)
    for name in ("norm", "ln_f", "final_layer_norm", "final_layernorm"):
        if isinstance(norm := getattr(inner, name, None), torch.nn.Module):
            return norm
    raise CaptureError(model, "its last normalisation has no name that is known")


class FinalNorm:
    """The final norm as what it does: y = s * g * (x - mean x) + b, or the same without the mean.

    Gain g and offset b are read off what it returns for a vector of alternating signs, so that a gain stored
    as its difference from 1 (Gemma) is no exception.

    Attributes:
        gain: g. (width,)
        offset: b, of the norm. (width,)
        centred: whether the mean is taken off (LayerNorm), or not (RMSNorm).
    """

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel):
        self.module = final_norm(model)
        weight = model.get_output_embeddings().weight
        like = next(self.module.parameters(), weight)
        signs = 1.0 - 2.0 * (torch.arange(weight.shape[1], device=like.device) % 2)
        up, down, shifted = (self.module(each.to(like.dtype)).float() for each in (signs, -signs, signs + 1))
        self.gain, self.offset = (up - down) * signs / 2, (up + down) / 2
        self.centred = bool((shifted - up).abs().max() < 1e-2 * self.gain.abs().max())

    def scale(
        self, inputs: Float[Tensor, "rows width"], outputs: Float[Tensor, "rows width"]
    ) -> Float[Tensor, " rows"]:
        """s of each row, from what the norm was given and returned.

        Raises ValueError if no s leads from one to the other.
        """
        x = inputs.float()
        x = (x - x.mean(-1, keepdim=True) if self.centred else x) * self.gain
        y = outputs.float() - self.offset
        found = (x * y).sum(-1) / (x * x).sum(-1)
        tolerance = 3e-2 if outputs.element_size() < 4 else 1e-3
        if ((found[:, None] * x - y).norm(dim=-1) > tolerance * y.norm(dim=-1)).any():
            raise ValueError("the final norm is not a gain times its input, over a scale")
        return found


@torch.no_grad()
def unembedding(
    model: PreTrainedModel, tokens: Sequence[int], norm: FinalNorm
) -> Float[Tensor, "words width"]:
    """What each token's logit reads of the residual stream, but for the final norm's scale s."""
    rows = model.get_output_embeddings().weight[list(tokens)].float()
    rows = rows * norm.gain.to(rows.device)
    return rows - rows.mean(1, keepdim=True) if norm.centred else rows


@torch.no_grad()
def direct_logits(
    model: PreTrainedModel, tokens: Sequence[int], norm: FinalNorm
) -> list[Float[Tensor, "heads dim words"]]:
    """For every layer, what one unit of a head's output adds to each token's logit, but for the scale s."""
    rows = unembedding(model, tokens, norm)
    weights = (output_weights(*layer) for layer in _projections(model))
    return [weight @ rows.to(weight.device).T for weight in weights]


@torch.no_grad()
def check_writing(model: PreTrainedModel) -> None:
    """Check that what heads write reaches the final norm as it is.

    All heads put out large random numbers at one token. What is normed before it is used stays bounded, so
    that the final norm must be given the sum of what W_O makes of them, and little else.

    Raises CaptureError if it is not: what heads write is normed or scaled before it is added (Gemma 2, OLMo
    2, Granite), or the stream itself is (post-norm).
    """
    large = 1e3 if model.dtype == torch.float16 else _LARGE
    generator, written, given = torch.Generator().manual_seed(0), [], []
    layers = _projections(model)

    def put_out(layer: int, z: Tensor) -> Tensor:
        drawn = torch.randn(z.shape[1:], generator=generator).to(z)
        written.append(torch.einsum("hd,hdw->w", drawn.float(), output_weights(*layers[layer])).cpu())
        return z + large * drawn

    prefix = prepare(model, [0, 1])
    hook = final_norm(model).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    try:
        attend(model, prefix, torch.tensor([[2]]), attention=False, edit=put_out)
    finally:
        hook.remove()
    want, got = sum(written), given[-1].reshape(-1, given[-1].shape[-1])[-1].float().cpu() / large
    if not (got - want).norm() < 0.05 * want.norm():
        raise CaptureError(model, "what its heads write is changed before the final norm")
