"""Answers to the exercises of 28.1.4: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def loss_without_doubles(questions: Tensor, passages: Tensor, names: list[str]) -> Tensor:
    rows = []
    for i, name in enumerate(names):
        others = [j for j, other in enumerate(names) if other != name]
        rows.append(-(questions[i] @ passages[[i, *others]].T).log_softmax(0)[0])
    return torch.stack(rows).mean()


def with_doubles(questions: Tensor, passages: Tensor, names: list[str]) -> Tensor:
    """DPR's own loss."""
    return -(questions @ passages.T).log_softmax(1).diagonal().mean()


def overlapping(tokens: list[int], size: int, overlap: int) -> list[list[int]]:
    found = [tokens[:size]]
    while len(found[-1]) == size and found[-1][-1] != tokens[-1]:
        start = (size - overlap) * len(found)
        found.append(tokens[start : start + size])
    return found


def with_a_tail(tokens: list[int], size: int, overlap: int) -> list[list[int]]:
    """Starts a chunk wherever one fits, also where the one before has all that is left."""
    return [tokens[start : start + size] for start in range(0, len(tokens), size - overlap)]


def trust(doc_scores: Tensor, token_log_probs: Tensor) -> Tensor:
    rows, logits = [doc_scores.softmax(0)], doc_scores
    for column in token_log_probs.T:
        logits = logits + column
        rows.append(logits.softmax(0))
    return torch.stack(rows)


def in_probabilities(doc_scores: Tensor, token_log_probs: Tensor) -> Tensor:
    """Right, until the products are too small."""
    joint = doc_scores.softmax(0)[:, None] * token_log_probs.exp().cumprod(1)  # [Z, T]
    every = torch.cat([doc_scores.softmax(0)[:, None], joint / joint.sum(0)], dim=1)
    return every.T


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.4-1", loss_without_doubles),
    ("28.1.4-2", overlapping),
    ("28.1.4-3", trust),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.4-1", lambda questions, passages, names: 0.5, "一个标量张量", "a scalar tensor"),
    ("28.1.4-1", with_doubles, "还在分母里", "still in the denominator"),
    ("28.1.4-1", lambda q, p, names: len(names) * loss_without_doubles(q, p, names), "平均", "average"),
    ("28.1.4-2", lambda tokens, size, overlap: tokens, "列表的列表", "a list of lists"),
    ("28.1.4-2", lambda tokens, size, overlap: [tokens], "每段要有", "A chunk has"),
    ("28.1.4-2", lambda tokens, size, overlap: [tokens[:size]], "不在任何一段里", "are in no chunk"),
    ("28.1.4-2", with_a_tail, "多余的段", "superfluous"),
    ("28.1.4-2", lambda tokens, size, overlap: overlapping(tokens, size, 0), "共有", "share"),
    ("28.1.4-3", lambda scores, log_probs: scores.softmax(0), "应返回", "Return a tensor"),
    ("28.1.4-3", in_probabilities, "下溢", "underflows"),
    ("28.1.4-3", lambda scores, log_probs: trust(0 * scores, log_probs), "第 0 行", "Row 0"),
    (
        "28.1.4-3",
        lambda scores, log_probs: scores.softmax(0).expand(log_probs.shape[1] + 1, -1),
        "正比于",
        "proportional to",
    ),
]
