"""Exercises of 28.1.3, the page on sparse attention."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong


def _table(found: object, rows: int, columns: int) -> Tensor:
    """The answer as a boolean table, or what is wrong with it."""
    if not isinstance(found, Tensor) or found.shape != (rows, columns) or found.dtype != torch.bool:
        raise wrong(
            f"应返回形状 [{rows}, {columns}] 的布尔张量。",
            f"Return a boolean tensor of shape [{rows}, {columns}].",
        )
    return found


@register("28.1.3-1")
def _layers_needed(function: Function) -> None:
    """``layers_needed(window, distance)``: layers of a causal window until something is felt that far on."""
    for window, distance in ((8, 40), (8, 7), (2, 5), (4096, 131072), (16, 1)):
        found = answer(function, window, distance)
        if not isinstance(found, Real):
            raise wrong("应返回一个整数。", "Return a whole number.")
        wanted, felt = 0, 0
        while felt < distance:
            felt += window - 1
            wanted += 1
        if found != wanted:
            raise wrong(
                f"窗口 {window}、相隔 {distance} 时应为 {wanted} 层，得到 {found}。"
                "窗口含自己，所以一层只往后走 window − 1 步；不足一层算一层。",
                f"For a window of {window} and a distance of {distance} it is {wanted}, not {found}. "
                "The window contains the token itself, so a layer takes window − 1 steps; round up.",
            )


@register("28.1.3-2")
def _streaming_mask(function: Function) -> None:
    """``streaming_mask(n, window, sinks)``: causal, the last ``window`` tokens and the first ``sinks``."""
    for n, window, sinks in ((12, 4, 2), (9, 3, 0), (5, 8, 4), (20, 1, 4)):
        found = _table(answer(function, n, window, sinks), n, n)
        for i in range(n):
            seen = found[i].nonzero().flatten().tolist()
            if seen and seen[-1] > i:
                raise wrong(
                    f"第 {i} 个词元看见了后面的第 {seen[-1]} 个。", f"Token {i} sees {seen[-1]}, a later one."
                )
            recent = {j for j in range(i + 1) if i - j < window}
            if not recent <= set(seen):
                raise wrong(
                    f"第 {i} 个词元应看见最近 {window} 个，含自己。",
                    f"Token {i} sees the last {window} tokens, itself among them.",
                )
            if set(seen) != recent | set(range(min(sinks, i + 1))):
                raise wrong(
                    f"除了窗口，第 {i} 个词元还应看见最前面 {sinks} 个，别的都不看。",
                    f"Beside the window, token {i} sees the first {sinks} tokens and nothing else.",
                )


@register("28.1.3-3")
def _visible_blocks(function: Function) -> None:
    """``visible_blocks(mask, block)``: which blocks have a visible cell, ``[n / block, n / block]``."""
    generator = torch.Generator().manual_seed(4)
    for n, block, share in ((8, 2, 0.2), (12, 4, 0.05), (6, 6, 0.0), (9, 3, 0.1)):
        mask = torch.rand(n, n, generator=generator) < share
        found = _table(answer(function, mask.clone(), block), n // block, n // block)
        for i in range(n // block):
            for j in range(n // block):
                tile = mask[i * block : (i + 1) * block, j * block : (j + 1) * block]
                if bool(found[i, j]) != bool(tile.any()):
                    raise wrong(
                        f"第 ({i}, {j}) 块里可见的格子有 {int(tile.sum())} 个："
                        "有一个就为真，一个没有才为假。",
                        f"Block ({i}, {j}) has {int(tile.sum())} visible cells: one is enough for true, "
                        "none is false.",
                    )
