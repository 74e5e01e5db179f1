"""Exercises of 28.3.2, the page on putting LoRA adapters together."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong

SMALL = 1e-4
"""A relative error whose square is below what single precision leaves of ``1 - x``."""
ROUNDED = 60
"""Changes at that error. Single precision goes wrong on one in five; on which ones, the processor decides."""


def _random(rank: int, width: int, height: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(rank, width, generator=generator), torch.randn(height, rank, generator=generator)


@register("28.3.2-1")
def _subtract(function: Function) -> None:
    """``subtract(a_1, b_1, a_2, b_2)``: factors of the first change less the second, ranks may differ."""
    generator = torch.Generator().manual_seed(3)
    for first, second in ((2, 2), (1, 4), (3, 2)):
        a_1, b_1 = _random(first, 6, 5, generator)
        a_2, b_2 = _random(second, 6, 5, generator)
        found = answer(function, a_1.clone(), b_1.clone(), a_2.clone(), b_2.clone())
        if not (isinstance(found, tuple | list) and len(found) == 2 and all(map(torch.is_tensor, found))):
            raise wrong("应返回两个张量：A 与 B。", "Return two tensors: A and B.")
        a, b = found
        if a.shape != (first + second, 6) or b.shape != (5, first + second):
            raise wrong(
                f"秩 {first} 与 {second} 拼起来，A 应为 [{first + second}, 6]、B 应为 [5, {first + second}]，"
                f"得到 {list(a.shape)} 与 {list(b.shape)}。",
                f"Ranks {first} and {second} joined give A [{first + second}, 6] and "
                f"B [5, {first + second}], not {list(a.shape)} and {list(b.shape)}.",
            )
        if torch.allclose(b @ a, b_1 @ a_1 + b_2 @ a_2, atol=1e-4):
            raise wrong(
                "这是相加。两边都取负号，负负得正：只给 A、B 中的一个取负号。",
                "This adds. A minus on both sides cancels: give it to A or to B, not to both.",
            )
        if not torch.allclose(b @ a, b_1 @ a_1 - b_2 @ a_2, atol=1e-4):
            raise wrong(
                "B @ A 应等于 b_1 @ a_1 - b_2 @ a_2。A 上下拼、B 左右拼，次序要一致。",
                "B @ A is to be b_1 @ a_1 - b_2 @ a_2. Stack A downwards and B sideways, in the same order.",
            )


@register("28.3.2-2")
def _crossed(function: Function) -> None:
    """``crossed(adapters)``: length of the cross terms relative to the sum of the products."""
    generator = torch.Generator().manual_seed(5)
    for count, rank in ((2, 3), (3, 2), (5, 4)):
        adapters = [_random(rank, 9, 7, generator) for _ in range(count)]
        found = answer(function, [(a.clone(), b.clone()) for a, b in adapters])
        try:
            value = float(found)
        except (TypeError, ValueError):
            raise wrong("应返回一个数。", "Return a number.") from None
        own = torch.stack([b @ a for a, b in adapters]).sum(0)
        everything = sum(b for _, b in adapters) @ sum(a for a, _ in adapters)  # type: ignore[operator]
        wanted = ((everything - own).norm() / own.norm()).item()
        if math.isclose(value, (everything.norm() / own.norm()).item(), rel_tol=1e-4):
            raise wrong(
                "这是整个 linear 的长度。先减去 Σ B_i A_i，剩下的才是交叉项。",
                "This is the length of all of linear. Take Σ B_i A_i away first; what is left are the cross "
                "terms.",
            )
        if not math.isclose(value, wanted, rel_tol=1e-3):
            raise wrong(
                f"{count} 个适配器时应为 {wanted:.4f}，得到 {value:.4f}。长度是所有数的平方和的平方根。",
                f"For {count} adapters it is {wanted:.4f}, not {value:.4f}. The length is the root of the "
                "sum of all squares.",
            )


@register("28.3.2-3")
def _rank_needed(function: Function) -> None:
    """``rank_needed(change, error)``: the smallest rank whose best change loses at most this share."""
    generator = torch.Generator().manual_seed(7)
    shapes = [(12, (16, 20)), (3, (9, 6)), (5, (5, 5))]
    cases = [(*each, (0.5, 0.2, 0.05, SMALL)) for each in shapes] + [(*shapes[0], (SMALL,))] * ROUNDED
    for rank, shape, errors in cases:
        a, b = _random(rank, shape[1], shape[0], generator)
        change = b @ a
        squares = torch.linalg.svdvals(change.double()).square()
        lost = squares.flip(0).cumsum(0).flip(0)  # of all but the k largest
        for error in errors:
            found = answer(function, change.clone(), error)
            wanted = int((lost > error**2 * lost[0]).sum())
            if not isinstance(found, int) and not (isinstance(found, Tensor) and found.numel() == 1):
                raise wrong("应返回一个整数：秩。", "Return an integer: the rank.")
            if int(found) != wanted:
                by_sum = torch.linalg.svdvals(change.double())
                shares = 1 - by_sum.cumsum(0) / by_sum.sum()
                if int(found) == int((shares > error).sum()) + 1:
                    raise wrong(
                        "误差按长度算：丢掉的奇异值先平方再相加，最后开方，不是直接相加。",
                        "The error is a length: square the singular values that are lost, add, take the "
                        "root; do not add them as they are.",
                    )
                if error == SMALL and int(found) > wanted:
                    raise wrong(
                        f"误差至多 {error} 时应为 {wanted}，得到 {int(found)}：单精度里 1 减去留下的那部分，"
                        "剩下的只是舍入误差。直接把丢掉的平方加起来，或改用双精度。",
                        f"With an error of at most {error} it is {wanted}, not {int(found)}: in single "
                        "precision, 1 less the part that is kept leaves only rounding errors. Add up the "
                        "squares that are lost, or use double precision.",
                    )
                raise wrong(
                    f"误差至多 {error} 时最小的秩是 {wanted}，得到 {int(found)}。",
                    f"With an error of at most {error} the smallest rank is {wanted}, not {int(found)}.",
                )
