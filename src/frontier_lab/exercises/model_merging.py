"""Exercises of 28.3.1, the page on merging models."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .checking import Function, answer, register, wrong


def _states(generator: torch.Generator, count: int) -> list[dict[str, Tensor]]:
    """Small models of one architecture, by parameter name."""
    shapes = {"model.embed_tokens.weight": (7, 4), "model.layers.0.mlp.up_proj.weight": (5, 4)}
    return [
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for _ in range(count)
    ]


@register("28.3.1-1")
def _add_but(function: Function) -> None:
    """``add_but(base, tuned, coefficient, left)``: task arithmetic with parts left as in the base."""
    generator = torch.Generator().manual_seed(2)
    for count, coefficient, left in ((1, 0.5, "embed"), (3, 0.8, "embed"), (2, -1.0, "mlp")):
        base, *tuned = _states(generator, count + 1)
        found = answer(function, dict(base), [dict(state) for state in tuned], coefficient, left)
        if not isinstance(found, dict) or found.keys() != base.keys():
            raise wrong(
                "应返回一个字典，参数名与底座相同。",
                "Return a dictionary with the parameter names of the base.",
            )
        for name, start in base.items():
            if left in name:
                if not torch.equal(found[name], start):
                    raise wrong(
                        f"{name} 里有“{left}”，应与底座逐位相同。",
                        f"“{left}” is in {name}, which should stay equal to the base bit by bit.",
                    )
                continue
            if torch.allclose(
                found[name], coefficient * sum(state[name] for state in tuned) + start, atol=1e-5
            ):
                raise wrong(
                    "加的是微调后的权重；要加的是任务向量，即微调后减去底座。",
                    "These are the tuned weights; what is added is task vectors, what tuning has added.",
                )
            wanted = start + coefficient * sum(state[name] - start for state in tuned)
            if not torch.allclose(found[name], wanted, atol=1e-5):
                raise wrong(
                    f"{name} 应为底座加上 {coefficient} 乘以 {count} 个任务向量之和。",
                    f"{name} should be the base plus {coefficient} times the sum of {count} task vectors.",
                )


@register("28.3.1-2")
def _stock_share(function: Function) -> None:
    """``stock_share(cosines)``: how far from the base Model Stock goes, 0 to 1."""
    for count, cosine in ((2, 1.0), (2, 0.5), (3, 0.05), (3, 0.9), (6, 0.3)):
        square = torch.full((count, count), cosine).fill_diagonal_(1.0)
        found = answer(function, square.clone())
        if not isinstance(found, float | int | Tensor) or (isinstance(found, Tensor) and found.numel() != 1):
            raise wrong("应返回一个数。", "Return one number.")
        wanted = count * cosine / (1 + (count - 1) * cosine)
        if not math.isclose(float(found), wanted, rel_tol=1e-4, abs_tol=1e-6):
            with_own = square.mean().item()
            if math.isclose(float(found), count * with_own / (1 + (count - 1) * with_own), rel_tol=1e-4):
                raise wrong(
                    "对角线上是与自己的余弦，不要算进平均。",
                    "The diagonal has cosines with oneself; leave it out of the mean.",
                )
            raise wrong(
                f"{count} 个专家、余弦都是 {cosine} 时应为 {wanted:.4f}，得到 {float(found):.4f}。",
                f"With {count} experts and all cosines {cosine} it is {wanted:.4f}, not {float(found):.4f}.",
            )


@register("28.3.1-3")
def _match_units(function: Function) -> None:
    """``match_units(hidden_a, hidden_b)``: which unit of B belongs to each unit of A."""
    generator = torch.Generator().manual_seed(4)
    for width, rows, noise in ((4, 300, 0.0), (12, 300, 0.3), (40, 60, 3.0)):
        hidden_a = torch.randn(rows, width, generator=generator)
        shuffled = torch.randperm(width, generator=generator)
        scale, shift = (3 * torch.rand(width, generator=generator) + 0.2 for _ in range(2))
        hidden_b = scale * (hidden_a + noise * torch.randn(rows, width, generator=generator)) + 3 * shift
        hidden_b = hidden_b[:, shuffled]
        hidden_a = hidden_a + shift.flip(0)
        found = answer(function, hidden_a.clone(), hidden_b.clone())
        if not isinstance(found, Tensor) or found.shape != (width,) or found.is_floating_point():
            raise wrong(
                f"应返回 [{width}] 的整数张量：A 的每个单元配 B 的哪一个。",
                f"Return an integer tensor [{width}]: the unit of B for each unit of A.",
            )
        if sorted(found.tolist()) != list(range(width)):
            raise wrong(
                "B 的每个单元恰好要用一次：逐行取最大会重复，要用 linear_sum_assignment。",
                "Each unit of B is used exactly once: the best of each row repeats some; take "
                "linear_sum_assignment.",
            )
        one, other = ((h - h.mean(0)) / h.std(0) for h in (hidden_a, hidden_b))
        likeness = (one.T @ other / len(one)).numpy()
        _, best = linear_sum_assignment(likeness, maximize=True)
        reached, wanted = (likeness[range(width), places].sum() for places in (found.numpy(), best))
        if reached < wanted - 1e-3:
            raise wrong(
                f"相关之和可以到 {wanted:.3f}，得到 {reached:.3f}："
                "先把每个单元化成均值 0、标准差 1，再求最大的和。",
                f"The correlations can add up to {wanted:.3f}, not {reached:.3f}: give each unit mean 0 and "
                "standard deviation 1 first, then ask for the largest sum.",
            )
