"""Answers to the exercises of 28.3.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

State = dict[str, Tensor]


def add_but(base: State, tuned: list[State], coefficient: float, left: str) -> State:
    merged = {name: tensor.clone() for name, tensor in base.items()}
    for state in tuned:
        for name in merged:
            if left not in name:
                merged[name] += coefficient * (state[name] - base[name])
    return merged


def everything(base: State, tuned: list[State], coefficient: float, left: str) -> State:
    return add_but(base, tuned, coefficient, "no such name")


def of_weights(base: State, tuned: list[State], coefficient: float, left: str) -> State:
    """Adds the tuned weights and not what tuning added."""
    return {
        name: start if left in name else start + coefficient * sum(state[name] for state in tuned)
        for name, start in base.items()
    }


def averaged(base: State, tuned: list[State], coefficient: float, left: str) -> State:
    """Divides by the number of experts; one expert alone hides it."""
    return add_but(base, tuned, coefficient / len(tuned), left)


def stock_share(cosines: Tensor) -> float:
    count = len(cosines)
    mean = (cosines.sum() - cosines.trace()) / (count * (count - 1))
    return float(count * mean / (1 + (count - 1) * mean))


def with_the_diagonal(cosines: Tensor) -> float:
    count, mean = len(cosines), cosines.mean()
    return float(count * mean / (1 + (count - 1) * mean))


def correlations(hidden_a: Tensor, hidden_b: Tensor) -> np.ndarray[Any, Any]:
    width = hidden_a.shape[1]
    return np.corrcoef(hidden_a.numpy(), hidden_b.numpy(), rowvar=False)[:width, width:]


def match_units(hidden_a: Tensor, hidden_b: Tensor) -> Tensor:
    _, places = linear_sum_assignment(-correlations(hidden_a, hidden_b))
    return torch.from_numpy(places)


def greedy(hidden_a: Tensor, hidden_b: Tensor) -> Tensor:
    """The best of each row, some of them twice."""
    return torch.from_numpy(correlations(hidden_a, hidden_b).argmax(1))


def by_products(hidden_a: Tensor, hidden_b: Tensor) -> Tensor:
    """Units of large values win."""
    _, places = linear_sum_assignment(-(hidden_a.T @ hidden_b).numpy())
    return torch.from_numpy(places)


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.3.1-1", add_but),
    ("28.3.1-2", stock_share),
    ("28.3.1-3", match_units),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.3.1-1", lambda base, tuned, coefficient, left: list(base), "应返回一个字典", "Return a dictionary"),
    ("28.3.1-1", everything, "逐位相同", "bit by bit"),
    ("28.3.1-1", of_weights, "要加的是任务向量", "what is added is task vectors"),
    ("28.3.1-1", averaged, "任务向量之和", "the sum of 3 task vectors"),
    ("28.3.1-2", lambda cosines: cosines, "应返回一个数", "Return one number"),
    ("28.3.1-2", with_the_diagonal, "对角线上", "The diagonal"),
    ("28.3.1-2", lambda cosines: 1 / len(cosines), "应为", "it is"),
    ("28.3.1-3", lambda a, b: a.T @ b, "整数张量", "an integer tensor"),
    ("28.3.1-3", greedy, "恰好要用一次", "exactly once"),
    ("28.3.1-3", by_products, "标准差 1", "standard deviation 1"),
]
