"""Exercises of 28.1.2, the page on ALiBi."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong

LAYERS, HEADS = 2, 4
DIVISOR = 4
MORE = 0.15
"""Of the rows 480 tokens back: what relaxing the right head brings at least."""


@register("28.1.2-1")
def _divisors(function: Function) -> None:
    """``divisors()``: what each slope is divided by, ``[2][4]``; one by 4, and more is recalled."""
    found = answer(function)
    shaped = isinstance(found, Sequence) and len(found) == LAYERS
    if not shaped or any(not isinstance(layer, Sequence) or len(layer) != HEADS for layer in found):
        raise wrong("应返回 2 层、每层 4 个数。", "Return 2 layers of 4 numbers each.")
    if sorted(divisor for layer in found for divisor in layer) != [1] * (LAYERS * HEADS - 1) + [DIVISOR]:
        raise wrong("恰好一个头除以 4，其余的除以 1。", "Divide exactly one head by 4 and the others by 1.")
    from transformers import AutoModelForCausalLM

    from frontier_lab import hub
    from frontier_lab.methods.long_context import recalled_at, with_alibi
    from frontier_lab.zoo.families.short_context import held_out_haystacks

    path = hub.path("bigscience/bloom-560m")
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    texts, questions = held_out_haystacks()
    farthest = questions[:, -1:]
    before = recalled_at(model, texts, farthest).float().mean().item()
    after = recalled_at(with_alibi(model, divide=found), texts, farthest).float().mean().item()
    if after < before + MORE:
        raise wrong(
            f"隔 480 个词元的找回从 {before:.0%} 变到 {after:.0%}，多得不够。"
            "换一个头：不是已经看得最远的那个，也不是只看近处的。",
            f"Recall 480 tokens back goes from {before:.0%} to {after:.0%}, too little. "
            "Try another head: not the one that sees farthest already, nor one that only sees what is near.",
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
