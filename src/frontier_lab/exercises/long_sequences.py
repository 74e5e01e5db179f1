"""Exercises of 28.7.1, the case of very long texts."""

from __future__ import annotations

import numpy as np
import torch

from .checking import Function, answer, register, wrong


@register("28.7.1-1")
def _crossover(function: Function) -> None:
    """``crossover(bytes_each, state)``: the first number of tokens whose cache is larger than the state."""
    for each, state in ((1024, 10_000), (1024, 10_240), (64, 3), (131_072, 20_971_520)):
        wanted = state // each + 1
        found = answer(function, each, state)
        if found == wanted - 1 and wanted > 1:
            raise wrong(
                f"{wanted - 1} 个词元的缓存是 {(wanted - 1) * each} 字节，还没有大于 {state}。",
                f"{wanted - 1} tokens take {(wanted - 1) * each} bytes, which is not more than {state}.",
            )
        if found != wanted or int(found) != found:
            raise wrong(
                f"每个词元 {each} 字节、状态 {state} 字节：第 {wanted} 个词元起更大，得到 {found}。",
                f"With {each} bytes a token and a state of {state}: from {wanted} tokens on, not {found}.",
            )


@register("28.7.1-2")
def _continued(function: Function) -> None:
    """``continued(from_zero, decay, state)``: states of a linear recurrence that did not start at zero."""
    generator = torch.Generator().manual_seed(21)
    decay = torch.rand(7, 4, generator=generator, dtype=torch.float64)
    write = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    first = torch.randn(4, generator=generator, dtype=torch.float64)

    def states(start: torch.Tensor) -> torch.Tensor:
        rows, now = [], start
        for forget, new in zip(decay, write, strict=True):
            now = forget * now + new
            rows.append(now)
        return torch.stack(rows)

    from_zero, wanted = states(torch.zeros_like(first)), states(first)
    found = answer(function, from_zero.clone(), decay.clone(), first.clone())
    if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
        raise wrong("应返回 [T, N]，与 from_zero 同形状。", "Return [T, N], the shape of from_zero.")
    if torch.allclose(found, from_zero + decay * first):
        raise wrong(
            "到第 t 步，旧状态已经衰减了 t 次：要乘前 t 个衰减的积，不是第 t 个。",
            "By step t the old state has faded t times: multiply by the product of all decays so far.",
        )
    if not torch.allclose(found, wanted):
        raise wrong(
            "递推是线性的：从零开始的结果，加上旧状态一路衰减剩下的。",
            "The recurrence is linear: what it gives from zero, plus what is left of the old state.",
        )


@register("28.7.1-3")
def _reach(function: Function) -> None:
    """``reach(seen, losses)``: the smallest context that is as good as the largest, within the error."""
    seen = [1, 4, 16, 64, 256]
    generator = np.random.default_rng(22)
    hard = 3 * generator.standard_normal(50)  # what makes texts hard or easy, far more than context does
    for means, wanted in (((1.0, 0.4, 0.2, 0.0, 0.0), 64), ((0.3, 0.0, -0.02, 0.0, 0.0), 4)):
        noise = 0.02 * generator.standard_normal((5, 50))
        noise -= noise.mean(1, keepdims=True)
        losses = 4 + hard + np.array(means)[:, None] + noise
        found = answer(function, list(seen), losses.copy())
        # Standard errors of the losses themselves are of the size of the texts' differences.
        spread = losses.std(1, ddof=1) / 50**0.5
        excess = losses.mean(1) - losses[-1].mean()
        apart = next(w for w, mean, e in zip(seen, excess, spread, strict=True) if mean <= 2 * e)
        if found == apart != wanted:
            raise wrong(
                "标准误要取差的：各段难易不同，这部分在相减时消去了，留着就什么差别都看不出。",
                "Take the error of the difference: texts differ in how hard they are, which cancels when "
                "each is compared with itself and hides everything when it does not.",
            )
        if found != wanted:
            raise wrong(
                f"应为 {wanted}，得到 {found}：从小到大找第一个平均差不超过两倍标准误的 w。",
                f"It is {wanted}, not {found}: the first w, from small to large, whose mean difference is "
                "within two standard errors.",
            )
