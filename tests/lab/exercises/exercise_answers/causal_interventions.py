"""Answers to the exercises of 28.4.4: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def patch(activation: Tensor, donor: Tensor, positions: Sequence[int]) -> Tensor:
    patched = activation.clone()
    patched[:, positions] = donor[:, positions]
    return patched


def in_place(activation: Tensor, donor: Tensor, positions: Sequence[int]) -> Tensor:
    activation[:, positions] = donor[:, positions]
    return activation


def attribution(slope: Tensor, clean: Tensor, corrupt: Tensor, gap: float) -> Tensor:
    return (slope * (clean - corrupt)).sum(-1) / gap


def integrated_gradients(
    slope_at: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, steps: int
) -> Tensor:
    along = [(i + 0.5) / steps for i in range(steps)]
    return (x - baseline) * torch.stack(
        [slope_at(baseline + share * (x - baseline)) for share in along]
    ).mean(0)


def from_zero(slope_at: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    return integrated_gradients(slope_at, x, torch.zeros_like(x), steps)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.4.4-1", patch),
    ("28.4.4-2", attribution),
    ("28.4.4-3", integrated_gradients),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.4.4-1", in_place, "先复制", "copy it first"),
    ("28.4.4-1", lambda a, d, p: d.clone(), "没有点名", "not named"),
    ("28.4.4-1", lambda a, d, p: a.clone(), "没有换成", "not the donor's"),
    ("28.4.4-2", lambda s, c, k, g: s * (c - k) / g, "应返回 [5]", "wanted [5]"),
    ("28.4.4-2", lambda s, c, k, g: attribution(s, k, c, g), "干净的减改过的", "clean less corrupt"),
    ("28.4.4-2", lambda s, c, k, g: attribution(s, c, k, 1), "还要除以", "divided by the gap"),
    ("28.4.4-2", lambda s, c, k, g: (s * c).sum(-1) / g, "份额不对", "are off"),
    ("28.4.4-3", lambda f, x, b, n: (x - b) * f(x), "应取 200 个点", "wanted 200 points"),
    (
        "28.4.4-3",
        lambda f, x, b, n: integrated_gradients(f, x, b, n) / (x - b),
        "还要乘上",
        "to be multiplied",
    ),
    ("28.4.4-3", lambda f, x, b, n: integrated_gradients(f, b, x, n), "x 减基线", "x less baseline"),
    ("28.4.4-3", from_zero, "两头函数值之差", "add up to"),
]
