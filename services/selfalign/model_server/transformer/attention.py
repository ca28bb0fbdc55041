"""Cascade attention: over a shared prefix and over a row's own tokens, merged exactly.

Softmax attention over keys A and B together is a weighted mean of attention over A and over B: each
part counts by the share that its scores have of the whole normaliser,

    out = w_A out_A + w_B out_B,    w_A = exp(lse_A) / (exp(lse_A) + exp(lse_B)),

where lse is the log-sum-exp of a part's scores. So the keys of a prefix that many rows share can be
read once for all of them, in one large product, instead of once a row, and the result is the same.
With a constitution of 2,000 tokens before 32 rows, almost all keys that a step reads are shared.

Grouped queries are handled by folding: query head h belongs to key head h // (heads / kv_heads), so
(heads, head_dim) is viewed as (kv_heads, queries, head_dim) and no key is repeated.
"""

from collections.abc import Sequence

import torch

Partial = tuple[torch.Tensor, torch.Tensor]
"""Output (..., head_dim) and the log-sum-exp of its scores (...), fp32."""
BLOCK = 128
"""Tokens whose scores against a prefix are held at once: 9 MB with 9 heads, 2,000 keys and fp32."""


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    causal: bool = False,
) -> Partial:
    """Attention of (batch, heads, length, head_dim) tensors with its log-sum-exp.

    Returns:
        (batch, heads, length, head_dim) and (batch, heads, length).
    """
    # The public scaled_dot_product_attention keeps the log-sum-exp to itself.
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal
    )
    return output, lse


def prefix_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, own: Partial
) -> torch.Tensor:
    """Attention of any number of rows' tokens to a whole prefix, merged with their own part.

    No mask: every token of a row comes after the whole prefix. Large products and one softmax take
    less than half the time of the flash kernel on the CPU.

    Args:
        query: (tokens, heads, head_dim), the packed tokens of all rows.
        key: (kv_heads, length, head_dim), as is value.
        own: output (tokens, heads, head_dim) and log-sum-exp (tokens, heads).

    Returns:
        (tokens, heads, head_dim)
    """
    tokens, heads, size = query.shape
    kv_heads, length = key.shape[:2]
    merged = torch.empty_like(own[0])
    turned = key.transpose(1, 2)
    for start in range(0, tokens, BLOCK):
        part = slice(start, min(start + BLOCK, tokens))
        count = part.stop - start
        # (kv_heads, count * queries, head_dim): one product a key head
        flat = (query[part] * size**-0.5).view(count, kv_heads, -1, size).transpose(0, 1)
        flat = flat.reshape(kv_heads, -1, size)
        scores = flat.new_empty(kv_heads, flat.shape[1], length + 1)
        torch.bmm(flat, turned, out=scores[..., :length])
        # The own part's log-sum-exp is one more score, behind those of the prefix: exp of it is the
        # sum of the own part's terms, so the softmax yields w_B there, and weights of the prefix
        # that are divided by the whole normaliser already. No second pass to merge.
        lse = own[1][part].view(count, kv_heads, -1).transpose(0, 1)
        scores.view(kv_heads, count, -1, length + 1)[..., length] = lse
        weights = torch.softmax(scores, dim=-1)
        shared = torch.bmm(weights[..., :length], value).view(kv_heads, count, -1, size)
        ours = weights.view(kv_heads, count, -1, length + 1)[..., length:]
        shared = shared.transpose(0, 1).reshape(count, heads, size)
        ours = ours.transpose(0, 1).reshape(count, heads, 1)
        torch.addcmul(shared, own[0][part], ours, out=merged[part])
    return merged


def step_attention(
    query: torch.Tensor,
    own: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor,
    groups: Sequence[tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """One new token of each row against its group's prefix and its own suffix.

    The scores of both lie side by side in one buffer, under one softmax: on the CPU that takes
    two thirds of the time of two flash calls and a merge.

    Args:
        query: (rows, heads, head_dim).
        own: keys and values, each (rows, kv_heads, length, head_dim).
        mask: (rows, 1, 1, length), added to the scores: 0 or -inf.
        groups: row numbers (None: all), prefix keys and values, (kv_heads, length, head_dim).

    Returns:
        (rows, heads, head_dim)
    """
    rows, heads, size = query.shape
    keys, values = own
    # (rows, kv_heads, queries, head_dim); scaling queries is cheaper than scaling their scores
    folded = (query * size**-0.5).view(rows, keys.shape[1], -1, size)
    scores = torch.matmul(folded, keys.transpose(-1, -2)).add_(mask)
    if len(groups) == 1 and groups[0][0] is None:
        # All rows behind one prefix, the usual case: nothing to gather and scatter.
        shared, weights = _group_attention(folded, scores, groups[0][1], groups[0][2])
        return (shared + torch.matmul(weights, values)).reshape(rows, heads, size)
    # Rows without a prefix keep this softmax over their own tokens; rows of a group get theirs.
    weights = torch.softmax(scores, dim=-1)
    output = torch.zeros_like(folded)
    for numbers, key, value in groups:
        assert numbers is not None
        output[numbers], weights[numbers] = _group_attention(
            folded[numbers], scores[numbers], key, value
        )
    return (output + torch.matmul(weights, values)).reshape(rows, heads, size)


def _group_attention(
    folded: torch.Tensor, scores: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The prefix's part of the output, and the softmax weights of the rows' own tokens.

    Args:
        folded: scaled queries of the group's rows, (rows, kv_heads, queries, head_dim).
        scores: of their own tokens, masked, (rows, kv_heads, queries, own length).
        key: (kv_heads, length, head_dim), as is value.

    Returns:
        (rows, kv_heads, queries, head_dim) and weights of the shape of `scores`.
    """
    rows, kv_heads, queries, size = folded.shape
    length, own = key.shape[1], scores.shape[-1]
    both = folded.new_empty(kv_heads, rows * queries, length + own)
    # Rows become one long dimension: the prefix's keys are read once a key head, not once a row.
    flat = folded.transpose(0, 1).reshape(kv_heads, rows * queries, size)
    torch.bmm(flat, key.transpose(1, 2), out=both[..., :length])
    both.view(kv_heads, rows, queries, -1)[..., length:] = scores.transpose(0, 1)
    weights = torch.softmax(both, dim=-1)
    shared = torch.bmm(weights[..., :length], value).view(kv_heads, rows, queries, size)
    ours = weights.view(kv_heads, rows, queries, -1)[..., length:]
    return shared.transpose(0, 1), ours.transpose(0, 1)
