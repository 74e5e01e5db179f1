"""Exercises of 28.3.3, the page on ensembles."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier_lab.methods import voting

from .checking import Function, answer, register, wrong


def _probabilities(models: int, examples: int, classes: int, seed: int) -> Tensor:
    """Of models that differ, ``[M, N, C]``."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(models, examples, classes, generator=generator)).softmax(-1)


@register("28.3.3-1")
def _jensen_gap(function: Function) -> None:
    """``jensen_gap(probabilities, labels)``: how much the average loses less than its members, by example."""
    for models, examples, seed in ((3, 40, 1), (5, 7, 2), (1, 4, 3)):
        probabilities = _probabilities(models, examples, 6, seed)
        labels = torch.arange(examples) % 6
        found = answer(function, probabilities.clone(), labels.clone())
        if not isinstance(found, Tensor) or found.shape != (examples,):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise wrong(
                f"应返回 [N] 的张量，每句话一个数：{examples} 句时得到 {shape}。",
                f"Return a tensor [N], one number a sentence: of {examples} sentences you gave {shape}.",
            )
        losses = voting.nll(probabilities, labels)  # [M, N]
        wanted = losses.mean(0) - voting.nll(voting.average(probabilities), labels)
        if torch.allclose(found.float(), -wanted, atol=1e-5) and wanted.max() > 1e-4:
            raise wrong(
                "正负号反了：成员损失的平均减去概率平均之后的损失，不会是负的。",
                "The sign is wrong: the members' mean loss minus the loss of the average is never negative.",
            )
        logs = losses.mean(0) - voting.nll(voting.log_average(probabilities), labels)
        if torch.allclose(found.float(), logs, atol=1e-5) and not torch.allclose(logs, wanted, atol=1e-5):
            raise wrong(
                "平均的是对数概率（或 logits）；这里要先平均概率，再取对数。",
                "You averaged log-probabilities (or logits): average the probabilities first, then take the "
                "logarithm.",
            )
        if not torch.allclose(found.float(), wanted, atol=1e-5):
            raise wrong(
                f"第一句应为 {wanted[0]:.4f}，得到 {found[0]:.4f}。成员的损失是 −ln p（对的一类），"
                "先对成员平均；再减去平均概率的 −ln。",
                f"The first sentence has {wanted[0]:.4f}, not {found[0]:.4f}. A member's loss is −ln p of "
                "the right class; average over the members, then subtract −ln of the average probability.",
            )


@register("28.3.3-2")
def _break_ties(function: Function) -> None:
    """``vote(probabilities)``: the class of most votes; of classes with equal votes the likelier one."""
    tie = torch.tensor([[[0.5, 0.3, 0.2]], [[0.3, 0.6, 0.1]], [[0.1, 0.2, 0.7]]])
    outvoted = torch.tensor([[[0.4, 0.35, 0.25]], [[0.4, 0.35, 0.25]], [[0.0, 0.9, 0.1]]])
    for probabilities in (*(_probabilities(m, 60, 6, m) for m in (3, 4, 9)), tie, outvoted):
        found = answer(function, probabilities.clone())
        if not isinstance(found, Tensor) or found.shape != probabilities.shape[1:2]:
            raise wrong("应返回 [N] 的张量，每句话一个类别。", "Return a tensor [N], one class a sentence.")
        wanted = voting.majority_vote(probabilities)
        if torch.equal(found.long(), wanted):
            continue
        tied = voting.tied(probabilities)
        if torch.equal(found.long(), voting.soft_vote(probabilities)):
            raise wrong(
                "这是平均，不是投票：票数不相等时，只看票数。",
                "This is the average and not the vote: where the votes are not equal, they alone decide.",
            )
        if (found.long() == wanted)[~tied].all():
            raise wrong(
                "没有平局的都对了；平局时，在得票最多的几类里取平均概率最高的一类。",
                "Right where no classes tie; where they do, take the one of the highest average probability "
                "among those with the most votes.",
            )
        place = int((found.long() != wanted).nonzero()[0])
        raise wrong(
            f"有一句应为第 {wanted[place]} 类，得到第 {found[place]} 类：先数每一类得几票。",
            f"One sentence is of class {wanted[place]}, not {found[place]}: count the votes of each class "
            "first.",
        )


@register("28.3.3-3")
def _greedy(function: Function) -> None:
    """``greedy(probabilities, labels, count)``: members, one by one, that lower the average's NLL."""
    for models, examples, count, seed in ((4, 60, 3, 1), (5, 40, 6, 2), (3, 50, 1, 5)):
        probabilities = _probabilities(models, examples, 6, seed)
        labels = torch.randint(6, (examples,), generator=torch.Generator().manual_seed(seed))
        strong = torch.nn.functional.one_hot(labels, 6).float() * torch.arange(models)[:, None, None]
        probabilities = (probabilities.log() + strong).softmax(-1)  # later ones know more
        found = answer(function, probabilities.clone(), labels.clone(), count)
        if not isinstance(found, list) or len(found) != count or not all(isinstance(at, int) for at in found):
            raise wrong(
                f"应返回 {count} 个整数的列表：依次选中的模型的位置，可以重复。",
                f"Return a list of {count} integers: places of the models as chosen, repeats allowed.",
            )
        wanted: list[int] = []
        for _ in range(count):
            scores = [
                voting.score(voting.nll(voting.average(probabilities[[*wanted, at]]), labels))
                for at in range(models)
            ]
            wanted.append(min(range(models), key=scores.__getitem__))
        if found == wanted:
            continue
        if len(set(found)) == count and len(set(wanted)) < count:
            raise wrong(
                "选过的模型可以再选：重复就是给它更大的权重。",
                "A model may be chosen again: a repeat gives it more weight.",
            )
        raise wrong(
            f"应依次选 {wanted}，得到 {found}。每一步试每个模型：加进去之后，平均概率的损失最低的就选它。",
            f"The choices are {wanted}, not {found}. At every step try each model: choose the one with which "
            "the average has the lowest loss.",
        )
