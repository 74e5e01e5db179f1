"""Answers to the exercises of 28.5.4: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from scipy import stats
from torch import Tensor


def weigh(logits: Tensor, attribute: Tensor, strength: float) -> Tensor:
    return logits + strength * attribute.log()


def p_value(green: int, counted: int, share: float) -> float:
    return float(stats.binom.sf(green - 1, counted, share))


def by_z(green: int, counted: int, share: float) -> float:
    z = (green - share * counted) / math.sqrt(counted * share * (1 - share))
    return float(stats.norm.sf(z))


def conditioned(own: Tensor, allowed: Tensor) -> Tensor:
    kept = own * allowed
    return kept / kept.sum()


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.5.4-1", weigh),
    ("28.5.4-2", p_value),
    ("28.5.4-3", conditioned),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.5.4-1", lambda logits, a, s: logits + s * a, "对数", "logarithm"),
    ("28.5.4-1", lambda logits, a, s: logits + a.log(), "没有用到 strength", "strength is not used"),
    ("28.5.4-1", lambda logits, a, s: logits[0], "同形", "the shape of logits"),
    ("28.5.4-1", lambda logits, a, s: logits, "第一个候选", "The first candidate"),
    ("28.5.4-2", lambda g, n, s: float(stats.binom.sf(g, n, s)), "差了一个", "Off by one"),
    ("28.5.4-2", by_z, "正态近似", "normal approximation"),
    ("28.5.4-2", lambda g, n, s: g / n, "应为", "it is"),
    ("28.5.4-3", lambda own, ok: ok.float() / ok.sum(), "一样可能", "equally likely"),
    ("28.5.4-3", lambda own, ok: own * ok, "还要归一", "normalise"),
    ("28.5.4-3", lambda own, ok: own, "比例不变", "proportions stay"),
]
