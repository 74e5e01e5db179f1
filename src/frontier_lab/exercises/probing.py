"""Exercises of 28.4.2, the page on probes."""

from __future__ import annotations

import numpy as np

from .checking import Function, answer, register, wrong


@register("28.4.2-1")
def _folds_of(function: Function) -> None:
    """``folds_of(groups, count)``: a group for each sample to a fold for each sample."""
    groups = ["b", "a", "b", "c", "d", "a", "e", "c", "f", "b"]
    found = list(answer(function, groups, 3))
    if len(found) != len(groups):
        raise wrong(
            f"{len(groups)} 个样本要 {len(groups)} 个折号，你给了 {len(found)} 个",
            f"{len(groups)} samples need as many folds, got {len(found)}",
        )
    if any(
        len({fold for fold, own in zip(found, groups, strict=True) if own == group}) > 1 for group in groups
    ):
        raise wrong(
            "有一组被拆到了两折里，训练时就见过了", "a group stands in two folds, so training has met it"
        )
    if set(found) != {0, 1, 2}:
        raise wrong(
            f"三折的折号应是 0、1、2，每折都有组，你用了 {sorted(set(found))}",
            f"three folds are 0, 1 and 2, none of them empty, yours are {sorted(set(found))}",
        )


@register("28.4.2-2")
def _control_labels(function: Function) -> None:
    """``control_labels(words, classes, seed)``: a random label for each word, the same wherever it stands."""
    words = [f"w{i % 60}" for i in range(240)]
    found = list(answer(function, words, 3, 0))
    if len(found) != len(words):
        raise wrong(
            f"{len(words)} 个词要 {len(words)} 个标签，你给了 {len(found)} 个",
            f"{len(words)} words need as many labels, got {len(found)}",
        )
    if found[:60] * 4 != found:
        raise wrong("同一个词形在两处得了两个标签", "a word has two labels in two places")
    if set(found) != {0, 1, 2}:
        raise wrong(
            f"三类的标签应是 0、1、2 都有，你给出的是 {sorted(set(found))}",
            f"three classes are 0, 1 and 2, all of them used, yours are {sorted(set(found))}",
        )
    if list(answer(function, words, 3, 0)) != found:
        raise wrong("种子相同，结果却变了", "the same seed gives other labels")
    if list(answer(function, words, 3, 1)) == found:
        raise wrong("换一个种子，标签应当换", "another seed has to give other labels")


@register("28.4.2-3")
def _codelength(function: Function) -> None:
    """``codelength(blocks, classes)``: probabilities of the right answers, block by block, to bits."""
    generator = np.random.default_rng(0)
    blocks = [generator.uniform(0.05, 1, size) for size in (8, 8, 16)]
    found = float(answer(function, blocks, 4))
    later = -sum(np.log2(block).sum() for block in blocks[1:])
    if np.isclose(found, later - np.log2(blocks[0]).sum()):
        raise wrong(
            "第一块之前没有探针，应按均匀分布付费：每个样本 log2(类数) 位",
            "no probe comes before the first block: it costs log2(classes) bits a sample",
        )
    if np.isclose(found, (later + 8 * 2) * np.log(2)):
        raise wrong("要以位为单位，用以 2 为底的对数", "wanted bits: logarithms to base 2")
    if not np.isclose(found, later + 8 * 2):
        raise wrong(
            f"应是 {later + 16:.2f} 位，你给的是 {found:.2f}",
            f"wanted {later + 16:.2f} bits, got {found:.2f}",
        )
