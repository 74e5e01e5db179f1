"""Answers to the exercises of 28.5.5: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor


def best_of(scores: Tensor, n: int) -> float:
    ranked, total = scores.sort(descending=True).values.tolist(), len(scores)
    return sum(
        value * math.comb(total - 1 - rank, n - 1) / math.comb(total, n) for rank, value in enumerate(ranked)
    )


def with_replacement(scores: Tensor, n: int) -> float:
    ranked, total = scores.sort(descending=True).values.tolist(), len(scores)
    return sum(
        value * ((total - rank) ** n - (total - 1 - rank) ** n) / total**n
        for rank, value in enumerate(ranked)
    )


def advantages(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def optimum(reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    return (reference.log() + rewards / beta).softmax(0)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.5.5-1", best_of),
    ("28.5.5-2", advantages),
    ("28.5.5-3", optimum),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.5.5-1", with_replacement, "放回", "with replacement"),
    ("28.5.5-1", lambda scores, n: scores.max().item(), "全体里最好", "best of all"),
    ("28.5.5-1", lambda scores, n: 0.0, "最好的平均是", "on average"),
    ("28.5.5-2", lambda r: r - r.mean(1, keepdim=True), "含着它自己", "includes the reward itself"),
    ("28.5.5-2", lambda r: r - r.mean(), "同一个提示", "within a prompt"),
    ("28.5.5-2", lambda r: r[0], "同形", "the shape of rewards"),
    ("28.5.5-2", lambda r: r, "第一个应为", "The first is"),
    ("28.5.5-3", lambda p, r, beta: (r / beta).softmax(0), "参考模型不见了", "reference is gone"),
    ("28.5.5-3", lambda p, r, beta: (p.log() + r * beta).softmax(0), "离参考越近", "nearer to the reference"),
    ("28.5.5-3", lambda p, r, beta: p, "第一个应为", "The first is"),
    ("28.5.5-3", lambda p, r, beta: p[:2], "应返回", "Return"),
]
