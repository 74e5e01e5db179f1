"""Exercises of 28.2.2, the page on state space models."""

from __future__ import annotations

import torch

from .checking import Function, answer, register, wrong


@register("28.2.2-1")
def _zero_order_hold(function: Function) -> None:
    """``zero_order_hold(a, delta)``: Ā and B̄ of a diagonal A with B = 1."""
    generator = torch.Generator().manual_seed(7)
    a = torch.complex(-torch.rand(6, generator=generator) - 0.1, 4 * torch.randn(6, generator=generator))
    for delta in (0.01, 0.5):
        pair = answer(function, a.clone(), delta)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise wrong("应返回两个张量 (Ā, B̄)。", "Return two tensors (Ā, B̄).")
        factor = (delta * a).exp()
        for name, found, wanted in zip(("Ā", "B̄"), pair, (factor, (factor - 1) / a), strict=True):
            if not isinstance(found, torch.Tensor) or found.shape != a.shape:
                raise wrong(f"{name} 的形状应与 a 相同。", f"{name} has the shape of a.")
            if not torch.allclose(found.to(wanted.dtype), wanted, rtol=1e-4, atol=1e-6):
                raise wrong(
                    f"Δ = {delta} 时 {name} 不对。输入在一步之内保持不变：Ā = exp(ΔA)，"
                    "B̄ 是 exp(sA) 从 0 到 Δ 的积分。",
                    f"{name} is wrong for Δ = {delta}. The input is held for a step: Ā = exp(ΔA), and B̄ is "
                    "the integral of exp(sA) from 0 to Δ.",
                )


@register("28.2.2-2")
def _combine(function: Function) -> None:
    """``combine(first, second)``: two steps h ← a h + b as one, so that a scan may run in parallel."""
    generator = torch.Generator().manual_seed(8)
    steps = [(torch.rand(3, generator=generator), torch.randn(3, generator=generator)) for _ in range(2)]
    h = torch.randn(3, generator=generator)

    def pair(first: object, second: object) -> tuple[torch.Tensor, torch.Tensor]:
        found = answer(function, first, second)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise wrong("应返回一对 (a, b)。", "Return a pair (a, b).")
        return found[0], found[1]

    one, two = steps
    a, b = pair(one, two)
    if not torch.allclose(a * h + b, two[0] * (one[0] * h + one[1]) + two[1], atol=1e-5):
        raise wrong(
            "先做 first 再做 second，结果应等于 h ← a₂(a₁h + b₁) + b₂：展开它，看 h 前面的系数和剩下的常数。",
            "First and then second is h ← a₂(a₁h + b₁) + b₂: expand it, and read off factor and rest.",
        )


@register("28.2.2-3")
def _selective_scan(function: Function) -> None:
    """``selective_scan(x, dt, a, b, c)``: one sequence through Mamba's state space."""
    generator = torch.Generator().manual_seed(9)
    time, channels, size = 12, 3, 4
    x, dt = torch.randn(2, time, channels, generator=generator)
    dt = torch.nn.functional.softplus(dt)
    a = -torch.rand(channels, size, generator=generator) - 0.1
    b, c = torch.randn(2, time, size, generator=generator)
    h, rows = torch.zeros(channels, size), []
    for t in range(time):
        h = (dt[t, :, None] * a).exp() * h + (dt[t] * x[t])[:, None] * b[t]
        rows.append(h @ c[t])
    wanted = torch.stack(rows)
    found = answer(function, *(tensor.clone() for tensor in (x, dt, a, b, c)))
    if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
        raise wrong(f"应返回 [T, D] = {list(wanted.shape)}。", f"Return [T, D] = {list(wanted.shape)}.")
    if torch.allclose(found[0], wanted[0], atol=1e-4) and not torch.allclose(found, wanted, atol=1e-4):
        raise wrong(
            "第一步对，之后不对：旧的状态要乘 exp(Δ_t A)，Δ 用当前这一步的。",
            "The first step is right, the rest is not: the old state is multiplied by exp(Δ_t A), with "
            "the Δ of this step.",
        )
    if not torch.allclose(found, wanted, atol=1e-4):
        raise wrong(
            "第一步就不对：h = Δ_t x_t B_t（外积，[D, N]），y_t = h · C_t。",
            "The first step is wrong: h = Δ_t x_t B_t (an outer product, [D, N]), y_t = h · C_t.",
        )
