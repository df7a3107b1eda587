"""What a GPU does in its own way: attention with its log-sum-exp, and rows of all layers fetched at once.

Nothing here runs on a processor. Callers stand under ``if tensor.is_cuda:``, by which results made on a
processor stay as they were when this changes (:mod:`iclnb.keys.imports`).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.backends import cuda
from transformers import PreTrainedModel

from iclnb.llm.attention.refusals import require_probabilities


def fused(
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch heads keys dim"],
    value: Float[Tensor, "batch heads keys dim"],
    scaling: float,
) -> tuple[Float[Tensor, "batch heads tokens dim"], Float[Tensor, "batch heads tokens"]] | None:
    """Attention to all keys by a kernel that also gives the log-sum-exp and writes out no scores.

    Flash attention (Dao 2023) in half precision, memory-efficient attention (Rabe and Staats 2021) otherwise.
    Output in the dtype of ``query`` and log-sum-exp in float32; ``None`` where neither kernel can do it.
    """
    about = cuda.SDPAParams(query, key, value, None, 0.0, False, False)
    if cuda.can_use_flash_attention(about):
        return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, scale=scaling)[:2]
    if cuda.can_use_efficient_attention(about):
        output, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, None, True, scale=scaling
        )
        return output, lse[..., : query.shape[2]]  # made longer, for alignment
    return None


def last_rows(
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    last: Sequence[int],
    scaling: float,
) -> Float[Tensor, "batch heads tokens"]:
    """The attention of each prompt's last token under a causal mask, in float32, in few kernels."""
    tokens = key.shape[2]
    if all(index == tokens - 1 for index in last):
        own, later = query[:, :, -1], None
    else:
        index = torch.tensor(last, device=query.device)
        own = query[torch.arange(len(last), device=query.device), :, index]
        later = torch.arange(tokens, device=query.device) > index[:, None]
    grouped = own.unflatten(1, (key.shape[1], -1)).float()
    scores = torch.matmul(grouped, key.float().transpose(2, 3)).mul_(scaling)
    if later is not None:
        scores.masked_fill_(later[:, None, None], -torch.inf)
    return scores.softmax(-1).flatten(1, 2)


def placed(
    rows: list[Float[Tensor, "batch heads tokens"]],
    order: Int[Tensor, "batch suffix"],
    before: int,
) -> Float[Tensor, "layers batch heads keys"]:
    """Rows of all layers with each suffix's tokens where the caller has them.

    ``rows`` are over the prefix and the last columns of the suffixes as they were run; ``order`` says for
    each of these columns its place among the caller's. In float32, on the device of the first layer; zero at
    padding.
    """
    device = rows[0].device
    run = torch.stack([layer.float().to(device) for layer in rows])
    found = run.new_zeros(*run.shape[:3], before + order.shape[1])
    found[..., :before] = run[..., :before]
    place = before + order[:, order.shape[1] - (run.shape[3] - before) :].to(device)
    found.scatter_(3, place[None, :, None].expand_as(run[..., before:]), run[..., before:])
    return found


def results(
    model: PreTrainedModel,
    rows: list[Float[Tensor, "batch heads tokens"]],
    logits: Float[Tensor, "batch kept vocabulary"],
    order: Int[Tensor, "batch suffix"],
    before: int,
) -> tuple[Float[Tensor, "layers batch heads keys"] | None, Float[Tensor, "batch vocabulary"]]:
    """Checked rows (``None`` for those of no layers) and log-probabilities, on the device of ``order``."""
    said = _fetched(torch.log_softmax(logits[:, -1].float(), dim=-1), order.device)
    if not rows:
        return None, said
    found = placed(rows, order, before)
    require_probabilities(model, found)
    return _fetched(found, order.device), said


def _fetched(found: Tensor, device: torch.device) -> Tensor:
    """The same on ``device``; to a processor in one copy to memory that the GPU writes directly."""
    if device.type != "cpu":
        return found.to(device)
    return torch.empty(found.shape, dtype=found.dtype, pin_memory=True).copy_(found)
