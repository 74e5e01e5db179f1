"""Exercises of 28.2.3, the page on RetNet."""

from __future__ import annotations

import math
from numbers import Real

import torch

from .checking import Function, answer, register, wrong


@register("28.2.3-1")
def _half_lives(function: Function) -> None:
    """``half_lives(num_heads)``: steps after which each head has kept half, for γ = 1 - 2^(-5-h)."""
    for heads in (1, 4, 8):
        found = answer(function, heads)
        if not isinstance(found, list | tuple | torch.Tensor) or len(found) != heads:
            raise wrong(f"应返回 {heads} 个数，一个头一个。", f"Return {heads} numbers, one a head.")
        for head, value in enumerate(found):
            wanted = math.log(0.5) / math.log1p(-(2.0 ** (-5 - head)))
            if not math.isclose(float(value), wanted, rel_tol=1e-3):
                raise wrong(
                    f"第 {head} 个头应为 {wanted:.1f} 步，得到 {float(value):.1f}：解 γ^n = 1/2，"
                    "γ = 1 − 2^(−5−h)，h 从 0 数起。",
                    f"Head {head} takes {wanted:.1f} steps, not {float(value):.1f}: solve γ^n = 1/2 with "
                    "γ = 1 − 2^(−5−h), h from 0.",
                )


@register("28.2.3-2")
def _intensity(function: Function) -> None:
    """``intensity(chunk, width)``: operations a byte of one chunk of the chunkwise form, in float32."""
    for chunk, width in ((64, 64), (1, 32), (256, 64)):
        operations = 4 * chunk * chunk * width + 4 * chunk * width * width
        wanted = operations / (4 * (4 * chunk * width + 2 * width * width))
        found = answer(function, chunk, width)
        if not isinstance(found, Real):
            raise wrong("应返回一个数。", "Return a number.")
        if not math.isclose(float(found), wanted, rel_tol=1e-3):
            raise wrong(
                f"C = {chunk}、D = {width} 时应为 {wanted:.2f}，得到 {float(found):.2f}："
                "运算是 4C²D（块内两次乘法）加 4CD²（写状态、读状态），"
                "字节是 q、k、v、o 各 CD 个数与状态读写各 D² 个数，每个 4 字节。",
                f"For C = {chunk}, D = {width} it is {wanted:.2f}, not {float(found):.2f}: 4C²D operations "
                "(two products in the chunk) and 4CD² (writing and reading the state), over q, k, v, o of CD "
                "numbers and D² numbers of state in and out, 4 bytes each.",
            )


@register("28.2.3-3")
def _chunkwise(function: Function) -> None:
    """``chunkwise(q, k, v, gamma, size)``: one head of retention, chunk by chunk."""
    generator = torch.Generator().manual_seed(11)
    for time, size in ((12, 4), (10, 4), (3, 8)):
        q, k, v = torch.randn(3, time, 5, generator=generator)
        gamma = 0.8
        steps = torch.arange(time)
        back = steps[:, None] - steps
        wanted = (q @ k.T * torch.where(back >= 0, gamma ** back.clamp(min=0), 0)) @ v
        found = answer(function, q.clone(), k.clone(), v.clone(), gamma, size)
        if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
            raise wrong(f"应返回 [T, D] = {list(wanted.shape)}。", f"Return [T, D] = {list(wanted.shape)}.")
        if not torch.allclose(found[:size], wanted[:size], atol=1e-4):
            raise wrong(
                "第一块就不对：块内是 (q kᵀ ⊙ γ^(i−j)) v，j > i 的格子为零。",
                "The first chunk is wrong: within a chunk it is (q kᵀ ⊙ γ^(i−j)) v, with nothing for j > i.",
            )
        if not torch.allclose(found, wanted, atol=1e-4):
            raise wrong(
                "第一块对，后面不对：第 i 行（从 0 数起）还要读 γ^(i+1) q S；换块时 S 先乘 γ^块长，"
                "再加上每个 k vᵀ 乘 γ^(块长−1−i)。最后一块可以短一些。",
                "The first chunk is right, the rest is not: row i, from 0, also reads γ^(i+1) q S; from "
                "chunk to chunk S is multiplied by γ^length and takes in k vᵀ times γ^(length−1−i). "
                "The last chunk may be short.",
            )
