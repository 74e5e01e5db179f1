"""Exercises of 28.1.3, the page on sparse attention."""

from __future__ import annotations

import itertools
from numbers import Real

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong


@register("28.1.3-1")
def _layers_needed(function: Function) -> None:
    """``layers_needed(windows, distance)``: layers until something is felt that far on, windows in turn."""
    for windows, distance in (
        ([8], 40),
        ([8], 7),
        ([2, 9], 11),
        ([9, 2], 11),
        ([4, 4, 4, 64], 200),
        ([64, 4, 4, 4], 63),
        ([16, 3], 1),
    ):
        found = answer(function, list(windows), distance)
        if not isinstance(found, Real):
            raise wrong("应返回一个整数。", "Return a whole number.")
        wanted, felt = 0, 0
        for window in itertools.cycle(windows):
            if felt >= distance:
                break
            felt += window - 1
            wanted += 1
        if found != wanted:
            raise wrong(
                f"窗口依次是 {windows}、相隔 {distance} 时应为 {wanted} 层，得到 {found}。"
                "窗口含自己，所以一层只往后走 window − 1 步；不足一层算一层；从第一层数起，用完了从头再来。",
                f"For windows of {windows} in turn and a distance of {distance} it is {wanted}, not {found}. "
                "A window contains the token itself, so a layer takes window − 1 steps; round up; count from "
                "the first layer, and begin again after the last window.",
            )


@register("28.1.3-2")
def _cached_tokens(function: Function) -> None:
    """``cached_tokens(kinds, window, n)``: tokens that all layers keep, counted layer by layer."""
    near, whole = "sliding_attention", "full_attention"
    for kinds, window, n in (
        ([whole] * 3, 8, 100),
        ([near] * 3, 8, 100),
        ([near, near, whole], 8, 5),
        ([near] * 5 + [whole], 1024, 131072),
    ):
        found = answer(function, list(kinds), window, n)
        if not isinstance(found, Real):
            raise wrong("应返回一个整数。", "Return a whole number.")
        wanted = 0
        for kind in kinds:
            wanted += n if kind == whole or n < window else window
        if found != wanted:
            raise wrong(
                f"{kinds.count(near)} 层窗口（{window}）、{kinds.count(whole)} 层全局，读 {n} 个词元，"
                f"应为 {wanted}，得到 {found}。窗口层最多留 window 个，读得还少时有几个留几个。",
                f"{kinds.count(near)} window layers ({window}) and {kinds.count(whole)} full ones "
                f"keep {wanted} after {n} tokens, not {found}. A window layer keeps at most window tokens, "
                "and no more than there are.",
            )


@register("28.1.3-3")
def _keep_top(function: Function) -> None:
    """``keep_top(scores, k)``: the ``k`` highest of each row of ``[..., n]`` as they are, all others -inf."""
    generator = torch.Generator().manual_seed(5)
    for shape, k in (((6,), 2), ((3, 5), 1), ((2, 3, 4, 7), 7), ((2, 2, 9), 4)):
        scores = torch.randn(shape, generator=generator)
        found = answer(function, scores.clone(), k)
        if not isinstance(found, Tensor) or found.shape != scores.shape:
            raise wrong(
                f"应返回形状 {list(scores.shape)} 的张量，与 scores 相同。",
                f"Return a tensor of the shape of scores, {list(scores.shape)}.",
            )
        kept = found > -torch.inf
        numbers = sorted(set(kept.sum(-1).flatten().tolist()))
        if not (kept.sum(-1) == k).all():
            raise wrong(
                f"每行应恰好留 {k} 个，其余是 −∞；得到的各行留了 {numbers} 个。",
                f"Each row keeps exactly {k}, the rest is −∞; yours keep {numbers}.",
            )
        if not torch.equal(found[kept], scores[kept]):
            raise wrong("留下的分数应与原来一样。", "Scores that are kept stay as they are.")
        if k < scores.shape[-1]:
            lowest = found.masked_fill(~kept, torch.inf).amin(-1)
            if (scores.masked_fill(kept, -torch.inf).amax(-1) > lowest).any():
                raise wrong("留下的应是每行最大的，不是最小的或最前面的。", "Keep the highest of each row.")
    tied = answer(function, torch.zeros(2, 6), 3)
    if (tied > -torch.inf).sum() != 6:
        raise wrong("并列时也恰好留 k 个。", "Exactly k stay where scores tie.")
