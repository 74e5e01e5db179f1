"""Exercises of 28.5.4, the page on controlled generation."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from .checking import Function, answer, register, wrong


@register("28.5.4-1")
def _fudge(function: Function) -> None:
    """``weigh(logits, attribute, strength)``: logits of candidates weighed by an attribute."""
    generator = torch.Generator().manual_seed(0)
    for strength in (1.0, 4.0):
        logits = torch.randn(3, 5, generator=generator)
        attribute = torch.rand(3, 5, generator=generator)
        found = answer(function, logits.clone(), attribute.clone(), strength)
        if not isinstance(found, Tensor) or found.shape != logits.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise wrong(
                f"应返回与 logits 同形的张量，得到 {shape}。", f"Return the shape of logits, not {shape}."
            )
        p = found.softmax(-1)
        wanted = (logits + strength * attribute.log()).softmax(-1)
        if torch.allclose(p, (logits + strength * attribute).softmax(-1), atol=1e-5):
            raise wrong(
                "加上的应是概率的**对数**：贝叶斯法则里概率相乘，取对数才是相加。",
                "Add the **logarithm** of the probability: Bayes' rule multiplies, and logarithms add.",
            )
        if strength != 1 and torch.allclose(p, (logits + attribute.log()).softmax(-1), atol=1e-5):
            raise wrong("没有用到 strength。", "strength is not used.")
        if not torch.allclose(p, wanted, atol=1e-5):
            raise wrong(
                f"第一个候选的概率应为 {wanted[0, 0]:.4f}，得到 {p[0, 0]:.4f}。",
                f"The first candidate has probability {wanted[0, 0]:.4f}, not {p[0, 0]:.4f}.",
            )


@register("28.5.4-2")
def _false_alarm(function: Function) -> None:
    """``p_value(green, counted, share)``: how likely so many green tokens or more are without a watermark."""
    for green, counted, share in ((20, 49, 0.25), (0, 10, 0.25), (30, 30, 0.5), (13, 50, 0.25)):
        found = float(answer(function, green, counted, share))
        wanted = float(stats.binom.sf(green - 1, counted, share))
        strict = float(stats.binom.sf(green, counted, share))
        z = (green - share * counted) / math.sqrt(counted * share * (1 - share))
        if abs(found - strict) < 1e-9 and abs(strict - wanted) > 1e-6:
            raise wrong(
                "差了一个：要“至少这么多”，观察到的这一个也算。",
                "Off by one: it is so many or more, the observed count included.",
            )
        if abs(found - float(stats.norm.sf(z))) < 1e-9 and abs(found - wanted) > 1e-6:
            raise wrong(
                "正态近似在几十个词元上不准；用二项分布的尾巴。",
                "The normal approximation is off at a few dozen tokens: use the binomial tail.",
            )
        if abs(found - wanted) > 1e-6:
            raise wrong(
                f"{counted} 个里绿了 {green} 个，应为 {wanted:.4g}，得到 {found:.4g}。",
                f"For {green} green of {counted} it is {wanted:.4g}, not {found:.4g}.",
            )


@register("28.5.4-3")
def _conditioned(function: Function) -> None:
    """``conditioned(own, allowed)``: the model's distribution over texts, given that one is allowed."""
    for own, allowed in (
        ([0.5, 0.3, 0.2], [True, False, True]),
        ([0.1, 0.2, 0.3, 0.4], [False, True, True, False]),
    ):
        probabilities, mask = torch.tensor(own), torch.tensor(allowed)
        found = torch.as_tensor(answer(function, probabilities.clone(), mask.clone())).float()
        wanted = probabilities * mask / (probabilities * mask).sum()
        uniform = mask.float() / mask.sum()
        if found.shape == uniform.shape and torch.allclose(found, uniform, atol=1e-5):
            raise wrong(
                "允许的文本一样可能了：条件分布保留它们之间的比例。",
                "All allowed texts have become equally likely: conditioning keeps their proportions.",
            )
        if found.shape == wanted.shape and torch.allclose(found, probabilities * mask, atol=1e-5):
            raise wrong("和不是 1：还要归一。", "They do not add up to 1: normalise.")
        if found.shape != wanted.shape or not torch.allclose(found, wanted, atol=1e-5):
            raise wrong(
                f"第一个应为 {wanted[0]:.3f}，最后一个 {wanted[-1]:.3f}；除了归一，比例不变。",
                f"It is {wanted[0]:.3f} first, {wanted[-1]:.3f} last: but for the total, proportions stay.",
            )
