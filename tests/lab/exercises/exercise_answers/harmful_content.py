"""Answers to the exercises of 28.5.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor

LETTERS = str.maketrans("013457", "oleast")


def blocked(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    return (probabilities >= thresholds).any(-1)


def by_the_highest(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    label = probabilities.argmax(-1)
    return probabilities.max(-1).values >= thresholds[label]


def strictly(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    return (probabilities > thresholds).any(-1)


def threshold(scores: Tensor, alpha: float) -> float:
    rank = math.floor(alpha * (len(scores) + 1) + 1e-9)
    return float(scores.sort().values[rank - 1]) if rank else -math.inf


def quantile(scores: Tensor, alpha: float) -> float:
    return float(scores.sort().values[math.floor(alpha * len(scores) + 1e-9)])


def never_infinite(scores: Tensor, alpha: float) -> float:
    return float(scores.sort().values[max(math.floor(alpha * (len(scores) + 1) + 1e-9), 1) - 1])


def plain(text: str, words: Collection[str]) -> str:
    read = [(word, word.translate(LETTERS)) for word in text.split()]
    return " ".join(form if word not in words and form in words else word for word, form in read)


def always(text: str, words: Collection[str]) -> str:
    return text.translate(LETTERS)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.5.2-1", blocked),
    ("28.5.2-2", threshold),
    ("28.5.2-3", plain),
]
WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.5.2-1", lambda p, at: blocked(p, at).float(), "布尔张量", "tensor [N] of booleans"),
    ("28.5.2-1", by_the_highest, "只看了概率最高的标签", "highest probability alone"),
    ("28.5.2-1", strictly, "恰好等于门限", "exactly at its threshold"),
    ("28.5.2-1", lambda p, at: (p >= 0.5).any(-1), "它自己的门限", "its own threshold"),
    ("28.5.2-2", quantile, "没有为将来那一句留位置", "left no place"),
    ("28.5.2-2", lambda scores, alpha: 0.5, "从小到大排", "sort them upwards"),
    ("28.5.2-2", never_infinite, "5 句太少", "Five texts are too few"),
    ("28.5.2-3", lambda text, words: text.split(), "一个字符串", "Return a string"),
    ("28.5.2-3", always, "不是认识的词", "leave it"),
    ("28.5.2-3", lambda text, words: text, "应还原成", "should become"),
]
