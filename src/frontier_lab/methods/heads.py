"""Induction heads in numbers: what they attend to, what it is worth in loss, and when they form.

Everything is measured on sequences of random tokens that are given twice, ``[a b c … a b c …]``: the first
copy cannot be predicted, the second only by looking back.
Source: Olsson et al., "In-context Learning and Induction Heads" (2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel


def attention(model: PreTrainedModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Attention weights of every head, and the logits.

    Args:
        model: of transformers; set to compute the weights eagerly for this call.
        ids: ``[B, T]``, int64.

    Returns:
        Weights ``[L, B, H, T, T]``, queries before keys, and logits ``[B, T, V]``, without a gradient.
    """
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")  # the fast kernels never hold the weights
    try:
        with torch.no_grad():
            out = model(input_ids=ids, output_attentions=True)
    finally:
        model.set_attn_implementation(before)
    return torch.stack(list(out.attentions)), out.logits


def _half(length: int) -> int:
    if length < 2 or length % 2:
        raise ValueError(f"sequence: got {length} tokens, wanted an even number, two copies of the same")
    return length // 2


def induction_score(weights: Tensor) -> Tensor:
    """Attention from each token of the second copy to the token that followed it in the first.

    Args:
        weights: ``[..., T, T]`` on sequences of ``texts.sequence_tasks.repeated``.

    Returns:
        ``[...]``: 1 when all attention goes there; even attention over the past gives about ``1.4 / T``.

    Raises:
        ValueError: T is odd.
    """
    half = _half(weights.shape[-1])
    # Query t (half ≤ t < T) looks at key t - half + 1.
    return weights.diagonal(1 - half, -2, -1)[..., 1:].mean(-1)


def previous_token_score(weights: Tensor) -> Tensor:
    """Mean attention to the token just before, ``[..., T, T] -> [...]``."""
    return weights.diagonal(-1, -2, -1).mean(-1)


def copy_losses(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss on the first copy and on the second.

    Args:
        logits: ``[B, T, V]``.
        ids: ``[B, T]`` from ``repeated``.

    Returns:
        Two scalars in nats a token, float32. The first token of each copy is left out: nothing foretells it.
    """
    half = _half(ids.shape[-1])
    losses = F.cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")  # [B, T-1]
    return losses[:, : half - 1].mean(), losses[:, half:].mean()


@dataclass(frozen=True)
class Jump:
    """A curve's rise from its first level to its highest: the steps at which 10, 50 and 90 % were done."""

    start: int
    middle: int
    end: int


def jump(steps: Sequence[int], values: Sequence[float]) -> Jump:
    """When a curve rises; of an induction score, when the heads form.

    Args:
        steps: in rising order.
        values: one a step.

    Raises:
        ValueError: the lengths differ, or the curve never rises above its first value.
    """
    if len(steps) != len(values):
        raise ValueError(f"values: got {len(values)}, wanted {len(steps)}, one a step")
    low, high = values[0], max(values)
    if not high > low:
        raise ValueError("values: got a curve that never rises above its first value")

    def reached(share: float) -> int:
        level = low + share * (high - low)
        return next(step for step, value in zip(steps, values, strict=True) if value >= level)

    return Jump(reached(0.1), reached(0.5), reached(0.9))
