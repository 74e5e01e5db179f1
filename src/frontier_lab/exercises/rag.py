"""Exercises of 28.1.4, the page on retrieval-augmented generation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .checking import Function, answer, register, wrong


@register("28.1.4-1")
def _loss_without_doubles(function: Function) -> None:
    """``loss_without_doubles(questions, passages, names)``: in-batch loss, other passages as negatives."""
    generator = torch.Generator().manual_seed(3)
    for names in (["a", "b", "c", "d"], ["a", "b", "a", "c", "b", "a"], ["x", "x"]):
        questions, passages = (torch.randn(len(names), 8, generator=generator) for _ in range(2))
        found = answer(function, questions.clone(), passages.clone(), list(names))
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise wrong("应返回一个标量张量：平均损失。", "Return a scalar tensor: the mean loss.")
        rows = []
        for i, name in enumerate(names):
            kept = [j for j, other in enumerate(names) if j == i or other != name]
            rows.append(-(questions[i] @ passages[kept].T).log_softmax(0)[kept.index(i)].item())
        wanted = sum(rows) / len(rows)
        if not math.isclose(found.item(), wanted, rel_tol=1e-4, abs_tol=1e-5):
            everything = -(questions @ passages.T).log_softmax(1).diagonal().mean().item()
            if len(set(names)) < len(names) and math.isclose(found.item(), everything, rel_tol=1e-4):
                raise wrong(
                    "同名的段落还在分母里：它们不是负例，要去掉。",
                    "Passages of the same name are still in the denominator: no negatives, take them out.",
                )
            raise wrong(
                f"名字为 {names} 时应为 {wanted:.4f}，得到 {found.item():.4f}。每一行留下自己"
                "和名字不同的段落，取对数 softmax，再对所有行平均。",
                f"With the names {names} it is {wanted:.4f}, not {found.item():.4f}. Each row keeps its own "
                "passage and those of other names; take the log-softmax and average over all rows.",
            )


@register("28.1.4-2")
def _overlapping(function: Function) -> None:
    """``overlapping(tokens, size, overlap)``: chunks of which neighbours share ``overlap`` tokens."""
    for count, size, overlap in ((10, 4, 0), (10, 4, 1), (11, 5, 2), (6, 8, 3), (510, 32, 8), (9, 3, 2)):
        tokens = list(range(count))
        found = answer(function, list(tokens), size, overlap)
        if not isinstance(found, list) or not all(isinstance(chunk, list) for chunk in found):
            raise wrong("应返回列表的列表。", "Return a list of lists.")
        if any(not 0 < len(chunk) <= size for chunk in found):
            raise wrong(
                f"每段要有 1 到 {size} 个词元，得到的长度是 {[len(chunk) for chunk in found]}。",
                f"A chunk has 1 to {size} tokens; the lengths are {[len(chunk) for chunk in found]}.",
            )
        if sorted({token for chunk in found for token in chunk}) != tokens:
            raise wrong(
                f"{count} 个词元、每段 {size} 个、重叠 {overlap} 个时，有词元不在任何一段里。",
                f"Of {count} tokens in chunks of {size} with {overlap} shared, some are in no chunk.",
            )
        wanted = [tokens[start : start + size] for start in range(0, max(1, count - overlap), size - overlap)]
        if found != wanted:
            raise wrong(
                f"相邻两段要正好共有 {overlap} 个词元，也不要多余的段：应有 {len(wanted)} 段，"
                f"得到 {len(found)} 段。",
                f"Neighbours share exactly {overlap} tokens, and no chunk is superfluous: "
                f"{len(wanted)} chunks, not {len(found)}.",
            )


@register("28.1.4-3")
def _trust(function: Function) -> None:
    """``trust(doc_scores, token_log_probs)``: weights of the passages after each token of the answer."""
    generator = torch.Generator().manual_seed(5)
    for documents, tokens in ((3, 4), (1, 2), (5, 400)):
        scores = 2 * torch.randn(documents, generator=generator)
        log_probs = torch.nn.functional.logsigmoid(torch.randn(documents, tokens, generator=generator))
        found = answer(function, scores.clone(), log_probs.clone())
        if not isinstance(found, Tensor) or found.shape != (tokens + 1, documents):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise wrong(
                f"应返回 [{tokens + 1}, {documents}] 的张量，得到 {shape}。",
                f"Return a tensor [{tokens + 1}, {documents}], not {shape}.",
            )
        if not torch.isfinite(found).all():
            raise wrong(
                f"下溢了：{tokens} 个概率连乘是 0，要在对数域里相加，最后才 softmax。",
                f"This underflows: {tokens} probabilities multiply to 0; add logarithms, then softmax.",
            )
        if not torch.allclose(found[0].double(), scores.double().softmax(0), atol=1e-5):
            raise wrong(
                "第 0 行是还没有写词元时的权重：doc_scores 的 softmax。",
                "Row 0 is before any token: the softmax of doc_scores.",
            )
        evidence = scores.double()[:, None] + log_probs.double().cumsum(1)
        if not torch.allclose(found[1:].double(), evidence.softmax(0).T, atol=2e-3):
            raise wrong(
                "写完 t 个词元之后，权重正比于 doc_scores 的指数乘以前 t 个词元的概率，每行的和是 1。",
                "After t tokens the weights are proportional to the exponential of doc_scores times the "
                "probabilities of the first t tokens, and each row adds up to 1.",
            )
