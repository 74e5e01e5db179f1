"""Answers to the exercises of 28.1.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def layers_needed(windows: list[int], distance: int) -> int:
    steps = [window - 1 for window in windows]
    rounds, rest = divmod(distance, sum(steps))
    return rounds * len(steps) + (0 if rest == 0 else next(n for n in range(10**6) if sum(steps[:n]) >= rest))


def cached_tokens(kinds: list[str], window: int, n: int) -> int:
    full = kinds.count("full_attention")
    return full * n + (len(kinds) - full) * min(n, window)


def keep_top(scores: Tensor, k: int) -> Tensor:
    rank = torch.argsort(scores, dim=-1, descending=True, stable=True).argsort(dim=-1)
    return scores.masked_fill(rank >= k, -torch.inf)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.3-1", layers_needed),
    ("28.1.3-2", cached_tokens),
    ("28.1.3-3", keep_top),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.3-1", lambda windows, distance: "6", "应返回一个整数", "Return a whole number"),
    # Forgets that the window contains the token itself.
    (
        "28.1.3-1",
        lambda windows, distance: math.ceil(distance * len(windows) / sum(windows)),
        "含自己",
        "contains the token itself",
    ),
    # The mean window is right for whole rounds alone.
    (
        "28.1.3-1",
        lambda windows, distance: math.ceil(distance * len(windows) / sum(window - 1 for window in windows)),
        "从第一层数起",
        "count from the first layer",
    ),
    ("28.1.3-1", lambda windows, distance: distance // (windows[0] - 1), "不足一层算一层", "round up"),
    ("28.1.3-2", lambda kinds, window, n: "100", "应返回一个整数", "Return a whole number"),
    ("28.1.3-2", lambda kinds, window, n: len(kinds) * n, "最多留 window 个", "at most window"),
    (
        "28.1.3-2",
        lambda kinds, window, n: sum(n if kind == "full_attention" else window for kind in kinds),
        "有几个留几个",
        "no more than there are",
    ),
    ("28.1.3-3", lambda scores, k: scores.topk(k, -1).values, "与 scores 相同", "the shape of scores"),
    # Where scores tie, this keeps more than k.
    (
        "28.1.3-3",
        lambda scores, k: scores.masked_fill(scores < scores.topk(k, -1).values[..., -1:], -torch.inf),
        "并列时",
        "where scores tie",
    ),
    ("28.1.3-3", lambda scores, k: scores, "恰好留", "keeps exactly"),
    ("28.1.3-3", lambda scores, k: -keep_top(-scores, k), "恰好留", "keeps exactly"),
    (
        "28.1.3-3",
        lambda scores, k: torch.softmax(keep_top(scores, k), -1).log(),
        "与原来一样",
        "stay as they are",
    ),
    (
        "28.1.3-3",
        lambda scores, k: scores.masked_fill(torch.arange(scores.shape[-1]) >= k, -torch.inf),
        "不是最小的或最前面的",
        "Keep the highest",
    ),
]
