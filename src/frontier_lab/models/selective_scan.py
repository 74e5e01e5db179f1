"""Mamba's selective scan with a backward pass of its own, to train transformers' Mamba on a CPU.

A channel's state is N numbers, h_t = exp(Δ_t A) h_{t-1} + Δ_t B_t x_t, and y_t = C_t · h_t. The loop of
transformers takes step t as a slice of a ``[batch, channels, time, N]`` tensor. The gradient of each slice is
a tensor of that whole size, so the time of the backward pass grows with the square of the sequence. Here it
is written out, one loop in reverse. The forward pass computes the same numbers.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023), algorithm 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.mamba import modeling_mamba


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """``x, dt [T, B, D]``, ``a [D, N]``, ``b, c [T, B, N]`` to ``y [T, B, D]`` and the last state."""
        decay = (dt[..., None] * a).exp_()  # [T, B, D, N]
        h = (dt * x)[..., None] * b[:, :, None]  # [T, B, D, N]
        for t in range(1, len(h)):
            h[t].addcmul_(decay[t], h[t - 1])
        ctx.save_for_backward(x, dt, a, b, c, decay, h)
        last = h[-1].clone()
        ctx.mark_non_differentiable(last)
        return (h @ c[..., None])[..., 0], last

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        x, dt, a, b, c, decay, h = ctx.saved_tensors
        grad_h = grad[..., None] * c[:, :, None]  # [T, B, D, N]
        for t in range(len(h) - 2, -1, -1):
            grad_h[t].addcmul_(decay[t + 1], grad_h[t + 1])
        grad_c = (grad[:, :, None] @ h)[:, :, 0]  # [T, B, N]
        grad_input = (grad_h @ b[..., None])[..., 0]  # [T, B, D], of Δ x
        grad_b = ((dt * x)[:, :, None] @ grad_h)[:, :, 0]  # [T, B, N]
        grad_log = torch.zeros_like(decay)  # of Δ A
        torch.mul(grad_h[1:], h[:-1], out=grad_log[1:]).mul_(decay[1:])
        grad_a = torch.einsum("tbdn,tbd->dn", grad_log, dt)
        grad_dt = torch.einsum("tbdn,dn->tbd", grad_log, a)
        return grad_input * dt, grad_input * x + grad_dt, grad_a, grad_b, grad_c


def selective_scan(
    hidden_states: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    **_: Any,
) -> Tensor | tuple[Tensor, Tensor]:
    """What ``mamba_selective_scan`` of transformers computes, with the same arguments.

    Args:
        hidden_states: the channels' inputs x, ``[batch, channels, time]``, float32.
        dt: Δ, as ``hidden_states``.
        A: ``[channels, N]``, negative.
        B: ``[batch, N, time]``.
        C: ``[batch, N, time]``.
        D: ``[channels]``, adds ``D x`` to the output.
        z: gate, as ``hidden_states``; the output is multiplied by its swish.
        delta_bias: ``[channels]``, added to ``dt``.
        delta_softplus: whether ``dt`` is put through a softplus.
        return_last_state: whether to return the last state as well; it carries no gradient.

    Returns:
        ``[batch, channels, time]``, and the last state ``[batch, channels, N]`` if it is asked for.
    """
    if delta_bias is not None:
        dt = dt + delta_bias[..., None]
    if delta_softplus:
        dt = F.softplus(dt)
    ordered = [t.permute(2, 0, 1).contiguous() for t in (hidden_states, dt, B, C)]  # [time, batch, …]
    y, last = _Scan.apply(ordered[0], ordered[1], A, ordered[2], ordered[3])  # type: ignore[no-untyped-call]
    y = y.permute(1, 2, 0)  # [batch, channels, time]
    if D is not None:
        y = y + hidden_states * D[:, None]
    if z is not None:
        y = y * F.silu(z)
    return (y, last) if return_last_state else y


@contextmanager
def installed() -> Iterator[None]:
    """Within the block, transformers' Mamba scans with ``selective_scan``."""
    original = modeling_mamba.mamba_selective_scan
    modeling_mamba.mamba_selective_scan = selective_scan
    try:
        yield
    finally:
        modeling_mamba.mamba_selective_scan = original
