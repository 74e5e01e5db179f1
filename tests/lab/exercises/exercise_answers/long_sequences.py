"""Answers to the exercises of 28.7.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def continued(from_zero: torch.Tensor, decay: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    return from_zero + decay.log().cumsum(0).exp() * state


def reach(seen: list[int], losses: Any, *, paired: bool = True, times: float = 2) -> int:
    worse = losses - losses[-1]
    error = (worse if paired else losses).std(1, ddof=1) / losses.shape[1] ** 0.5
    return int(seen[int(np.argmax(worse.mean(1) <= times * error))])


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.7.1-1", lambda each, state: state // each + 1),
    ("28.7.1-2", continued),
    ("28.7.1-3", reach),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.7.1-1", lambda each, state: state // each, "还没有大于", "not more than"),
    ("28.7.1-1", lambda each, state: state / each, "起更大", "tokens on"),
    ("28.7.1-2", lambda z, a, s: s, "同形状", "the shape of from_zero"),
    ("28.7.1-2", lambda z, a, s: z + a * s, "前 t 个衰减", "product of all"),
    ("28.7.1-2", lambda z, a, s: z + s, "线性", "linear"),
    ("28.7.1-3", lambda w, losses: reach(w, losses, paired=False), "差的", "of the difference"),
    ("28.7.1-3", lambda w, losses: w[-1], "第一个", "the first w"),
]
