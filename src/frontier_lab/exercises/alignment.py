"""Exercises of 28.5.5, the page on alignment."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from frontier_lab.methods import preference

from .checking import Function, answer, register, wrong


@register("28.5.5-1")
def _best_of(function: Function) -> None:
    """``best_of(scores, n)``: mean score of the best of ``n`` drawn from ``scores`` without replacement."""
    generator = torch.Generator().manual_seed(0)
    for total, n in ((4, 1), (5, 2), (8, 3), (6, 6)):
        scores = torch.rand(total, generator=generator)
        found = float(answer(function, scores.clone(), n))
        ranked = scores.sort(descending=True).values.tolist()
        ways = [math.comb(total - 1 - rank, n - 1) for rank in range(total)]
        wanted = sum(way * value for way, value in zip(ways, ranked, strict=True)) / math.comb(total, n)
        replaced = [((total - r) ** n - (total - 1 - r) ** n) / total**n for r in range(total)]
        drawn_back = sum(share * value for share, value in zip(replaced, ranked, strict=True))
        if n > 1 and abs(found - drawn_back) < 1e-5 and abs(wanted - drawn_back) > 1e-4:
            raise wrong(
                "这是放回抽样；同一份文本不会写两次。", "That is with replacement; no text is drawn twice."
            )
        if abs(found - ranked[0]) < 1e-6 and abs(wanted - ranked[0]) > 1e-4:
            raise wrong(
                "这是全体里最好的一份；只抽 n 份，未必抽得到它。",
                "That is the best of all; among n drawn it need not be.",
            )
        if abs(found - wanted) > 1e-5:
            raise wrong(
                f"{total} 份里抽 {n} 份，最好的平均是 {wanted:.4f}，得到 {found:.4f}。",
                f"Of {n} drawn from {total} the best is {wanted:.4f} on average, not {found:.4f}.",
            )


@register("28.5.5-2")
def _advantages(function: Function) -> None:
    """``advantages(rewards)``: each reward less the mean of the others of its prompt, ``[P, K]``."""
    generator = torch.Generator().manual_seed(1)
    for shape in ((2, 4), (3, 2)):
        rewards = torch.randn(shape, generator=generator)
        found = answer(function, rewards.clone())
        if not isinstance(found, Tensor) or found.shape != rewards.shape:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise wrong(
                f"应返回与 rewards 同形的张量，得到 {got}。", f"Return the shape of rewards, not {got}."
            )
        wanted = preference.rloo_advantages(rewards)
        if torch.allclose(found, rewards - rewards.mean(1, keepdim=True), atol=1e-5):
            raise wrong(
                "平均里含着它自己：基线与它相关，梯度就缩小了 (K − 1)/K。",
                "The mean includes the reward itself, which shrinks the gradient by (K - 1)/K.",
            )
        if torch.allclose(found, rewards - rewards.mean(), atol=1e-5):
            raise wrong("要在同一个提示之内比较。", "Compare within a prompt.")
        if not torch.allclose(found, wanted, atol=1e-5):
            raise wrong(
                f"第一个应为 {wanted[0, 0]:.4f}，得到 {found[0, 0]:.4f}。",
                f"The first is {wanted[0, 0]:.4f}, not {found[0, 0]:.4f}.",
            )


@register("28.5.5-3")
def _tilted(function: Function) -> None:
    """``optimum(reference, rewards, beta)``: the distribution that maximises reward less ``β`` times KL."""
    generator = torch.Generator().manual_seed(2)
    for beta in (1.0, 0.25):
        reference = torch.rand(5, generator=generator).softmax(0)
        rewards = torch.randn(5, generator=generator)
        found = torch.as_tensor(answer(function, reference.clone(), rewards.clone(), beta)).float()
        wanted = (reference.log() + rewards / beta).softmax(0)
        if found.shape != wanted.shape:
            raise wrong(
                f"应返回 {tuple(wanted.shape)}，得到 {tuple(found.shape)}。",
                f"Return {tuple(wanted.shape)}, not {tuple(found.shape)}.",
            )
        if torch.allclose(found, (rewards / beta).softmax(0), atol=1e-5):
            raise wrong("参考模型不见了：没有它，KL 无从谈起。", "The reference is gone, and KL is from it.")
        if beta != 1 and torch.allclose(found, (reference.log() + rewards * beta).softmax(0), atol=1e-5):
            raise wrong("β 越大应当离参考越近。", "A larger β should stay nearer to the reference.")
        if not torch.allclose(found, wanted, atol=1e-5):
            raise wrong(
                f"第一个应为 {wanted[0]:.4f}，得到 {found[0]:.4f}。",
                f"The first is {wanted[0]:.4f}, not {found[0]:.4f}.",
            )
