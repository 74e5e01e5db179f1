"""Answers to the exercises of 28.7.2: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def on_the_arc(t: float, cosine: float) -> tuple[float, float]:
    angle = np.arccos(cosine)
    if np.isclose(angle, 0):
        return 1 - t, t
    return float(np.sin((1 - t) * angle) / np.sin(angle)), float(np.sin(t * angle) / np.sin(angle))


def divided_by_zero(t: float, cosine: float) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):
        angle = np.arccos(np.float64(cosine))
        return float(np.sin((1 - t) * angle) / np.sin(angle)), float(np.sin(t * angle) / np.sin(angle))


def crossing(places: Sequence[float], one: Sequence[float], other: Sequence[float]) -> float:
    fine = np.linspace(places[0], places[-1], 400_001)
    gap = np.interp(fine, places, one) - np.interp(fine, places, other)
    return float(fine[np.argmin(np.abs(gap))])


def nearest(places: Sequence[float], one: Sequence[float], other: Sequence[float]) -> float:
    return float(places[int(np.argmin(np.abs(np.subtract(one, other))))])


def kept(expert: Any, merged: Any) -> tuple[float, float]:
    return float((expert & merged).sum() / expert.sum()), float((~expert & merged).sum() / (~expert).sum())


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.7.2-1", on_the_arc),
    ("28.7.2-2", crossing),
    ("28.7.2-3", kept),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.7.2-1", lambda t, cosine: t, "两个数", "two numbers"),
    ("28.7.2-1", divided_by_zero, "弧就是直线", "the arc is a line"),
    ("28.7.2-1", lambda t, cosine: on_the_arc(t, cosine)[::-1], "次序反了", "the other order"),
    ("28.7.2-1", lambda t, cosine: (1 - t, t), "这是直线", "That is the line"),
    ("28.7.2-1", lambda t, cosine: (np.cos(t), np.sin(t)), "夹角余弦", "a cosine of"),
    ("28.7.2-2", nearest, "离得最近的格点", "nearest"),
    ("28.7.2-2", lambda places, one, other: 0.1, "应为", "It is"),
    ("28.7.2-3", lambda expert, merged: merged.mean(), "两个份额", "two shares"),
    ("28.7.2-3", lambda e, m: ((e & m).mean(), (~e & m).mean()), "分母", "Not of all prompts"),
    ("28.7.2-3", lambda expert, merged: kept(expert, merged)[::-1], "次序反了", "the other order"),
    ("28.7.2-3", lambda expert, merged: (merged.mean(), 0.0), "一题一题", "prompt by prompt"),
]
