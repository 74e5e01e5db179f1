"""Exercises of 28.1.4, the page on retrieval-augmented generation."""

from __future__ import annotations

import itertools
import math
from numbers import Real

import torch

from .checking import Function, answer, register, wrong


@register("28.1.4-1")
def _recall_at_k(function: Function) -> None:
    """``recall_at_k(rankings, gold, k)``: share of questions whose own passage is among the first ``k``."""
    rankings = [[3, 1, 2], [0, 4, 7], [5, 6, 8], [9, 2, 1]]
    gold = [1, 0, 8, 4]
    for k, wanted in ((1, 0.25), (2, 0.5), (3, 0.75)):
        found = answer(function, [list(row) for row in rankings], list(gold), k)
        if not isinstance(found, Real):
            raise wrong("应返回一个比例。", "Return a share.")
        if not math.isclose(float(found), wanted, abs_tol=1e-9):
            raise wrong(
                f"k = {k} 时应为 {wanted}，得到 {float(found):.3f}："
                "正确的编号在前 k 个里的问题数，除以问题总数。",
                f"For k = {k} it is {wanted}, not {float(found):.3f}: "
                "questions whose own number is among the first k, over all questions.",
            )


@register("28.1.4-2")
def _reciprocal_rank_fusion(function: Function) -> None:
    """``reciprocal_rank_fusion(rankings, constant)``: one order from several, by sums of 1 / (c + rank)."""
    for rankings, constant in (
        ([[1, 2, 3], [3, 4, 1]], 60),
        ([[7], [8, 7], [9, 8, 7, 5]], 1),
        ([[2, 5, 6], [6, 2]], 0.5),
    ):
        points: dict[int, float] = {}
        for ranking in rankings:
            for rank, item in enumerate(ranking):
                points[item] = points.get(item, 0.0) + 1 / (constant + rank + 1)
        found = answer(function, [list(ranking) for ranking in rankings], constant)
        if not isinstance(found, list) or set(found) != set(points) or len(found) != len(points):
            raise wrong(
                f"应返回编号的列表，{sorted(points)} 各出现一次。",
                f"Return a list of numbers with each of {sorted(points)} once.",
            )
        worth = [points[item] for item in found]
        if any(a < b - 1e-12 for a, b in itertools.pairwise(worth)):
            first = max(points, key=lambda item: points[item])
            raise wrong(
                f"次序不对：{first} 的得分最高（排名从 1 数起，1 / (constant + 排名)，各名单相加）。",
                f"The order is off: {first} has most points (ranks start at 1; sum 1 / (constant + rank)).",
            )


@register("28.1.4-3")
def _marginals(function: Function) -> None:
    """``marginals(doc_scores, token_log_probs)``: log p of RAG-Sequence and of RAG-Token."""
    generator = torch.Generator().manual_seed(5)
    for documents, tokens in ((3, 4), (1, 2), (5, 2000)):
        scores = 2 * torch.randn(documents, generator=generator)
        logits = torch.randn(documents, tokens, generator=generator)
        log_probs = torch.nn.functional.logsigmoid(logits)
        pair = answer(function, scores.clone(), log_probs.clone())
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise wrong("应返回两个数 (sequence, token)。", "Return two numbers (sequence, token).")
        double, prior = log_probs.double(), scores.double().softmax(0)
        wanted = (
            torch.logsumexp(prior.log() + double.sum(1), 0).item(),
            (prior[:, None] * double.exp()).sum(0).log().sum().item(),
        )
        for name, got, right in zip(("RAG-Sequence", "RAG-Token"), pair, wanted, strict=True):
            if not math.isfinite(float(got)):
                raise wrong(
                    f"{name} 下溢了：{tokens} 个概率连乘是 0，要在对数域里用 logsumexp。",
                    f"{name} underflows: {tokens} probabilities multiply to 0; stay in logarithms.",
                )
            if not math.isclose(float(got), right, rel_tol=1e-4, abs_tol=1e-4):
                raise wrong(
                    f"{name} 应为 {right:.4f}，得到 {float(got):.4f}。先对 doc_scores 做 softmax；"
                    "Sequence 是先乘后加，Token 是先加后乘。",
                    f"{name} is {right:.4f}, not {float(got):.4f}. Softmax doc_scores first; Sequence "
                    "multiplies and then adds, Token adds and then multiplies.",
                )
