"""Answers to the exercises of 28.4.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.float64]


def auroc(scores: Values, labels: Values) -> float:
    gaps = scores[labels == 1][:, None] - scores[labels == 0][None]
    return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))


def discoveries(p: Values, rate: float) -> list[int]:
    order = np.argsort(p)
    fits = p[order] <= np.arange(1, len(p) + 1) * rate / len(p)
    return sorted(order[: np.flatnonzero(fits).max() + 1].tolist()) if fits.any() else []


def until_the_first_above(p: Values, rate: float) -> list[int]:
    """Steps up and stops too early, where Benjamini and Hochberg look for the last that fits."""
    order = np.argsort(p)
    fits = p[order] <= np.arange(1, len(p) + 1) * rate / len(p)
    return sorted(order[: int(np.argmin(fits))].tolist())


def always_one(p: Values, rate: float) -> list[int]:
    return discoveries(p, rate) or [0]


def keep_top(scores: Tensor, k: int) -> Tensor:
    best = scores.clamp(min=0).topk(k, dim=-1)
    return scores.new_zeros(scores.shape).scatter(-1, best.indices, best.values)


def with_negative_ones(scores: Tensor, k: int) -> Tensor:
    best = scores.topk(k, dim=-1)
    return scores.new_zeros(scores.shape).scatter(-1, best.indices, best.values)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.4.3-1", auroc),
    ("28.4.3-2", discoveries),
    ("28.4.3-3", keep_top),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.4.3-1", lambda s, y: 1 - auroc(s, y), "应是 1", "so it is 1"),
    ("28.4.3-1", lambda s, y: np.mean(s[y == 1][:, None] > s[y == 0][None]), "应是 0.5", "so it is 0.5"),
    ("28.4.3-1", lambda s, y: round(auroc(s, y), 1), "概率不对", "is off"),
    ("28.4.3-2", lambda p, r: np.flatnonzero(p <= r).tolist(), "没有校正", "uncorrected"),
    ("28.4.3-2", lambda p, r: np.flatnonzero(p <= r / len(p)).tolist(), "Bonferroni", "Bonferroni"),
    ("28.4.3-2", until_the_first_above, "应是", "wanted"),
    ("28.4.3-2", always_one, "空列表", "the list is empty"),
    ("28.4.3-3", lambda s, k: s.topk(k).values, "应返回 [5, 12]", "wanted [5, 12]"),
    ("28.4.3-3", with_negative_ones, "一个也不该留", "nothing is kept"),
    ("28.4.3-3", lambda s, k: s.clamp(min=0), "留了三个以上", "more than three"),
    ("28.4.3-3", lambda s, k: keep_top(s, k - 1), "最大的三个", "the three largest"),
]
