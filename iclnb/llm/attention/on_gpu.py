"""What a GPU does in its own way: attention with its log-sum-exp, and rows that go to the processor at once.

Nothing here runs on a processor. Callers stand under ``if tensor.is_cuda:``, by which results made on a
processor stay as they were when this changes (:mod:`iclnb.publish.imported`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.backends import cuda

Part = tuple[Float[Tensor, "batch heads tokens dim"], Float[Tensor, "batch heads tokens"]]
"""Attention output over some of the keys, and the log-sum-exp of the scores there."""


def fused(
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch heads keys dim"],
    value: Float[Tensor, "batch heads keys dim"],
    scaling: float,
) -> Part | None:
    """Attention to all keys by a kernel that also gives the log-sum-exp and writes out no scores.

    Flash attention (Dao 2023) in half precision, memory-efficient attention (Rabe and Staats 2021) otherwise.

    Args:
        query, key, value: on one GPU, in one dtype.
        scaling: factor of the scores.

    Returns:
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


def placed(
    rows: list[Float[Tensor, "batch heads tokens"]],
    order: Int[Tensor, "batch suffix"],
    before: int,
) -> Float[Tensor, "layers batch heads keys"]:
    """Rows of all layers with each suffix's tokens where the caller has them, copied from the GPU at once.

    Args:
        rows: of each layer, over the prefix and the last columns of the suffixes as they were run.
        order: for each column of the suffixes as they were run its place among the caller's.
        before: tokens of the prefix.

    Returns:
        In float32, on the device of ``order``; zero at padding.
    """
    device = rows[0].device
    run = torch.stack([layer.float().to(device) for layer in rows])
    found = run.new_zeros(*run.shape[:3], before + order.shape[1])
    found[..., :before] = run[..., :before]
    place = before + order[:, order.shape[1] - (run.shape[3] - before) :].to(device)
    found.scatter_(3, place[None, :, None].expand_as(run[..., before:]), run[..., before:])
    if order.is_cuda:
        return found
    return torch.empty(found.shape, pin_memory=found.is_cuda).copy_(found)
