"""Answers to the exercises of 28.1.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def unslowed(length: int) -> int:
    return {256: 7}[length]


def base_for(d: int, base: float, s: float, j: int) -> float:
    return float(base * s ** (d / (2 * j)))


def resolution(theta: Tensor) -> float:
    return float((2 - 2 * theta.cos()).mean().sqrt())


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.1-1", unslowed),
    ("28.1.1-2", base_for),
    ("28.1.1-3", resolution),
]


WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.1-1", lambda length: length / 64, "应返回 0 到 13 的整数", "Return a whole number from 0 to 13"),
    # All that never went round are slowed: the boundary of YaRN and Llama 3.
    ("28.1.1-1", lambda length: 4, "还可以多留", "more may be left"),
    ("28.1.1-1", lambda length: 8, "留多了", "too many are left"),
    ("28.1.1-2", lambda d, b, s, j: "b", "应返回一个正数", "Return a positive number"),
    # The formula of the slowest pair, and the printed one.
    ("28.1.1-2", lambda d, b, s, j: b * s ** (d / (d - 2)), "应恰好慢", "must turn exactly"),
    ("28.1.1-2", lambda d, b, s, j: b / s, "应恰好慢", "must turn exactly"),
    ("28.1.1-3", lambda theta: theta, "应返回一个数", "Return a number"),
    ("28.1.1-3", lambda theta: float(theta.square().mean().sqrt()), "2 sin(θ/2)", "2 sin(θ/2)"),
    ("28.1.1-3", lambda theta: float((2 - 2 * theta.cos()).sqrt().mean()), "先平方", "square, take the mean"),
]
