"""Answers to the exercises of 28.4.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def folds_of(groups: Sequence[str], count: int) -> list[int]:
    fold = {kind: i % count for i, kind in enumerate(sorted(set(groups)))}
    return [fold[group] for group in groups]


def control_labels(words: Sequence[str], classes: int, seed: int) -> list[int]:
    generator = np.random.default_rng(seed)
    label = {word: int(generator.integers(classes)) for word in sorted(set(words))}
    return [label[word] for word in words]


def codelength(blocks: Sequence[NDArray[np.float64]], classes: int) -> float:
    bits = len(blocks[0]) * np.log2(classes)
    return float(bits - sum(np.log2(block).sum() for block in blocks[1:]))


def per_sample(words: Sequence[str], classes: int, seed: int) -> list[int]:
    return [int(i) for i in np.random.default_rng(seed).integers(classes, size=len(words))]


CALLS = itertools.count()

RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.4.2-1", folds_of),
    ("28.4.2-2", control_labels),
    ("28.4.2-3", codelength),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    # Folds of samples, as a random split makes them.
    ("28.4.2-1", lambda groups, count: [i % count for i in range(len(groups))], "拆到了两折", "in two folds"),
    ("28.4.2-1", lambda groups, count: folds_of(sorted(set(groups)), count), "要 10 个折号", "as many folds"),
    ("28.4.2-1", lambda groups, count: folds_of(groups, 2), "折号应是 0、1、2", "none of them empty"),
    ("28.4.2-2", per_sample, "两个标签", "two labels"),
    ("28.4.2-2", lambda w, c, s: control_labels(sorted(set(w)), c, s), "要 240 个标签", "as many labels"),
    ("28.4.2-2", lambda w, c, s: control_labels(w, 2, s), "都有", "all of them used"),
    ("28.4.2-2", lambda w, c, s: control_labels(w, c, next(CALLS)), "结果却变了", "the same seed"),
    ("28.4.2-2", lambda w, c, s: control_labels(w, c, 0), "换一个种子", "another seed"),
    ("28.4.2-3", lambda b, c: -sum(np.log2(block).sum() for block in b), "按均匀分布付费", "log2(classes)"),
    ("28.4.2-3", lambda b, c: codelength(b, c) * np.log(2), "以 2 为底", "base 2"),
    ("28.4.2-3", lambda b, c: len(b), "位，你给的是", "bits, got"),
]
