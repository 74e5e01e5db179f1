"""Answers to the exercises of 28.4.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def previous_token_score(weights: Table) -> float:
    return float(np.diagonal(weights, offset=-1).mean())


def value_weighted(weights: Table, values: Table) -> Table:
    brought = weights * np.linalg.norm(values, axis=-1)
    found: Table = brought / brought.sum(-1, keepdims=True)
    return found


def rollout(weights: Table) -> Table:
    found: Table = np.eye(weights.shape[-1])
    for layer in weights.mean(1):
        found = (layer + np.eye(len(layer))) / 2 @ found
    return found


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.4.1-1", previous_token_score),
    ("28.4.1-2", value_weighted),
    ("28.4.1-3", rollout),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    # The mean over all rows, of which the first has no token before it.
    ("28.4.1-1", lambda w: np.diagonal(w, -1).sum() / len(w), "得分应是 1", "the score is 1"),
    # Right for a table of zeros and ones alone.
    ("28.4.1-1", lambda w: np.median(np.diagonal(w, -1)), "随机权重", "random weights"),
    ("28.4.1-2", lambda w, v: (w * np.linalg.norm(v, axis=-1)).sum(-1), "应返回 [5, 5]", "wanted [5, 5]"),
    ("28.4.1-2", lambda w, v: w, "值向量是零", "value is zero"),
    ("28.4.1-2", lambda w, v: w * np.linalg.norm(v, axis=-1), "重新归一化", "sum to 1 again"),
    ("28.4.1-3", lambda w: w.mean(1), "应返回 [5, 5]", "wanted [5, 5]"),
    ("28.4.1-3", lambda w: (w.mean(1) + np.eye(5)).sum(0), "每行之和", "rows have to sum"),
    ("28.4.1-3", lambda w: rollout(w[::-1]), "次序反了", "the wrong way round"),
    ("28.4.1-3", lambda w: w.mean((0, 1)), "没有乘对", "is off"),
]
