"""Exercises of 28.2.4, the page on RWKV."""

from __future__ import annotations

import torch

from .checking import Function, answer, register, wrong


@register("28.2.4-1")
def _token_shift(function: Function) -> None:
    """``token_shift(x, mix)``: each token mixed with the one before it, per channel."""
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(12))
    mix = torch.tensor([0.0, 0.25, 1.0])
    before = torch.cat([torch.zeros(2, 1, 3), x[:, :-1]], 1)
    wanted = mix * x + (1 - mix) * before
    found = answer(function, x.clone(), mix.clone())
    if not isinstance(found, torch.Tensor) or found.shape != x.shape:
        raise wrong("应返回与 x 同形状的张量 [B, T, D]。", "Return a tensor of the shape of x, [B, T, D].")
    if torch.allclose(found[:, 1:], wanted[:, 1:], atol=1e-6) and not torch.allclose(
        found, wanted, atol=1e-6
    ):
        raise wrong("第一个词元前面没有词元，当作零。", "Nothing stands before the first token: take zero.")
    if not torch.allclose(found, wanted, atol=1e-6):
        raise wrong(
            "每个通道：mix 乘当前词元，(1 − mix) 乘前一个词元（不是后一个）。",
            "For each channel: mix times this token and (1 − mix) times the one before, not after.",
        )


@register("28.2.4-2")
def _stable_mean(function: Function) -> None:
    """``stable_mean(exponents, values)``: mean weighted by exp, whatever the size of the exponents."""
    generator = torch.Generator().manual_seed(13)
    for size in (1.0, 500.0):
        exponents, values = torch.randn(2, 9, generator=generator)
        exponents = exponents * size
        wanted = (exponents.softmax(0) * values).sum().item()
        found = float(answer(function, exponents.clone(), values.clone()))
        if found != found:
            raise wrong(
                "指数有几百时溢出了：先减去最大的指数，分子分母同时缩放，平均不变。",
                "It overflows for exponents in the hundreds: subtract the largest first; scaling numerator "
                "and denominator alike leaves the mean unchanged.",
            )
        if abs(found - wanted) > 1e-4:
            raise wrong(
                f"应为 {wanted:.4f}，得到 {found:.4f}：Σ exp(e) v / Σ exp(e)。",
                f"It is {wanted:.4f}, not {found:.4f}: Σ exp(e) v / Σ exp(e).",
            )


@register("28.2.4-3")
def _delta_step(function: Function) -> None:
    """``delta_step(state, k, v, beta)``: one write by the delta rule."""
    generator = torch.Generator().manual_seed(14)
    state = torch.randn(4, 3, generator=generator)
    k = torch.nn.functional.normalize(torch.randn(4, generator=generator), dim=0)
    v = torch.randn(3, generator=generator)
    for beta in (1.0, 0.4):
        wanted = state + beta * torch.outer(k, v - k @ state)
        found = answer(function, state.clone(), k.clone(), v.clone(), beta)
        if not isinstance(found, torch.Tensor) or found.shape != state.shape:
            raise wrong(
                "应返回与 state 同形状的张量 [K, V]。", "Return a tensor of the shape of state, [K, V]."
            )
        if torch.allclose(found, state + beta * torch.outer(k, v), atol=1e-5):
            raise wrong(
                "这是只加不改：写进去的应是 v 与现在读得出的 kS 之差。",
                "This only adds: what is written is v less what is read now, kS.",
            )
        if not torch.allclose(found, wanted, atol=1e-5):
            raise wrong(
                "β = 1、|k| = 1 时，写完用 k 去读应正好读出 v：S + β kᵀ(v − kS)。",
                "With β = 1 and |k| = 1, reading with k afterwards gives v: S + β kᵀ(v − kS).",
            )
