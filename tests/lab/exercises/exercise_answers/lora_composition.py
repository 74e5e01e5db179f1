"""Answers to the exercises of 28.3.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Factors = list[tuple[Tensor, Tensor]]


def subtract(a_1: Tensor, b_1: Tensor, a_2: Tensor, b_2: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([a_1, a_2]), torch.cat([b_1, -b_2], dim=1)


def twice_negative(a_1: Tensor, b_1: Tensor, a_2: Tensor, b_2: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([a_1, -a_2]), torch.cat([b_1, -b_2], dim=1)


def in_other_order(a_1: Tensor, b_1: Tensor, a_2: Tensor, b_2: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([-a_2, a_1]), torch.cat([b_1, b_2], dim=1)


def crossed(adapters: Factors) -> float:
    pairs = [(i, j) for i in range(len(adapters)) for j in range(len(adapters)) if i != j]
    terms = torch.stack([adapters[i][1] @ adapters[j][0] for i, j in pairs]).sum(0)
    return float(terms.norm() / torch.stack([b @ a for a, b in adapters]).sum(0).norm())


def with_own(adapters: Factors) -> float:
    everything = torch.stack([b for _, b in adapters]).sum(0) @ torch.stack([a for a, _ in adapters]).sum(0)
    return float(everything.norm() / torch.stack([b @ a for a, b in adapters]).sum(0).norm())


def rank_needed(change: Tensor, error: float) -> int:
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    for rank in range(1, len(values) + 1):
        lost = change - left[:, :rank] * values[:rank] @ right[:rank]
        if lost.norm() <= error * change.norm():
            return rank
    return len(values)


def by_sums(change: Tensor, error: float) -> int:
    values = torch.linalg.svdvals(change)
    return int((1 - values.cumsum(0) / values.sum() > error).sum()) + 1


def from_one_in_single_precision(change: Tensor, error: float) -> int:
    squares = torch.linalg.svdvals(change).square()
    left = (1 - squares.cumsum(0) / squares.sum()).clamp(min=0).sqrt()
    return int((left > error).sum()) + 1


def from_one_in_double_precision(change: Tensor, error: float) -> int:
    return from_one_in_single_precision(change.double(), error)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.3.2-1", subtract),
    ("28.3.2-2", crossed),
    ("28.3.2-3", rank_needed),
    ("28.3.2-3", from_one_in_double_precision),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.3.2-1", lambda a_1, b_1, a_2, b_2: b_1 @ a_1 - b_2 @ a_2, "两个张量", "two tensors"),
    ("28.3.2-1", lambda a_1, b_1, a_2, b_2: (a_1, b_1), "拼起来", "joined"),
    ("28.3.2-1", twice_negative, "负负得正", "cancels"),
    ("28.3.2-1", in_other_order, "次序要一致", "in the same order"),
    ("28.3.2-2", lambda adapters: "1.4", "应为", "it is"),
    ("28.3.2-2", with_own, "先减去", "first"),
    ("28.3.2-2", lambda adapters: (len(adapters) - 1) ** 0.5, "平方和", "squares"),
    ("28.3.2-3", lambda change, error: "4", "一个整数", "an integer"),
    ("28.3.2-3", by_sums, "先平方", "square"),
    ("28.3.2-3", from_one_in_single_precision, "舍入误差", "rounding errors"),
    ("28.3.2-3", lambda change, error: len(change), "最小的秩", "smallest rank"),
]
