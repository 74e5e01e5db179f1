"""Answers to the exercises of 28.2.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def zero_order_hold(a: Tensor, delta: float) -> Pair:
    factor = torch.exp(a * delta)
    return factor, (factor - 1) / a


def combine(first: Pair, second: Pair) -> Pair:
    return first[0] * second[0], second[0] * first[1] + second[1]


def selective_scan(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    state = torch.zeros_like(a)
    out = []
    for row, step, write, read in zip(x, dt, b, c, strict=True):
        state = torch.exp(step[:, None] * a) * state + torch.outer(step * row, write)
        out.append((state * read).sum(-1))
    return torch.stack(out)


def without_decay(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return selective_scan(x, dt, torch.zeros_like(a), b, c)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.2.2-1", zero_order_hold),
    ("28.2.2-2", combine),
    ("28.2.2-2", lambda first, second: list(combine(first, second))),
    ("28.2.2-3", selective_scan),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.2.2-1", lambda a, delta: a, "应返回两个张量", "Return two tensors"),
    ("28.2.2-1", lambda a, delta: (a[:2], a), "形状应与 a 相同", "has the shape of a"),
    # Euler's step: right only for small Δ.
    ("28.2.2-1", lambda a, delta: (1 + delta * a, delta + 0 * a), "Ā = exp(ΔA)", "held for a step"),
    ("28.2.2-1", lambda a, delta: ((delta * a).exp(), delta + 0 * a), "B̄ 不对", "B̄ is wrong"),
    ("28.2.2-2", lambda first, second: first[0], "应返回一对", "Return a pair"),
    # The order the wrong way round.
    ("28.2.2-2", lambda first, second: combine(second, first), "先做 first", "First and then second"),
    ("28.2.2-3", lambda x, dt, a, b, c: x[0], "应返回 [T, D]", "Return [T, D]"),
    ("28.2.2-3", without_decay, "第一步对", "The first step is right"),
    (
        "28.2.2-3",
        lambda x, dt, a, b, c: selective_scan(x / dt, dt, a, b, c),
        "第一步就不对",
        "The first step is wrong",
    ),
]
