"""Answers to the exercises of 28.3.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def jensen_gap(probabilities: Tensor, labels: Tensor) -> Tensor:
    chosen = probabilities[:, torch.arange(len(labels)), labels]  # [M, N]
    return chosen.mean(0).log() - chosen.log().mean(0)


def gap_of_logs(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Of the average of logits."""
    rows = torch.arange(len(labels))
    mixed = probabilities.log().mean(0).softmax(-1)
    return mixed[rows, labels].log() - probabilities[:, rows, labels].log().mean(0)


def vote(probabilities: Tensor) -> Tensor:
    choices = probabilities.argmax(-1)
    votes = torch.stack([(choices == c).sum(0) for c in range(probabilities.shape[-1])], dim=-1)
    mean = probabilities.mean(0)
    return mean.where(votes == votes.max(-1, keepdim=True).values, torch.tensor(-1.0)).argmax(-1)


def by_mode(probabilities: Tensor) -> Tensor:
    """As printed: of a tie the smallest class."""
    return torch.mode(probabilities.argmax(-1), dim=0).values


def greedy(probabilities: Tensor, labels: Tensor, count: int) -> list[int]:
    chosen: list[int] = []
    rows = torch.arange(len(labels))
    total = torch.zeros(probabilities.shape[1:])
    for _ in range(count):
        losses = -((total + probabilities)[:, rows, labels] / (len(chosen) + 1)).log().mean(1)
        chosen.append(int(losses.argmin()))
        total = total + probabilities[chosen[-1]]
    return chosen


def without_repeats(probabilities: Tensor, labels: Tensor, count: int) -> list[int]:
    chosen: list[int] = []
    for _ in range(count):
        left = [at for at in range(len(probabilities)) if at not in chosen] or list(range(len(probabilities)))
        losses = {
            at: -probabilities[[*chosen, at]].mean(0)[torch.arange(len(labels)), labels].log().mean()
            for at in left
        }
        chosen.append(min(left, key=losses.__getitem__))
    return chosen


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.3.3-1", jensen_gap),
    ("28.3.3-2", vote),
    ("28.3.3-3", greedy),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.3.3-1", lambda p, labels: jensen_gap(p, labels).mean(), "每句话一个数", "one number a sentence"),
    ("28.3.3-1", lambda p, labels: -jensen_gap(p, labels), "正负号反了", "The sign is wrong"),
    ("28.3.3-1", gap_of_logs, "先平均概率", "average the probabilities first"),
    ("28.3.3-1", lambda p, labels: 2 * jensen_gap(p, labels), "第一句应为", "The first sentence has"),
    ("28.3.3-2", lambda p: p.argmax(-1), "[N] 的张量", "a tensor [N]"),
    ("28.3.3-2", by_mode, "平局时", "where they do"),
    ("28.3.3-2", lambda p: p.mean(0).argmax(-1), "这是平均", "This is the average"),
    ("28.3.3-2", lambda p: p[0].argmax(-1), "先数每一类", "count the votes"),
    ("28.3.3-3", lambda p, labels, count: set(range(count)), "整数的列表", "a list of"),
    ("28.3.3-3", without_repeats, "可以再选", "may be chosen again"),
    ("28.3.3-3", lambda p, labels, count: [0] * count, "每一步试每个模型", "At every step try each model"),
]
