"""Exercises of 28.1.1, the page on position interpolation."""

from __future__ import annotations

import math
from numbers import Real

import torch

from frontier_lab import hub, zoo
from frontier_lab.methods.long_context import loss_by_position, recall, with_rope
from frontier_lab.zoo.families import short_context

from .checking import Function, answer, register, wrong

RECALL = 0.9
PRICE = 0.015
"""Loss within the trained length that each multiple of it may cost, in nats a token."""


@register("28.1.1-1")
@torch.random.fork_rng()
def _stretched(function: Function) -> None:
    """``stretched(length)``: the RoPE parameters with which the model of seed 0 reads ``length`` tokens.

    A row near the beginning must be recalled, and the trained length must cost no more than it has to.
    """
    base = hub.load(str(zoo.CHECKPOINTS / "llama")).float()
    near = short_context.held_out_text(32, short_context.CONTEXT)
    plain = loss_by_position(base, near, [(0, short_context.CONTEXT)])[0]
    for length in (128, 512):
        rope = answer(function, length)
        if not isinstance(rope, dict) or not {"rope_type", "rope_theta"} <= rope.keys():
            raise wrong(
                "应返回 rope_parameters：一个字典，至少有 rope_type 与 rope_theta。",
                "Return rope_parameters: a dictionary with rope_type and rope_theta at least.",
            )
        model = with_rope(base, rope, max_position_embeddings=short_context.CONTEXT)
        found = recall(model, short_context.held_out_needles(length, length - 32))
        if found < RECALL:
            raise wrong(
                f"读 {length} 个词元，隔 {length - 32} 个只找回 {found:.0%}，应到 {RECALL:.0%}："
                "s 太小，或慢钟没有慢下来。",
                f"Reading {length} tokens, {found:.0%} is recalled {length - 32} back, wanted {RECALL:.0%}: "
                "s is too small, or the slow clocks were not slowed.",
            )
        price = loss_by_position(model, near, [(0, short_context.CONTEXT)])[0] - plain
        allowed = PRICE * length / short_context.CONTEXT
        if price > allowed:
            raise wrong(
                f"读 {length} 个词元，头 64 个的损失高了 {price:.3f} nat，最多可高 {allowed:.3f}："
                "s 太大，或快钟也慢了。",
                f"Reading {length} tokens, the loss of the first 64 rose by {price:.3f} nats, at most "
                f"{allowed:.3f} is allowed: s is too large, or fast clocks were slowed too.",
            )


@register("28.1.1-2")
def _base_for(function: Function) -> None:
    """``base_for(d, base, s, j)``: the base at which pair ``j`` turns ``s`` times slower."""
    for d, base, s, j in ((28, 1e4, 4.0, 13), (64, 1e4, 8.0, 16), (128, 5e5, 2.0, 1)):
        found = answer(function, d, base, s, j)
        if not isinstance(found, Real) or found <= 0:
            raise wrong("应返回一个正数。", "Return a positive number.")
        slower = base ** (-2 * j / d) / float(found) ** (-2 * j / d)
        if not math.isclose(slower, s, rel_tol=1e-6):
            raise wrong(
                f"维度对 {j}（d = {d}）应恰好慢 {s:g} 倍，得到 {slower:.3g} 倍。",
                f"Pair {j} (d = {d}) must turn exactly {s:g} times slower, not {slower:.3g}.",
            )


@register("28.1.1-3")
def _resolution(function: Function) -> None:
    """``resolution(theta)``: root mean square of the chords between the rotations of two neighbours."""
    plain = torch.tensor([10000.0 ** (-2 * i / 28) for i in range(14)], dtype=torch.float64)
    for theta in (plain, plain / 4, torch.full((3,), math.pi, dtype=torch.float64)):
        found = answer(function, theta)
        if not isinstance(found, Real):
            raise wrong("应返回一个数。", "Return a number.")
        wanted = (2 * torch.sin(theta / 2)).square().mean().sqrt().item()
        if not math.isclose(float(found), wanted, rel_tol=1e-5):
            raise wrong(
                f"应为 {wanted:.4f}，得到 {float(found):.4f}。"
                "弦长是 |exp(iθ) − 1| = 2 sin(θ/2)；先平方，再平均，再开方。",
                f"It is {wanted:.4f}, not {float(found):.4f}. The chord is |exp(iθ) − 1| = 2 sin(θ/2); "
                "square, take the mean, then the root.",
            )
