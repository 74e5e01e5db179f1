"""Answers to the exercises of 28.1.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor


def unfinished(d: int, base: float, trained: int) -> int:
    return sum(2 * math.pi * base ** (i / d) > trained for i in range(0, d, 2))


def base_for(d: int, base: float, s: float, j: int) -> float:
    return float(base * s ** (d / (2 * j)))


def resolution(theta: Tensor) -> float:
    return float((2 - 2 * theta.cos()).mean().sqrt())


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.1-1", unfinished),
    ("28.1.1-2", base_for),
    ("28.1.1-3", resolution),
]


WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.1-1", lambda d, b, n: d // 2 - unfinished(d, b, n), "转了几圈 =", "Turns are"),
    # The wavelength without 2π.
    ("28.1.1-1", lambda d, b, n: sum(b ** (i / d) > n for i in range(0, d, 2)), "÷ 2π", "over 2π"),
    ("28.1.1-2", lambda d, b, s, j: "b", "应返回一个正数", "Return a positive number"),
    # The formula of the slowest pair, and the printed one.
    ("28.1.1-2", lambda d, b, s, j: b * s ** (d / (d - 2)), "应恰好慢", "must turn exactly"),
    ("28.1.1-2", lambda d, b, s, j: b / s, "应恰好慢", "must turn exactly"),
    ("28.1.1-3", lambda theta: theta, "应返回一个数", "Return a number"),
    ("28.1.1-3", lambda theta: float(theta.square().mean().sqrt()), "2 sin(θ/2)", "2 sin(θ/2)"),
    ("28.1.1-3", lambda theta: float((2 - 2 * theta.cos()).sqrt().mean()), "先平方", "square, take the mean"),
]
