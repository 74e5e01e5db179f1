"""Answers to the exercises of 28.2.4: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def token_shift(x: Tensor, mix: Tensor) -> Tensor:
    return mix * x + (1 - mix) * F.pad(x, (0, 0, 1, -1))


def stable_mean(exponents: Tensor, values: Tensor) -> Tensor:
    weights = (exponents - exponents.max()).exp()
    return (weights * values).sum() / weights.sum()


def delta_step(state: Tensor, k: Tensor, v: Tensor, beta: float) -> Tensor:
    return state + beta * k[:, None] * (v - k @ state)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.2.4-1", token_shift),
    ("28.2.4-2", stable_mean),
    ("28.2.4-2", lambda e, v: float(stable_mean(e, v))),
    ("28.2.4-3", delta_step),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.2.4-1", lambda x, mix: x[0], "同形状", "the shape of x"),
    ("28.2.4-1", lambda x, mix: mix * x + (1 - mix) * x.roll(1, 1), "当作零", "take zero"),
    ("28.2.4-1", lambda x, mix: token_shift(x.flip(1), mix).flip(1), "前一个词元", "not after"),
    ("28.2.4-2", lambda e, v: (e.exp() * v).sum() / e.exp().sum(), "溢出", "overflows"),
    ("28.2.4-2", lambda e, v: v.mean(), "Σ exp(e) v", "Σ exp(e) v"),
    ("28.2.4-3", lambda s, k, v, b: v, "同形状", "the shape of state"),
    ("28.2.4-3", lambda s, k, v, b: s + b * torch.outer(k, v), "只加不改", "only adds"),
    ("28.2.4-3", lambda s, k, v, b: s - b * torch.outer(k, v - k @ s), "正好读出 v", "gives v"),
]
