"""Exercises of 28.4.3, the page on neurons and features."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import false_discovery_control

from .checking import Function, answer, register, wrong


@register("28.4.3-1")
def _auroc(function: Function) -> None:
    """``auroc(scores, labels)``: the chance that a positive example scores higher than a negative one."""
    found = answer(function, np.array([3.0, 1.0, 2.0, 0.0]), np.array([1, 0, 1, 0]))
    if not np.isclose(found, 1):
        raise wrong(
            f"正例都比负例高，应是 1，你给的是 {found}",
            f"every positive scores higher than every negative, so it is 1, yours is {found}",
        )
    tied = answer(function, np.array([1.0, 1.0, 1.0]), np.array([1, 0, 0]))
    if not np.isclose(tied, 0.5):
        raise wrong(f"全都相等，应是 0.5，你给的是 {tied}", f"all are equal, so it is 0.5, yours is {tied}")
    generator = np.random.default_rng(0)
    scores, labels = generator.normal(size=40), generator.integers(0, 2, 40)
    wanted = np.mean(scores[labels == 1][:, None] > scores[labels == 0][None])
    if not np.isclose(answer(function, scores, labels), wanted):
        raise wrong("随机得分上的概率不对", "the chance on random scores is off")


@register("28.4.3-2")
def _discoveries(function: Function) -> None:
    """``discoveries(p, rate)``: indices that Benjamini and Hochberg's procedure keeps."""
    generator = np.random.default_rng(1)
    # The third smallest is above its own line, but the fourth is below its own: both are kept.
    small = [0.001, 0.015, 0.034, 0.039, 0.07, 0.09]
    p = np.concatenate([small, generator.uniform(0.5, 1, 4)])[generator.permutation(10)]
    wanted = np.flatnonzero(false_discovery_control(p) <= 0.1).tolist()
    found = list(answer(function, p, 0.1))
    if found == np.flatnonzero(p <= 0.1).tolist() and found != wanted:
        raise wrong(
            "这是没有校正的：每个都与 rate 比", "this is uncorrected: each is held against rate itself"
        )
    if found == np.flatnonzero(p <= 0.01).tolist() and found != wanted:
        raise wrong(
            "这是 Bonferroni：每个都与 rate / m 比，过严",
            "this is Bonferroni's: each is held against rate / m, which is stricter than needed",
        )
    if found != wanted:
        raise wrong(f"应是 {wanted}，你给的是 {found}", f"wanted {wanted}, got {found}")
    if list(answer(function, np.full(8, 0.9), 0.1)):
        raise wrong("没有一个够小时，应返回空列表", "where none is small enough, the list is empty")


@register("28.4.3-3")
def _keep_top(function: Function) -> None:
    """``keep_top(scores, k)``: ``[N, M]``, the ``k`` largest positive ones of each row."""
    scores = torch.randn(5, 12, generator=torch.Generator().manual_seed(2))
    scores[0] = -scores[0].abs()
    found = answer(function, scores.clone(), 3)
    if tuple(found.shape) != (5, 12):
        raise wrong(
            f"应返回 [5, 12]，你给的是 {list(found.shape)}", f"wanted [5, 12], got {list(found.shape)}"
        )
    if (found[0] != 0).any():
        raise wrong("第一行全是负的，一个也不该留", "the first row is negative throughout: nothing is kept")
    if ((found != 0).sum(-1) > 3).any():
        raise wrong("有一行留了三个以上", "a row keeps more than three")
    best = scores.clamp(min=0).topk(3, dim=-1)
    if not torch.equal(found, torch.zeros_like(scores).scatter(-1, best.indices, best.values)):
        raise wrong(
            "留下的应是每行最大的三个，值不变", "wanted the three largest of each row, with their values"
        )
