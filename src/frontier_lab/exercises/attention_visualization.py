"""Exercises of 28.4.1, the page on attention maps."""

from __future__ import annotations

import numpy as np
from frontier_widgets.attention_patterns import rollout, value_weighted
from numpy.typing import NDArray

from .checking import Function, answer, register, wrong


def _weights(seed: int, *shape: int) -> NDArray[np.float64]:
    scores = np.random.default_rng(seed).normal(size=shape)
    weights = np.exp(scores)
    result: NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
    return result


@register("28.4.1-1")
def _previous_token_score(function: Function) -> None:
    """``previous_token_score(weights)``: mean weight at the token before, ``[T, T]`` to a number."""
    shifted = np.eye(6, k=-1)
    shifted[0, 0] = 1
    found = answer(function, shifted)
    if not np.isclose(found, 1):
        raise wrong(
            f"每个词元都只看前一个，得分应是 1，你给的是 {found}；第一个词元没有前一个，不算",
            f"every token looks at the one before it alone, so the score is 1, yours is {found}; "
            "the first token has none and does not count",
        )
    weights = _weights(0, 7, 7)
    wanted = np.diagonal(weights, -1).mean()
    if not np.isclose(answer(function, weights), wanted):
        raise wrong("随机权重上的得分不对", "the score of random weights is off")


@register("28.4.1-2")
def _value_weighted(function: Function) -> None:
    """``value_weighted(weights, values)``: ``[T, T]`` and ``[T, D]`` to ``[T, T]``."""
    weights, values = _weights(1, 5, 5), np.random.default_rng(2).normal(size=(5, 8))
    values[0] = 0
    found = np.asarray(answer(function, weights, values))
    if found.shape != (5, 5):
        raise wrong(f"应返回 [5, 5]，你给的是 {list(found.shape)}", f"wanted [5, 5], got {list(found.shape)}")
    if found[:, 0].any():
        raise wrong(
            "第一个词元的值向量是零，看它等于什么也没看",
            "the first token's value is zero: looking at it brings nothing",
        )
    if not np.allclose(found, value_weighted(weights, np.linalg.norm(values, axis=-1))):
        raise wrong("每行要重新归一化到 1", "each row has to sum to 1 again")


@register("28.4.1-3")
def _rollout(function: Function) -> None:
    """``rollout(weights)``: ``[L, H, T, T]`` to ``[T, T]``."""
    weights = _weights(3, 3, 2, 5, 5)
    found = np.asarray(answer(function, weights))
    if found.shape != (5, 5):
        raise wrong(f"应返回 [5, 5]，你给的是 {list(found.shape)}", f"wanted [5, 5], got {list(found.shape)}")
    if not np.allclose(found.sum(-1), 1):
        raise wrong(
            "每行之和应是 1：每层要一半残差、一半注意力",
            "rows have to sum to 1: half residual, half attention",
        )
    if np.allclose(found, rollout(weights[::-1], 0.5)[-1]):
        raise wrong(
            "层的次序反了：后面的层乘在左边",
            "the layers are the wrong way round: later ones multiply on the left",
        )
    if not np.allclose(found, rollout(weights, 0.5)[-1]):
        raise wrong("各层没有乘对", "the product over the layers is off")
