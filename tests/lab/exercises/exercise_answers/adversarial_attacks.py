"""Answers to the exercises of 28.5.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from frontier_lab.methods import attacks
from frontier_lab.methods.attacks import Moves, Score


def left(words: Sequence[str], score: Score, label: int) -> list[float]:
    texts = [" ".join([*words[:at], *words[at + 1 :]]) for at in range(len(words))]
    return score(texts)[:, label].tolist()


def importance(words: Sequence[str], score: Score, label: int) -> list[float]:
    whole = float(score([" ".join(words)])[0, label])
    return [whole - value for value in left(words, score, label)]


def worst_margin(margin: float, gains: Sequence[Sequence[float]], most: int) -> float:
    best = sorted((max(0.0, *each) for each in gains), reverse=True)
    return margin - sum(best[:most])


def with_losses(margin: float, gains: Sequence[Sequence[float]], most: int) -> float:
    best = sorted((max(each) for each in gains), reverse=True)
    return margin - sum(best[:most])


def random_attack(of: Moves, label: int, score: Score, queries: int, generator: np.random.Generator) -> bool:
    texts = [of.text(attacks.at_random(of, generator)) for _ in range(queries)]
    return bool((score(texts).argmax(-1) != label).any())


def one_by_one(of: Moves, label: int, score: Score, queries: int, generator: np.random.Generator) -> bool:
    """Asks about the text itself as well."""
    return random_attack(of, label, score, queries + 1, generator)


def original(of: Moves, label: int, score: Score, queries: int, generator: np.random.Generator) -> bool:
    return bool((score([of.text({})]).argmax(-1) != label).any())


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.5.1-1", importance),
    ("28.5.1-2", worst_margin),
    ("28.5.1-3", random_attack),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.5.1-1", left, "降了多少", "how far it **fell**"),
    (
        "28.5.1-1",
        lambda w, s, label: [-x for x in importance(w, s, label)],
        "正负号反了",
        "The sign is wrong",
    ),
    ("28.5.1-1", lambda w, s, label: importance(w, s, label)[1:], "每个词一个", "one a word"),
    (
        "28.5.1-1",
        lambda w, s, label: [2 * x for x in importance(w, s, label)],
        "第一个词应为",
        "The first word has",
    ),
    ("28.5.1-2", with_losses, "只减正的", "positive gains alone"),
    ("28.5.1-2", lambda m, gains, most: worst_margin(m, gains, 99), "每一处都换了", "you changed all"),
    ("28.5.1-2", lambda m, gains, most: m, "每一处取最有利", "each place's best swap"),
    ("28.5.1-3", one_by_one, "查询次数要相等", "equal queries"),
    ("28.5.1-3", lambda *given: False, "一句也没有问", "Nothing was asked"),
    ("28.5.1-3", original, "换不出来的句子", "no swap makes"),
    ("28.5.1-3", lambda *given: not random_attack(*given), "有没有一句骗过", "whether one deceived"),
]
