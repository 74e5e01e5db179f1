"""Answers to the exercises of 28.1.4: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def recall_at_k(rankings: list[list[int]], gold: list[int], k: int) -> float:
    return sum(row.index(g) < k for row, g in zip(rankings, gold, strict=True) if g in row) / len(gold)


def reciprocal_rank_fusion(rankings: list[list[int]], constant: float = 60) -> list[int]:
    points: Counter[int] = Counter()
    for ranking in rankings:
        points.update({item: 1 / (constant + rank) for rank, item in enumerate(ranking, 1)})  # type: ignore[misc]
    return [item for item, _ in points.most_common()]


def marginals(doc_scores: Tensor, token_log_probs: Tensor) -> tuple[Tensor, Tensor]:
    joint = doc_scores.log_softmax(0)[:, None] + token_log_probs
    sequence = torch.logsumexp(doc_scores.log_softmax(0) + token_log_probs.sum(1), 0)
    return sequence, joint.logsumexp(0).sum()


def in_probabilities(doc_scores: Tensor, token_log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Right, until the products are too small."""
    prior, probs = doc_scores.softmax(0), token_log_probs.exp()
    return (prior * probs.prod(1)).sum().log(), (prior[:, None] * probs).sum(0).prod().log()


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.4-1", recall_at_k),
    ("28.1.4-2", reciprocal_rank_fusion),
    ("28.1.4-3", marginals),
    ("28.1.4-3", lambda scores, log_probs: [float(value) for value in marginals(scores, log_probs)]),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.4-1", lambda rankings, gold, k: "all", "应返回一个比例", "Return a share"),
    # Precision: hits over all that was retrieved.
    ("28.1.4-1", lambda r, g, k: recall_at_k(r, g, k) / k, "除以问题总数", "over all questions"),
    ("28.1.4-1", lambda r, g, k: recall_at_k(r, g, 3), "在前 k 个里", "among the first k"),
    ("28.1.4-2", lambda rankings, constant: rankings[0], "各出现一次", "once"),
    ("28.1.4-2", lambda rankings, constant: 7, "应返回编号的列表", "Return a list of numbers"),
    (
        "28.1.4-2",
        lambda rankings, constant: reciprocal_rank_fusion(rankings, constant)[::-1],
        "得分最高",
        "has most points",
    ),
    ("28.1.4-3", lambda scores, log_probs: scores.sum(), "应返回两个数", "Return two numbers"),
    (
        "28.1.4-3",
        lambda scores, log_probs: marginals(scores, log_probs)[::-1],
        "先乘后加",
        "multiplies and then adds",
    ),
    ("28.1.4-3", lambda scores, log_probs: marginals(scores * 0, log_probs), "softmax", "Softmax doc_scores"),
    ("28.1.4-3", in_probabilities, "下溢", "underflows"),
]
