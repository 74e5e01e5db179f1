"""Exercises of 28.5.1, the page on word-swap attacks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from frontier_lab.methods.attacks import Moves

from .checking import Function, answer, register, wrong

WEIGHTS = {
    "the": (0.0, 0.1),
    "good": (1.0, -0.4),
    "fine": (0.3, 0.1),
    "king": (0.2, 0.6),
    "ruler": (-0.5, 1.0),
}
OF = Moves(("the", "good", "king"), {1: ("fine",), 2: ("ruler",)}, 2)


@register("28.5.1-1")
def _importance(function: Function) -> None:
    """``importance(words, score, label)``: how far the label's probability falls without each word."""

    def score(texts: list[str]) -> Tensor:
        values = [sum(WEIGHTS[word][0] - WEIGHTS[word][1] for word in text.split()) for text in texts]
        return torch.stack([torch.sigmoid(torch.tensor([v, -v])) for v in values])

    words = ["the", "good", "king", "fine"]
    found = [float(value) for value in answer(function, list(words), score, 0)]
    whole = float(score([" ".join(words)])[0, 0])
    left = [float(score([" ".join(words[:at] + words[at + 1 :])])[0, 0]) for at in range(len(words))]
    wanted = [whole - value for value in left]
    if len(found) != len(words):
        raise wrong(
            f"应返回 {len(words)} 个数，每个词一个，得到 {len(found)} 个。",
            f"Return {len(words)} numbers, one a word; you gave {len(found)}.",
        )
    if np.allclose(found, left, atol=1e-5):
        raise wrong(
            "这是删掉之后剩下的概率；重要性是**降了多少**：原来的减剩下的。",
            "That is the probability that is left; importance is how far it **fell**: before less after.",
        )
    if np.allclose(found, [-value for value in wanted], atol=1e-5):
        raise wrong(
            "正负号反了：越重要的词，数应越大。", "The sign is wrong: the more important, the larger."
        )
    if not np.allclose(found, wanted, atol=1e-5):
        raise wrong(
            f"第一个词应为 {wanted[0]:.4f}，得到 {found[0]:.4f}。",
            f"The first word has {wanted[0]:.4f}, not {found[0]:.4f}.",
        )


@register("28.5.1-2")
def _certificate(function: Function) -> None:
    """``worst_margin(margin, gains, most)``: the least margin that any ``most`` swaps can leave."""
    generator = np.random.default_rng(0)
    cases = [(2.0, [[0.5, 1.2], [0.3], [-0.4, -0.1]], most) for most in (0, 1, 2, 3)]
    cases += [(1.0, [list(generator.normal(0, 1, 3)) for _ in range(5)], 2)]
    for margin, gains, most in cases:
        best = sorted((max(each) for each in gains), reverse=True)
        wanted = margin - sum(max(0.0, value) for value in best[:most])
        found = float(answer(function, margin, [list(each) for each in gains], most))
        if abs(found - (margin - sum(best[:most]))) < 1e-9 and abs(found - wanted) > 1e-9:
            raise wrong(
                "没有好处的位置不必换：只减正的。攻击者可以少换几处。",
                "A place that gains nothing need not be changed: subtract positive gains alone.",
            )
        if (
            abs(found - (margin - sum(max(0.0, max(each)) for each in gains))) < 1e-9
            and abs(found - wanted) > 1e-9
        ):
            raise wrong(
                f"至多换 {most} 处，这里把每一处都换了。",
                f"At most {most} places may change; you changed all.",
            )
        if abs(found - wanted) > 1e-9:
            raise wrong(
                f"应为 {wanted:.4f}，得到 {found:.4f}。每一处取最有利的一种换法，再取最有利的几处。",
                f"It is {wanted:.4f}, not {found:.4f}. Take each place's best swap, then the best places.",
            )


@register("28.5.1-3")
def _random_attack(function: Function) -> None:
    """``random_attack(of, label, score, queries, generator)``: whether one of so many texts deceives."""
    for seed, queries in ((0, 1), (1, 3), (2, 3)):
        seen: list[str] = []

        def score(texts: list[str], seen: list[str] = seen) -> Tensor:
            seen.extend(texts)
            return torch.tensor([[0.2, 0.8] if "ruler" in text else [0.8, 0.2] for text in texts])

        found = answer(function, OF, 0, score, queries, np.random.default_rng(seed))
        if len(seen) > queries:
            raise wrong(
                f"只许问 {queries} 句，问了 {len(seen)} 句：公平的比较，查询次数要相等。",
                f"{queries} queries are allowed, {len(seen)} were made: a fair comparison has equal queries.",
            )
        if not seen:
            raise wrong("一句也没有问。", "Nothing was asked.")
        possible = {"the fine king", "the good ruler", "the fine ruler"}
        if not set(seen) <= possible:
            raise wrong(
                f"问了换不出来的句子：{sorted(set(seen) - possible)[0]}",
                f"A text was asked about that no swap makes: {sorted(set(seen) - possible)[0]}",
            )
        if bool(found) != any("ruler" in text for text in seen):
            raise wrong(
                "应返回有没有一句骗过：骗过是最可能的一类不再是正确的一类。",
                "Return whether one deceived: the likeliest class is no longer the right one.",
            )
