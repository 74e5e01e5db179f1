"""Exercises of 28.1.2, the page on ALiBi."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong


@register("28.1.2-1")
def _window(function: Function) -> None:
    """``window(m, share)``: fewest tokens, the query's own among them, that hold ``share`` of the weight."""
    for m, share in ((1 / 2, 0.95), (1 / 4, 0.95), (1 / 16, 0.5), (1 / 256, 0.99), (1.0, 0.1)):
        found = answer(function, m, share)
        wanted, held = 0, 0.0
        while held < share:
            held += (1 - math.exp(-m)) * math.exp(-m * wanted)
            wanted += 1
        if not isinstance(found, Real):
            raise wrong("应返回一个整数。", "Return a whole number.")
        if found != wanted:
            raise wrong(
                f"m = {m:g}、占 {share:.0%} 时应为 {wanted}，得到 {found}。"
                "往回数 w 个词元占去 1 − exp(−m w)，向上取整。",
                f"For m = {m:g} and {share:.0%} it is {wanted}, not {found}. "
                "The last w tokens hold 1 − exp(−m w); round up.",
            )


@register("28.1.2-2")
def _padded_bias(function: Function) -> None:
    """``padded_bias(slopes, mask)``: BLOOM's row of biases ``[B, H, T]`` for rows padded on the left."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    for heads, rows in ((4, [[1] * 6, [0, 0, 1, 1, 1, 1]]), (6, [[0, 1, 1], [1, 1, 1], [0, 0, 1]])):
        mask = torch.tensor(rows)
        slopes = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
        wanted = build_alibi_tensor(mask, heads, torch.float32).unflatten(0, (len(rows), heads)).squeeze(2)
        found = answer(function, slopes, mask)
        if not isinstance(found, Tensor) or found.shape != wanted.shape:
            raise wrong(
                f"应返回形状 {list(wanted.shape)} 的张量：批、头、词元。",
                f"Return a tensor of shape {list(wanted.shape)}: batch, heads, tokens.",
            )
        if not torch.allclose(found[mask.bool().all(1)].float(), wanted[mask.bool().all(1)]):
            raise wrong(
                "没有填充的那一行应是 m × 0, 1, 2, …。", "The row without padding is m times 0, 1, 2, …"
            )
        if not torch.allclose(found.float(), wanted):
            raise wrong(
                "左边有填充的行，位置要从第一个真正的词元数起，填充处给 0。",
                "Where the left is padded, positions start at the first real token, and padding gets 0.",
            )


@register("28.1.2-3")
def _forget_bias(function: Function) -> None:
    """``forget_bias(log_gates)``: sums of log gates on the way from key to query, ``[H, T, T]``."""
    generator = torch.Generator().manual_seed(3)
    for heads, length in ((2, 7), (3, 1), (4, 12)):
        gates = -torch.rand(heads, length, generator=generator)
        found = answer(function, gates.clone())
        if not isinstance(found, Tensor) or found.shape != (heads, length, length):
            raise wrong(
                f"应返回形状 [{heads}, {length}, {length}] 的张量。",
                f"Return a tensor of shape [{heads}, {length}, {length}].",
            )
        for i in range(length):
            for j in range(length):
                cell = found[:, i, j].float()
                if j > i:
                    if not (cell == -math.inf).all():
                        raise wrong(
                            f"第 ({i}, {j}) 格在未来，应是 −∞。", f"Cell ({i}, {j}) is the future: −∞."
                        )
                elif not torch.allclose(cell, gates[:, j + 1 : i + 1].sum(-1), atol=1e-4):
                    raise wrong(
                        f"第 ({i}, {j}) 格应是第 {j + 1} 到 {i} 个 log f 之和："
                        "键自己的门不算，查询的门要算。",
                        f"Cell ({i}, {j}) sums log f from {j + 1} to {i}: not the key's own gate, "
                        "but the query's.",
                    )
