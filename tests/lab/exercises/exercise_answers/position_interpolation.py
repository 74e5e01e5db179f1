"""Answers to the exercises of 28.1.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def yarn(factor: float) -> dict[str, Any]:
    known = {"rope_type": "yarn", "rope_theta": 1e4, "original_max_position_embeddings": 64}
    return known | {"factor": float(factor)}


def stretched(length: int) -> dict[str, Any]:
    return yarn(length / 64)


def base_for(d: int, base: float, s: float, j: int) -> float:
    return float(base * s ** (d / (2 * j)))


def resolution(theta: Tensor) -> float:
    return float((2 - 2 * theta.cos()).mean().sqrt())


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.1.1-1", stretched),
    ("28.1.1-2", base_for),
    ("28.1.1-3", resolution),
]


WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.1.1-1", lambda length: length / 64, "应返回 rope_parameters", "Return rope_parameters"),
    ("28.1.1-1", lambda length: yarn(2), "s 太小", "s is too small"),
    ("28.1.1-1", lambda length: yarn(8), "s 太大", "s is too large"),
    # Linear interpolation by the right factor slows the fast clocks too.
    (
        "28.1.1-1",
        lambda length: {"rope_type": "linear", "rope_theta": 1e4, "factor": length / 64},
        "快钟也慢了",
        "fast clocks were slowed too",
    ),
    ("28.1.1-2", lambda d, b, s, j: "b", "应返回一个正数", "Return a positive number"),
    # The formula of the slowest pair, and the printed one.
    ("28.1.1-2", lambda d, b, s, j: b * s ** (d / (d - 2)), "应恰好慢", "must turn exactly"),
    ("28.1.1-2", lambda d, b, s, j: b / s, "应恰好慢", "must turn exactly"),
    ("28.1.1-3", lambda theta: theta, "应返回一个数", "Return a number"),
    ("28.1.1-3", lambda theta: float(theta.square().mean().sqrt()), "2 sin(θ/2)", "2 sin(θ/2)"),
    ("28.1.1-3", lambda theta: float((2 - 2 * theta.cos()).sqrt().mean()), "先平方", "square, take the mean"),
]
