"""Exercises of 28.5.3, the page on bias."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from frontier_lab.methods import weat
from frontier_lab.texts import pronoun_corpus

from .checking import Function, answer, register, wrong


@register("28.5.3-1")
def _log_odds(function: Function) -> None:
    """``log_odds(logits, man, woman)``: of one token over another at the next place, in nats."""
    generator = torch.Generator().manual_seed(0)
    for rows, vocabulary, man, woman in ((5, 11, 3, 7), (1, 4, 0, 2), (8, 30, 29, 1)):
        logits = 3 * torch.randn(rows, vocabulary, generator=generator)
        found = answer(function, logits.clone(), man, woman)
        if not isinstance(found, Tensor) or found.shape != (rows,):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise wrong(
                f"应返回 [N] 的张量，每个前文一个数：{rows} 个前文时得到 {shape}。",
                f"Return a tensor [N], one number a prefix: of {rows} prefixes you gave {shape}.",
            )
        wanted = logits[:, woman] - logits[:, man]
        if torch.allclose(found.float(), -wanted, atol=1e-5):
            raise wrong(
                "正负号反了：女性的词更可能时，对数几率应为正。",
                "The sign is wrong: where the woman's word is likelier, log-odds are positive.",
            )
        p = logits.softmax(-1)
        if torch.allclose(found.float(), p[:, woman] - p[:, man], atol=1e-5):
            raise wrong(
                "这是概率之差，会随两个词合起来占多少而缩放；应是对数概率之差。",
                "That is the difference of probabilities, which scales with what both words have together: "
                "take the difference of log-probabilities.",
            )
        if not torch.allclose(found.float(), wanted, atol=1e-5):
            raise wrong(
                f"第一个应为 {wanted[0]:.4f}，得到 {found[0]:.4f}。归一化的常数在相减时消去了。",
                f"The first is {wanted[0]:.4f}, not {found[0]:.4f}. The normaliser cancels out.",
            )


@register("28.5.3-2")
def _p_value(function: Function) -> None:
    """``p_value(x, y)``: share of the splits into groups of these sizes whose first sum is as large."""
    generator = np.random.default_rng(1)
    cases = [
        (np.array([3.0, 2.0]), np.array([1.0, 0.0])),
        (generator.normal(0.5, 1, 4), generator.normal(0, 1, 4)),
        (generator.normal(-1, 1, 3), generator.normal(0, 1, 5)),
    ]
    for x, y in cases:
        found = float(answer(function, x.copy(), y.copy()))
        wanted = weat.p_value(x, y)
        if found == 0:
            raise wrong(
                "观察到的那种分法自己也算一种，所以 p 不会是 0：比较用 ≥。",
                "The split at hand is one of the splits, so no p is 0: compare with ≥.",
            )
        if abs(found - weat.p_value(y, x)) < 1e-9 and abs(found - wanted) > 1e-9:
            raise wrong(
                "方向反了：数的是第一组的和至少这么大的分法。",
                "The direction is wrong: count the splits whose first group has a sum as large or larger.",
            )
        if abs(found - wanted) > 1e-9:
            raise wrong(
                f"应为 {wanted:.4f}，得到 {found:.4f}。所有分法都要数到，两组的大小不变。",
                f"It is {wanted:.4f}, not {found:.4f}. Count all splits, with groups of the same sizes.",
            )


@register("28.5.3-3")
def _exchange(function: Function) -> None:
    """``exchange(words, parts)``: the sentence of the other sex; ``parts`` says what each is, or None."""
    cases = [
        ("the nurse left and we thanked her .", {6: "object"}),
        ("the nurse finished her work .", {3: "owner"}),
        ("the pilot was tired because he lost his keys .", {5: "subject", 7: "owner"}),
        ("the judge left and we thanked him .", {6: "object"}),
    ]
    for text, places in cases:
        words = text.split()
        parts = [places.get(at) for at in range(len(words))]
        found = list(answer(function, list(words), list(parts)))
        wanted = list(words)
        for at, part in places.items():
            pair = pronoun_corpus.FORMS[part]  # type: ignore[index]
            wanted[at] = pair[1 - pair.index(words[at])]
        if found == pronoun_corpus.exchanged(words) != wanted:
            raise wrong(
                f"按词表一对一地换，得到“{' '.join(found)}”："
                "her 可以是 his，也可以是 him，要看它在句中作什么。",
                f'Exchanged by a list, this becomes "{" ".join(found)}": her is his or him, by what it is in '
                "the sentence.",
            )
        if found != wanted:
            raise wrong(
                f"“{text}”应换成“{' '.join(wanted)}”，得到“{' '.join(map(str, found))}”。",
                f'"{text}" becomes "{" ".join(wanted)}", not "{" ".join(map(str, found))}".',
            )
