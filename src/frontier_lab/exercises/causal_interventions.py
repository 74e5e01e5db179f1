"""Exercises of 28.4.4, the page on interventions."""

from __future__ import annotations

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@register("28.4.4-1")
def _patch(function: Function) -> None:
    """``patch(activation, donor, positions)``: ``[B, T, D]`` to a new tensor."""
    activation, donor = _normal(0, 2, 6, 4), _normal(1, 2, 6, 4)
    before = activation.clone()
    found = answer(function, activation, donor, [1, 4])
    if not torch.equal(activation, before):
        raise wrong("原来的激活被改了：先复制", "the activation itself was changed: copy it first")
    if not torch.equal(found[:, [0, 2, 3, 5]], before[:, [0, 2, 3, 5]]):
        raise wrong("没有点名的位置也变了", "positions that were not named have changed")
    if not torch.equal(found[:, [1, 4]], donor[:, [1, 4]]):
        raise wrong("点名的位置没有换成供体的", "the named positions are not the donor's")


@register("28.4.4-2")
def _attribution(function: Function) -> None:
    """``attribution(slope, clean, corrupt, gap)``: ``[T, D]`` each, to ``[T]``."""
    slope, clean, corrupt = (_normal(seed, 5, 3) for seed in (2, 3, 4))
    wanted = (slope * (clean - corrupt)).sum(-1) / 2.5
    found = answer(function, slope, clean, corrupt, 2.5)
    if tuple(found.shape) != (5,):
        raise wrong(f"应返回 [5]，你给的是 {list(found.shape)}", f"wanted [5], got {list(found.shape)}")
    if torch.allclose(found, -wanted):
        raise wrong("方向反了：是干净的减改过的", "the sign is off: clean less corrupt")
    if torch.allclose(found, wanted * 2.5):
        raise wrong("还要除以两次运行之差", "still to be divided by the gap between the two runs")
    if not torch.allclose(found, wanted):
        raise wrong("估计的份额不对", "the estimated shares are off")


@register("28.4.4-3")
def _integrated_gradients(function: Function) -> None:
    """``integrated_gradients(slope_at, x, baseline, steps)``: shaped as ``x``."""
    x, baseline = _normal(5, 4), _normal(6, 4)
    seen: list[Tensor] = []

    def slope_at(point: Tensor) -> Tensor:
        seen.append(point)
        return 4 * point**3  # of the sum of fourth powers

    found = answer(function, slope_at, x, baseline, 200)
    wanted = x**4 - baseline**4
    if len(seen) != 200:
        raise wrong(f"应取 200 个点，你取了 {len(seen)} 个", f"wanted 200 points, got {len(seen)}")
    if torch.allclose(found * (x - baseline), wanted, rtol=1e-2, atol=1e-2):
        raise wrong(
            "梯度的平均还要乘上 x 与基线之差", "the mean slope is still to be multiplied by x less baseline"
        )
    if torch.allclose(found, -wanted, rtol=1e-2, atol=1e-2):
        raise wrong("方向反了：是 x 减基线", "the sign is off: x less baseline")
    if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-3):
        raise wrong(
            "归因之和应等于两头函数值之差", "attributions have to add up to the function's difference"
        )
