"""What a head's own weights make of the label words that it may attend to: its value-output circuit."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel

from iclnb.llm.attention import SharedPrefix
from iclnb.llm.attention.direct_path import direct_logits
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
    labels, ends = np.array(prompt.labels), [span.stop - 1 for span in prompt.y]
    found = []
    for reads, values in zip(direct_logits(model, tokens), prefix.values, strict=True):
        read = values[:, ends].float().repeat_interleave(len(reads) // values.shape[0], 0)  # (heads, k, dim)
        logits = torch.einsum("hkd,hdw->hkw", read, reads.to(read.device))
        logits = logits - logits.mean(1, keepdim=True)
        found.append((logits.argmax(-1).cpu().numpy() == labels).mean(-1))
    return np.stack(found)
