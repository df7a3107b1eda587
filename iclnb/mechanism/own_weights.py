"""What a head's own weights make of the label words that it may attend to: its value-output circuit."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention import SharedPrefix
from iclnb.llm.attention.head_hooks import _projections
from iclnb.llm.attention.residual_stream import final_norm
from iclnb.llm.prompts import Prompt


@torch.no_grad()
def copying(
    model: PreTrainedModel, prefix: SharedPrefix, prompt: Prompt, tokens: Sequence[int]
) -> Float[np.ndarray, "layers heads"]:
    """The share of label words that a head, attending to them alone, would write: copies, by W_O W_V.

    The value that the head reads at a label word goes through its output projection and the unembedding; the
    mean over the prompt's demonstrations is taken off, and the word of most logit counts. By chance one in
    the number of label words; 1 for a head that copies.

    Args:
        model: the model.
        prefix: of a prompt's demonstrations at least.
        prompt: with its labels.
        tokens: of the label words.
    """
    unembedding = _unembedding(model, tokens)
    labels, ends = np.array(prompt.labels), [span.stop - 1 for span in prompt.y]
    found = []
    for (projection, heads), values in zip(_projections(model), prefix.values, strict=True):
        read = values[:, ends].float().repeat_interleave(heads // values.shape[0], 0)  # (heads, k, dim)
        written = torch.einsum("hkd,hdw->hkw", read, _output_weights(projection, heads))
        logits = written @ unembedding.to(written.device).T
        logits = logits - logits.mean(1, keepdim=True)
        found.append((logits.argmax(-1).cpu().numpy() == labels).mean(-1))
    return np.stack(found)


def _output_weights(projection: torch.nn.Module, heads: int) -> Float[Tensor, "heads dim width"]:
    """The part of the output projection that reads each head; GPT-2's ``Conv1D`` stores it transposed."""
    weight = projection.weight.float()
    weight = weight if hasattr(projection, "nx") else weight.T
    return weight.reshape(heads, -1, weight.shape[1])


def _unembedding(model: PreTrainedModel, tokens: Sequence[int]) -> Float[Tensor, "words width"]:
    """What each label word's logit reads of the residual stream, the final norm's scale included."""
    rows, norm = model.get_output_embeddings().weight[list(tokens)].float(), final_norm(model)
    rows = rows * norm.weight.float().to(rows.device)
    return rows - rows.mean(1, keepdim=True) if isinstance(norm, torch.nn.LayerNorm) else rows
