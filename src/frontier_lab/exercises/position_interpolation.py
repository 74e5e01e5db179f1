"""Exercises of 28.1.1, the page on position interpolation."""

from __future__ import annotations

import math
from numbers import Real

import torch

from .checking import Function, answer, register, wrong


@register("28.1.1-1")
def _unfinished(function: Function) -> None:
    """``unfinished(d, base, trained)``: how many pairs turn less than once within the trained length."""
    for d, base, trained in ((28, 1e4, 64), (128, 1e4, 4096), (128, 5e5, 8192), (8, 10.0, 1000)):
        found = answer(function, d, base, trained)
        turns = [trained * base ** (-2 * i / d) / (2 * math.pi) for i in range(d // 2)]
        wanted = sum(turn < 1 for turn in turns)
        if found != wanted:
            raise wrong(
                f"d = {d}、b = {base:g}、训练 {trained} 个词元时应为 {wanted}，得到 {found}。"
                "转了几圈 = 词元数 × θ ÷ 2π。",
                f"For d = {d}, b = {base:g} and {trained} trained tokens it is {wanted}, not {found}. "
                "Turns are tokens times θ over 2π.",
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
