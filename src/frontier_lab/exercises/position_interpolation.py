"""Exercises of 28.1.1, the page on position interpolation."""

from __future__ import annotations

import math
from numbers import Real

import torch
from transformers import PreTrainedModel

from frontier_lab import hub, zoo
from frontier_lab.methods.long_context import recall, with_rope
from frontier_lab.zoo import llama
from frontier_lab.zoo.families import short_context

from .checking import Function, answer, register, wrong

RECALL = 0.8
"""Share that must be recalled near the beginning of the text: far from what either 7 or 8 pairs leave."""

LENGTH, NEEDLES = 256, 256


def _recall(base: PreTrainedModel, length: int, kept: int) -> float:
    """Recall ``length - 32`` tokens back with all pairs but the ``kept`` fastest slowed to fit ``length``."""
    slower = length / short_context.CONTEXT
    factors = [1.0] * kept + [slower] * (llama.HEAD_DIM // 2 - kept)
    model = with_rope(base, llama.slowed(factors, 1.0))
    return recall(model, short_context.held_out_needles(length, length - 32, NEEDLES))


@register("28.1.1-1")
@torch.random.fork_rng()
def _unslowed(function: Function) -> None:
    """``unslowed(length)``: how many of the fastest pairs may stay as they are when ``length`` is read."""
    base = hub.load(str(zoo.CHECKPOINTS / llama.NAME)).float()
    pairs = llama.HEAD_DIM // 2
    length = LENGTH
    kept = answer(function, length)
    if isinstance(kept, bool) or not isinstance(kept, int) or not 0 <= kept < pairs:
        raise wrong(f"应返回 0 到 {pairs - 1} 的整数。", f"Return a whole number from 0 to {pairs - 1}.")
    if (found := _recall(base, length, kept)) < RECALL:
        raise wrong(
            f"读 {length} 个词元，留 {kept} 对不动，只找回 {found:.0%}，应到 {RECALL:.0%}：留多了。",
            f"Reading {length} tokens with {kept} pairs as they are, {found:.0%} is recalled, wanted "
            f"{RECALL:.0%}: too many are left.",
        )
    if (found := _recall(base, length, kept + 1)) >= RECALL:
        raise wrong(
            f"读 {length} 个词元，留 {kept + 1} 对不动也找回 {found:.0%}：还可以多留。"
            "没转满一圈的不一定都要放慢。",
            f"Reading {length} tokens with {kept + 1} pairs as they are, {found:.0%} is still recalled: "
            "more may be left. Not every pair that never goes round has to be slowed.",
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
