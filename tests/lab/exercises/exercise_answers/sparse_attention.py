"""Answers to the exercises of 28.1.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def layers_needed(window: int, distance: int) -> int:
    return math.ceil(distance / (window - 1))


def streaming_mask(n: int, window: int, sinks: int) -> Tensor:
    seen = torch.ones(n, n, dtype=torch.bool).tril()
    recent = seen & torch.ones(n, n, dtype=torch.bool).triu(1 - window)
    seen[:, sinks:] = False
    return seen | recent


def visible_blocks(mask: Tensor, block: int) -> Tensor:
    return torch.nn.functional.max_pool2d(mask[None].float(), block)[0] > 0


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.3-1", layers_needed),
    ("28.1.3-2", streaming_mask),
    ("28.1.3-3", visible_blocks),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.3-1", lambda window, distance: "6", "应返回一个整数", "Return a whole number"),
    # Forgets that the window contains the token itself.
    (
        "28.1.3-1",
        lambda window, distance: math.ceil(distance / window),
        "含自己",
        "contains the token itself",
    ),
    ("28.1.3-1", lambda window, distance: distance // (window - 1), "不足一层算一层", "round up"),
    ("28.1.3-2", lambda n, w, s: streaming_mask(n, w, s).float(), "布尔张量", "boolean tensor"),
    ("28.1.3-2", lambda n, w, s: streaming_mask(n, w, s).T, "看见了后面的", "a later one"),
    ("28.1.3-2", lambda n, w, s: streaming_mask(n, w - 1, s), "含自己", "itself among them"),
    ("28.1.3-2", lambda n, w, s: streaming_mask(n, w, 0), "还应看见最前面", "sees the first"),
    ("28.1.3-3", lambda mask, block: mask, "应返回形状", "shape"),
    (
        "28.1.3-3",
        lambda mask, block: torch.nn.functional.avg_pool2d(mask[None].float(), block)[0] == 1,
        "有一个就为真",
        "one is enough",
    ),
    ("28.1.3-3", lambda mask, block: mask[::block, ::block], "有一个就为真", "one is enough"),
]
