"""Answers to the exercises of 28.1.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def one_of(layer: int, head: int, divisor: int = 4) -> list[list[int]]:
    chosen = [[1] * 4, [1] * 4]
    chosen[layer][head] = divisor
    return chosen


def padded_bias(slopes: Tensor, mask: Tensor) -> Tensor:
    positions = torch.stack([row.cumsum(0) - 1 for row in mask]).clamp(min=0)
    return torch.einsum("h,bt->bht", slopes, positions * mask.float())


def forget_bias(log_gates: Tensor) -> Tensor:
    heads, length = log_gates.shape
    bias = torch.full((heads, length, length), -torch.inf)
    for i in range(length):
        for j in range(i + 1):
            bias[:, i, j] = log_gates[:, j + 1 : i + 1].sum(-1)
    return bias


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.2-1", lambda: one_of(0, 2)),
    ("28.1.2-1", lambda: ((1.0, 1.0, 4.0, 1.0), (1.0, 1.0, 1.0, 1.0))),
    ("28.1.2-2", padded_bias),
    ("28.1.2-3", forget_bias),
    ("28.1.2-3", lambda g: forget_bias(g.double())),
]


def with_the_keys_gate(log_gates: Tensor) -> Tensor:
    return forget_bias(log_gates) + log_gates[:, None, :]


WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.2-1", lambda: [4, 1], "2 层、每层 4 个数", "2 layers of 4 numbers"),
    ("28.1.2-1", lambda: [[1, 1, 4, 4], [1] * 4], "恰好一个头除以 4", "exactly one head by 4"),
    ("28.1.2-1", lambda: one_of(0, 2, 16), "恰好一个头除以 4", "exactly one head by 4"),
    ("28.1.2-1", lambda: one_of(0, 3), "不是已经看得最远的那个", "not the one that sees farthest"),
    ("28.1.2-1", lambda: one_of(1, 2), "从 73% 变到 73%", "from 73% to 73%"),
    ("28.1.2-2", lambda m, mask: mask, "应返回形状", "Return a tensor of shape"),
    ("28.1.2-2", lambda m, mask: -padded_bias(m, mask), "没有填充的那一行", "The row without padding"),
    # Counts padding as tokens.
    (
        "28.1.2-2",
        lambda m, mask: padded_bias(m, torch.ones_like(mask)),
        "从第一个真正的词元数起",
        "start at the first real token",
    ),
    ("28.1.2-3", lambda g: g, "应返回形状", "Return a tensor of shape"),
    ("28.1.2-3", lambda g: forget_bias(g).nan_to_num(neginf=0.0), "在未来", "is the future"),
    ("28.1.2-3", with_the_keys_gate, "键自己的门不算", "not the key's own gate"),
]
