"""Attention of many queries over a shared prefix and suffixes of their own, merged by log-sum-exp.

softmax over prefix and suffix together is a mixture of the two softmaxes, weighted by their normalisers:
out = w out_prefix + (1 - w) out_suffix with w = σ(lse_prefix - lse_suffix). The prefix part is one product
for all prompts of a batch, with keys and values that are never copied (as in Hydragen, Juravsky et al. 2024).
"""

import torch
from jaxtyping import Float
from torch import Tensor

Part = tuple[Float[Tensor, "batch heads tokens dim"], Float[Tensor, "batch heads tokens"]]
"""Attention output over one part of the keys, and the log-sum-exp of the scores there."""


def merged_attention(
    query: Float[Tensor, "batch heads tokens dim"],
    prefix_key: Float[Tensor, "kv_heads prefix dim"],
    prefix_value: Float[Tensor, "kv_heads prefix dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens dim"],
    mask: Float[Tensor, "batch 1 tokens tokens"],
    scaling: float,
) -> Float[Tensor, "batch heads tokens dim"]:
    """Attention over the shared prefix, all of it visible, and over each prompt's suffix under ``mask``.

    Heads are a multiple of ``kv_heads`` (grouped-query attention). The mask is added to the suffix scores: 0,
    or the lowest number of the dtype.
    """
    batch, heads, tokens, dim = query.shape
    kv_heads = len(prefix_key)
    grouped = query.reshape(batch, kv_heads, -1, dim)  # the heads of a group one after another
    together = grouped.transpose(0, 1).reshape(1, kv_heads, -1, dim)
    before, before_lse = _part(together, prefix_key[None], prefix_value[None], None, scaling)
    before = before.view(kv_heads, batch, -1, dim).transpose(0, 1)
    before_lse = before_lse.view(kv_heads, batch, -1).transpose(0, 1)
    group = heads // kv_heads
    own_mask = mask.expand(-1, group, -1, -1).reshape(batch, 1, group * tokens, -1)
    own, own_lse = _part(grouped, key, value, own_mask, scaling)
    weight = torch.sigmoid(before_lse - own_lse).unsqueeze(-1).to(query.dtype)
    return torch.lerp(own, before, weight).reshape(batch, heads, tokens, dim)


def _part(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Float[Tensor, "batch 1 queries keys"] | None,
    scaling: float,
) -> Part:
    """One part, by fused attention that also gives the log-sum-exp; where there is none, written out."""
    if query.is_cuda:
        from iclnb.llm.attention import on_gpu

        found = on_gpu.fused(query, key, value, scaling) if mask is None else None
        return found or _written_out(query, key, value, mask, scaling)
    if query.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, attn_mask=mask, scale=scaling
        )
    return _written_out(query, key, value, mask, scaling)


def _written_out(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float) -> Part:
    scores = torch.matmul(query, key.transpose(2, 3)).float() * scaling
    scores = scores if mask is None else scores + mask
    lse = torch.logsumexp(scores, dim=-1)
    return torch.matmul(torch.exp(scores - lse.unsqueeze(-1)).to(value.dtype), value), lse


def last_row(
    query: Float[Tensor, "batch heads dim"],
    prefix_key: Float[Tensor, "kv_heads prefix dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    mask: Float[Tensor, "batch tokens"],
    scaling: float,
) -> Float[Tensor, "batch heads keys"]:
    """The attention probabilities of each prompt's last query over prefix and suffix.

    Scores are never rounded to half precision, as they are not inside fused attention.
    """
    grouped = query.reshape(len(query), len(prefix_key), -1, query.shape[-1]).float()
    before = torch.einsum("bkgd,kpd->bkgp", grouped, prefix_key.float()).flatten(1, 2)
    own = torch.matmul(grouped, key.float().transpose(2, 3)).flatten(1, 2)
    scores = torch.cat([before * scaling, own * scaling + mask[:, None]], dim=-1)
    return torch.softmax(scores, dim=-1)
