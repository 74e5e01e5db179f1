"""Exercises of 28.5.2, the page on filters of harmful text."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from frontier_lab.methods.safety_filter import conformal_threshold

from .checking import Function, answer, register, wrong


@register("28.5.2-1")
def _blocked(function: Function) -> None:
    """``blocked(probabilities, thresholds)``: whether some label reaches its own threshold, ``[N]``."""
    generator = torch.Generator().manual_seed(1)
    thresholds = torch.tensor([0.5, 0.9, 0.3, 0.7, 0.99])
    drawn = torch.rand(60, 5, generator=generator) * 0.98
    edge = torch.zeros(2, 5)
    edge[0, 2] = 0.3
    probabilities = torch.cat([drawn, edge])
    found = answer(function, probabilities.clone(), thresholds.clone())
    if not isinstance(found, Tensor) or found.shape != (62,) or found.dtype != torch.bool:
        raise wrong(
            "应返回 [N] 的布尔张量，每句话一个。",
            "Return a tensor [N] of booleans, one for each text.",
        )
    over = probabilities >= thresholds
    wanted = over.any(-1)
    highest = over[torch.arange(62), probabilities.argmax(-1)]
    if torch.equal(found, highest) and not torch.equal(highest, wanted):
        raise wrong(
            "只看了概率最高的标签：另一个标签的门限可能更低，已经过了。",
            "You read the label of highest probability alone: another, of lower threshold, may be over it.",
        )
    if torch.equal(found[:60], wanted[:60]) and not found[60]:
        raise wrong("恰好等于门限的也要拦。", "A label that is exactly at its threshold blocks as well.")
    if not torch.equal(found, wanted):
        raise wrong(
            "只要有一个标签到了它自己的门限就拦。",
            "A text is blocked as soon as one label reaches its own threshold.",
        )


@register("28.5.2-2")
def _conformal(function: Function) -> None:
    """``threshold(scores, alpha)``: the highest that misses ``alpha`` at most, in the mean."""
    generator = torch.Generator().manual_seed(2)
    for n, alpha in ((39, 0.1), (99, 0.05), (9, 0.1), (40, 0.1), (200, 0.2)):
        scores = torch.rand(n, generator=generator)
        found = float(answer(function, scores.clone(), alpha))
        wanted = conformal_threshold(scores, alpha)
        ordered = scores.sort().values
        naive = float(ordered[int(np.floor(alpha * n + 1e-9))])
        if abs(found - naive) < 1e-6 and abs(naive - wanted) > 1e-6:
            raise wrong(
                f"{n} 句里直接取第 {alpha:g} 分位，没有为将来那一句留位置：平均会漏得比 α 多。"
                "名次是 ⌊α(n+1)⌋。",
                f"You took the {alpha:g} quantile of {n} scores and left no place for the one to come: in "
                "the mean more than α is missed. The rank is ⌊α(n+1)⌋.",
            )
        if abs(found - wanted) > 1e-6:
            raise wrong(
                f"{n} 句、α = {alpha:g} 时应为 {wanted:.4f}，得到 {found:.4f}："
                "从小到大排，取第 ⌊α(n+1)⌋ 个。",
                f"Of {n} scores with α = {alpha:g} it is {wanted:.4f}, not {found:.4f}: sort them upwards "
                "and take number ⌊α(n+1)⌋.",
            )
    if float(answer(function, torch.rand(5, generator=generator), 0.1)) != -float("inf"):
        raise wrong(
            "5 句太少，保证不了只漏 0.1：门限应是负无穷，全拦。",
            "Five texts are too few to promise 0.1: the threshold is minus infinity; everything is blocked.",
        )


KNOWN_WORDS = frozenset({"you", "fool", "stop", "it", "a", "the", "of", "july", "now", "lazy"})


@register("28.5.2-3")
def _normalise(function: Function) -> None:
    """``plain(text, words)``: signs read as letters where that makes a known word, and nowhere else."""
    pairs = {
        "you f00l": "you fool",
        "5top it": "stop it",
        "y0u l4zy fool": "you lazy fool",
        "the 4th of july": "the 4th of july",
        "a b2b shop": "a b2b shop",
        "stop now": "stop now",
        "room 101": "room 101",
    }
    for text, wanted in pairs.items():
        found = answer(function, text, KNOWN_WORDS)
        if not isinstance(found, str):
            raise wrong("应返回一个字符串。", "Return a string.")
        if text == wanted and found != wanted:
            raise wrong(
                f"“{text}” 没有伪装，却变成了 “{found}”：换过之后不是认识的词，就不要换。",
                f'"{text}" disguises nothing and became "{found}": if no known word comes of it, leave it.',
            )
        if found != wanted:
            raise wrong(
                f"“{text}” 应还原成 “{wanted}”，得到 “{found}”。",
                f'"{text}" should become "{wanted}", not "{found}".',
            )
