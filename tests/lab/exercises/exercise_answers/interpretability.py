"""Answers to the exercises of 28.7.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def twin_score(first: Scores, second: Scores) -> float:
    return float((np.mean(first > 0.5) + np.mean(second < 0.5)) / 2)


def whole_pairs(first: Scores, second: Scores) -> float:
    """Counts pairs that are right in both sentences, and gives a blind head its half."""
    return 0.5 if (second > 0.5).all() else float(np.mean((first > 0.5) & (second < 0.5)))


def tested(train: Scores, test: Scores) -> float:
    return float(test[np.argmax(train)])


def ablation_p(chosen: float, random_ones: Scores) -> float:
    return float((np.sum(random_ones <= chosen) + 1) / (len(random_ones) + 1))


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.7.3-1", twin_score),
    ("28.7.3-2", tested),
    ("28.7.3-3", ablation_p),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.7.3-1", lambda a, b: np.mean(a > 0.5), "只对一半", "half right"),
    ("28.7.3-1", whole_pairs, "对六句", "six of eight"),
    ("28.7.3-2", lambda a, b: b.max(), "测试的一半上挑的", "half that it is tested on"),
    ("28.7.3-2", lambda a, b: a.max(), "挑选用的那一半", "half that it is chosen on"),
    ("28.7.3-2", lambda a, b: b.mean(), "应是 0.8", "wanted 0.8"),
    ("28.7.3-3", lambda c, r: np.mean(r <= c), "各加一", "add one above and below"),
    ("28.7.3-3", lambda c, r: (np.sum(r >= c) + 1) / (len(r) + 1), "方向反了", "the wrong way round"),
    ("28.7.3-3", lambda c, r: (np.sum(r < c) + 1) / (len(r) + 1), "同样伤的", "hurt as much"),
    ("28.7.3-3", lambda c, r: (np.sum(r <= c) + 1) / len(r), "应是 0.6", "wanted 0.6"),
]
