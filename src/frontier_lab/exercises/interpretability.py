"""Exercises of 28.7.3, the case of the head that is said to resolve pronouns."""

from __future__ import annotations

import numpy as np

from .checking import Function, answer, register, wrong


@register("28.7.3-1")
def _twin_score(function: Function) -> None:
    """``twin_score(first, second)``: shares of attention in twin sentences to the share that is right."""
    blind = answer(function, np.full(6, 0.8), np.full(6, 0.8))
    if not np.isclose(blind, 0.5):
        raise wrong(
            f"两句都看宾语的头只对一半，应是 0.5，你给的是 {blind}",
            f"a head that looks at the thing in both is half right, so it is 0.5, yours is {blind}",
        )
    first, second = np.array([0.9, 0.6, 0.4, 0.7]), np.array([0.2, 0.55, 0.1, 0.3])
    if not np.isclose(answer(function, first, second), 0.75):
        raise wrong(
            "八句里对六句，应是 0.75：是数答对的句子，不是成对都对的",
            "six of eight are right, so it is 0.75: count sentences, not pairs that are right in both",
        )


@register("28.7.3-2")
def _tested(function: Function) -> None:
    """``tested(train, test)``: scores of heads on two halves, to the one to report."""
    train, test = np.array([0.5, 0.9, 0.7, 0.6]), np.array([0.95, 0.8, 0.5, 0.6])
    found = answer(function, train, test)
    if np.isclose(found, 0.95):
        raise wrong("这是在测试的一半上挑的", "this is chosen on the half that it is tested on")
    if np.isclose(found, 0.9):
        raise wrong("这是挑选用的那一半的得分", "this is the score on the half that it is chosen on")
    if not np.isclose(found, 0.8):
        raise wrong(f"应是 0.8，你给的是 {found}", f"wanted 0.8, got {found}")


@register("28.7.3-3")
def _ablation_p(function: Function) -> None:
    """``ablation_p(chosen, random_ones)``: how often random heads hurt at least as much."""
    never = answer(function, 0.1, np.array([0.5, 0.6, 0.7, 0.8]))
    if np.isclose(never, 0):
        raise wrong(
            "四次随机都没有更伤，也不能说比例是零：分子分母各加一",
            "four draws that hurt less do not make it zero: add one above and below",
        )
    found = answer(function, 0.6, np.array([0.5, 0.6, 0.7, 0.8]))
    if np.isclose(found, 4 / 5):
        raise wrong("方向反了：得分越低伤得越重", "the wrong way round: lower scores are worse")
    if np.isclose(found, 2 / 5):
        raise wrong("同样伤的也要算", "draws that hurt as much count too")
    if not (np.isclose(never, 1 / 5) and np.isclose(found, 3 / 5)):
        raise wrong(f"应是 0.6，你给的是 {found}", f"wanted 0.6, got {found}")
