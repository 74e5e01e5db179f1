"""RWKV's weighted mean with a backward pass of its own, to train transformers' RWKV-4 on a CPU.

For each channel, wkv_t is the mean of the values so far, v_i weighted by exp(k_i - (t - 1 - i) |w|) and the
newest by exp(k_t + u). Both sums are kept scaled by the largest exponent so far, m. The loop of transformers
does some forty operations a step under autograd; here all but three of them are done for the whole sequence
at once. The mean does not depend on the scale, so the backward pass may take m for a constant.

Source: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era" (2023), section 3 and appendix D.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.models.rwkv import modeling_rwkv

_THEIRS = modeling_rwkv.rwkv_linear_attention_cpu


class _WeightedMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """``w, u [D]`` with ``w`` negative, ``k, v [T, B, D]``, to ``[T, B, D]``."""
        time = len(k)
        m = torch.empty(time + 1, *k.shape[1:], dtype=k.dtype)  # before each step, and after the last
        m[0] = -1e38
        for t in range(time):
            torch.maximum(m[t] + w, k[t], out=m[t + 1])
        newest = k + u
        top = torch.maximum(m[:-1], newest)
        old, new = (m[:-1] - top).exp(), (newest - top).exp()  # weights in the output
        keep, take = (m[:-1] + w - m[1:]).exp(), (k - m[1:]).exp()  # weights in the next state
        sums = torch.zeros(time + 1, 2, *k.shape[1:], dtype=k.dtype)  # of exp(k) v and of exp(k), scaled
        torch.stack([take * v, take], 1, out=sums[1:])
        for t in range(1, time):
            sums[t + 1].addcmul_(keep[t], sums[t])
        below = old * sums[:-1, 1] + new
        y = (old * sums[:-1, 0] + new * v) / below
        ctx.save_for_backward(v, old, new, keep, take, sums, below, y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        v, old, new, keep, take, sums, below, y = ctx.saved_tensors
        above = grad / below
        grad_parts = torch.stack([above, -above * y], 1)  # [T, 2, B, D], of both sums in the output
        grad_sums = torch.zeros_like(sums)  # of the state before each step; nothing reads the last
        torch.mul(grad_parts, old[:, None], out=grad_sums[:-1])
        for t in range(len(v) - 2, -1, -1):
            grad_sums[t].addcmul_(keep[t], grad_sums[t + 1])
        after = grad_sums[1:]
        grad_newest = new * (grad_parts[:, 0] * v + grad_parts[:, 1])
        grad_k = grad_newest + take * (after[:, 0] * v + after[:, 1])
        grad_v = new * grad_parts[:, 0] + take * after[:, 0]
        grad_w = (keep * (after * sums[:-1]).sum(1)).sum((0, 1))
        return grad_w, grad_newest.sum((0, 1)), grad_k, grad_v


def weighted_mean(
    time_decay: Tensor,
    time_first: Tensor,
    key: Tensor,
    value: Tensor,
    state: Any = None,
    return_state: bool = False,
) -> tuple[Tensor, Any]:
    """What ``rwkv_linear_attention_cpu`` of transformers computes, with the same arguments.

    Args:
        time_decay: ``[D]``; a step multiplies the weights of what came before by ``exp(-exp(time_decay))``.
        time_first: u, ``[D]``, added to the newest key.
        key: ``[batch, time, D]``, float32.
        value: as ``key``.
        state: of an earlier call; with one, transformers' own loop runs.
        return_state: whether the state is wanted; likewise.

    Returns:
        ``[batch, time, D]``, and the state or ``None``.
    """
    if state is not None or return_state:
        theirs: tuple[Tensor, Any] = _THEIRS(time_decay, time_first, key, value, state, return_state)
        return theirs
    k, v = (t.transpose(0, 1).contiguous() for t in (key, value))  # [time, batch, D]
    y: Tensor = _WeightedMean.apply(-time_decay.exp(), time_first, k, v)  # type: ignore[no-untyped-call]
    return y.transpose(0, 1), None


@contextmanager
def installed() -> Iterator[None]:
    """Within the block, transformers' RWKV takes its mean with ``weighted_mean``."""
    modeling_rwkv.rwkv_linear_attention_cpu = weighted_mean
    try:
        yield
    finally:
        modeling_rwkv.rwkv_linear_attention_cpu = _THEIRS
