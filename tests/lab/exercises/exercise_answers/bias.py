"""Answers to the exercises of 28.5.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from frontier_lab.texts import pronoun_corpus

Row = NDArray[np.float64]


def log_odds(logits: Tensor, man: int, woman: int) -> Tensor:
    found = logits.log_softmax(-1)
    return found[:, woman] - found[:, man]


def of_probabilities(logits: Tensor, man: int, woman: int) -> Tensor:
    found = logits.softmax(-1)
    return found[:, woman] - found[:, man]


def sums(x: Row, y: Row) -> Row:
    """Of the first group in every split."""
    pooled = np.concatenate([x, y])
    return np.array([pooled[list(each)].sum() for each in combinations(range(len(pooled)), len(x))])


def p_value(x: Row, y: Row) -> float:
    return float((sums(x, y) >= x.sum() - 1e-9).mean())


def strictly(x: Row, y: Row) -> float:
    return float((sums(x, y) > x.sum() + 1e-9).mean())


def two_sided(x: Row, y: Row) -> float:
    middle = (x.sum() + y.sum()) * len(x) / (len(x) + len(y))
    return float((abs(sums(x, y) - middle) >= abs(x.sum() - middle) - 1e-9).mean())


def exchange(words: Sequence[str], parts: Sequence[Any]) -> list[str]:
    found = []
    for word, part in zip(words, parts, strict=True):
        pair = pronoun_corpus.FORMS.get(part, (word, word))
        found.append(pair[1 - pair.index(word)] if part else word)
    return found


def by_list(words: Sequence[str], parts: Sequence[Any]) -> list[str]:
    return pronoun_corpus.exchanged(words)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.5.3-1", log_odds),
    ("28.5.3-2", p_value),
    ("28.5.3-3", exchange),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.5.3-1", lambda logits, man, woman: log_odds(logits, woman, man), "正负号反了", "The sign is wrong"),
    ("28.5.3-1", of_probabilities, "概率之差", "difference of probabilities"),
    (
        "28.5.3-1",
        lambda logits, man, woman: log_odds(logits, man, woman).mean(),
        "应返回 [N] 的张量",
        "Return a tensor [N]",
    ),
    (
        "28.5.3-1",
        lambda logits, man, woman: log_odds(logits, man, woman) / 2,
        "归一化的常数",
        "The normaliser cancels",
    ),
    ("28.5.3-2", strictly, "比较用 ≥", "compare with ≥"),
    ("28.5.3-2", lambda x, y: p_value(y, x), "方向反了", "The direction is wrong"),
    ("28.5.3-2", two_sided, "所有分法都要数到", "Count all splits"),
    ("28.5.3-3", by_list, "按词表一对一地换", "Exchanged by a list"),
    ("28.5.3-3", lambda words, parts: words, "应换成", "becomes"),
]
