"""Attacks that swap words of a text for synonyms until a classifier errs, and what no attack can do.

An attack is a generator: it yields texts, is sent the class probabilities ``[N, C]`` that the victim gives
them, and returns what it found. So it sees a victim's answers and nothing else, its queries are counted, and
``run`` can ask the victim for many attacks at once. The threat is a ``Moves``: which words of a text may
become what, and how many of them. Every number about an attack is one about its threat and its queries.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Candidates = Callable[[str], Sequence[str]]
"""From a word in lower case to what may stand for it."""

Score = Callable[[list[str]], Tensor]
"""From texts to class probabilities, ``[N, C]``."""

Swaps = Mapping[int, str]
"""From places of words to what stands there instead."""


@dataclass(frozen=True)
class Moves:
    """What an attacker may do with a text.

    Attributes:
        words: the text at its spaces, punctuation left on.
        options: by place, what may stand there instead, punctuation left on.
        most: how many places may change.
    """

    words: tuple[str, ...]
    options: Mapping[int, tuple[str, ...]]
    most: int

    def text(self, swaps: Swaps, without: int | None = None) -> str:
        """The text with some words swapped, and without the word at one place."""
        return " ".join(swaps.get(at, word) for at, word in enumerate(self.words) if at != without)

    def size(self) -> int:
        """How many texts can be made, the text itself among them."""
        counts = [1] + [0] * self.most  # texts by number of changed words
        for options in self.options.values():
            for changed in range(self.most, 0, -1):
                counts[changed] += counts[changed - 1] * len(options)
        return sum(counts)


@dataclass(frozen=True)
class Attack:
    """What an attack found.

    Attributes:
        swaps: what it ended with: the swaps that deceive the victim, or the best it had.
        queries: texts that the victim was asked about, up to the one that deceived it.
        succeeded: whether the victim was deceived.
    """

    swaps: Swaps
    queries: int
    succeeded: bool


Search = Generator[list[str], Tensor, Attack]


def moves(text: str, candidates: Candidates, share: float = 0.3) -> Moves:
    """What may be done to a text.

    A word may change if it has candidates and is in lower case, or is the first: other capitals are names.

    Args:
        text: words between spaces.
        candidates: see ``Candidates``.
        share: of the words, that may change, rounded down, but one at least.

    Raises:
        ValueError: ``share`` is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: got {share}, wanted more than 0 and at most 1")
    words = tuple(text.split())
    options = {}
    for at, word in enumerate(words):
        parts = re.fullmatch(r"(\W*)([A-Za-z]+)(\W*)", word)
        if parts is None or not (parts[2].islower() or at == 0):
            continue
        others = [
            other.capitalize() if parts[2][0].isupper() else other for other in candidates(parts[2].lower())
        ]
        if others:
            options[at] = tuple(f"{parts[1]}{other}{parts[3]}" for other in others)
    return Moves(words, options, max(1, int(share * len(words))))


def run(searches: Sequence[Search], score: Score) -> list[Attack]:
    """Carry searches through side by side: what all of them ask next is one batch.

    Returns:
        What each of them found, in their order.
    """
    found: dict[int, Attack] = {}
    asked: dict[int, list[str]] = {}

    def go_on(at: int, answer: Tensor | None) -> None:
        try:
            asked[at] = next(searches[at]) if answer is None else searches[at].send(answer)
        except StopIteration as stop:
            found[at] = stop.value
            asked.pop(at, None)

    for at in range(len(searches)):
        go_on(at, None)
    while asked:
        order = list(asked)
        answers = score([text for at in order for text in asked[at]])
        split = torch.split(answers, [len(asked[at]) for at in order])
        for at, answer in zip(order, split, strict=True):
            go_on(at, answer)
    return [found[at] for at in range(len(searches))]


def _first_error(answers: Tensor, label: int) -> int | None:
    """Place of the first text that the victim gets wrong, in ``[N, C]``."""
    wrong = (answers.argmax(-1) != label).nonzero()
    return int(wrong[0]) if len(wrong) else None


def greedy(of: Moves, label: int, *, order: Literal["deletion"] | np.random.Generator = "deletion") -> Search:
    """The most important word first, each swapped for what lowers the label's probability most.

    A word is as important as the label's probability falls when the word is deleted. A swap that lowers
    nothing is not made. At each place all options are asked about, and all count as queries.

    Args:
        of: what may be done.
        label: the right class.
        order: by deletion, which takes a query for the text and one for each word that may change, or at
            random, which takes only the one for the text.

    Source: Jin et al., "Is BERT Really Robust?" (TextFooler, 2020), without its filters of meaning: what may
        stand for a word is decided beforehand here.
    """
    places = list(of.options)
    if not places:
        return Attack({}, 0, False)
    if order == "deletion":
        answers = yield [of.text({}), *(of.text({}, without=at) for at in places)]
        places = [places[at] for at in answers[1:, label].argsort(stable=True).tolist()]
    else:
        answers = yield [of.text({})]
        places = order.permutation(places).tolist()
    queries, lowest = len(answers), float(answers[0, label])
    swaps: dict[int, str] = {}
    for at in places:
        if len(swaps) == of.most:
            break
        tried = [{**swaps, at: option} for option in of.options[at]]
        answers = yield [of.text(each) for each in tried]
        queries += len(tried)
        errors = answers.argmax(-1) != label
        best = int((answers[:, label] - errors.float()).argmin())  # of swaps that deceive, the surest
        if errors.any():
            return Attack(tried[best], queries, True)
        if float(answers[best, label]) < lowest:
            swaps, lowest = tried[best], float(answers[best, label])
    return Attack(swaps, queries, False)


def at_random(of: Moves, generator: np.random.Generator, changes: int | None = None) -> dict[int, str]:
    """Swaps drawn at random.

    Args:
        of: what may be done.
        generator: of the draw.
        changes: how many words change; drawn evenly from 1 to the most that may if ``None``.
    """
    most = min(of.most, len(of.options))
    number = int(generator.integers(1, most + 1)) if changes is None else min(changes, most)
    places = generator.choice(list(of.options), number, replace=False).tolist()
    return {at: str(generator.choice(of.options[at])) for at in sorted(places)}


def random_search(
    of: Moves, label: int, queries: int, generator: np.random.Generator, changes: int | None = None
) -> Search:
    """The attack that thinks nothing: texts drawn at random, no two the same, until one deceives.

    Args:
        of: what may be done.
        label: the right class.
        queries: how many texts are drawn; what another attack took, for a fair comparison.
        generator: of the draws.
        changes: how many words change in each; drawn anew for each if ``None``.
    """
    drawn: dict[str, dict[int, str]] = {}
    if of.options:
        wanted = min(queries, of.size() - 1)
        for _ in range(20 * wanted):  # with a fixed number of changes there may be fewer
            if len(drawn) == wanted:
                break
            swaps = at_random(of, generator, changes)
            drawn.setdefault(of.text(swaps), swaps)
    if not drawn:
        return Attack({}, 0, False)
    answers = yield list(drawn)
    first = _first_error(answers, label)
    if first is None:
        return Attack({}, len(drawn), False)
    return Attack(list(drawn.values())[first], first + 1, True)


def exhaustive(of: Moves, label: int) -> Search:
    """All that may be done, those texts first in which fewer words change: if it fails, nothing succeeds."""
    queries = 0
    for changed in range(1, min(of.most, len(of.options)) + 1):
        tried = [
            dict(zip(places, chosen, strict=True))
            for places in itertools.combinations(of.options, changed)
            for chosen in itertools.product(*(of.options[at] for at in places))
        ]
        answers = yield [of.text(each) for each in tried]
        first = _first_error(answers, label)
        if first is not None:
            return Attack(tried[first], queries + first + 1, True)
        queries += len(tried)
    return Attack({}, queries, False)


# ---- a linear victim: what no attack can do ----------------------------------------------------------------


def worst_case(
    of: Moves, label: int, contribution: Callable[[str], NDArray[np.float64]], bias: NDArray[np.float64]
) -> list[tuple[float, dict[int, str]]]:
    """The least margin that any attack can leave a model whose logits are sums over the words, and how.

    Against one other class each place has a swap that helps this class most, whatever stands elsewhere, so
    the worst of ``k`` changes are the ``k`` places with the most to gain; then the worst of the classes. A
    margin above zero is a certificate: no text that may be made is misread.

    Args:
        of: what may be done.
        label: the right class.
        contribution: what a word, punctuation and all, adds to the logits, ``[C]``.
        bias: logits of no words, ``[C]``.

    Returns:
        For each number of changes from 0 to ``of.most``: logit of the label minus the highest other one, and
        the swaps that make it so.

    Source: Jia et al., "Certified robustness to adversarial word substitutions" (2019) bound networks so; of
        this computes a linear model exactly.
    """
    logits = bias + sum((contribution(word) for word in of.words), start=np.zeros_like(bias))
    gains: dict[int, NDArray[np.float64]] = {
        at: np.stack([contribution(option) - contribution(of.words[at]) for option in options])
        for at, options in of.options.items()
    }  # [options, C] each
    found: list[tuple[float, dict[int, str]]] = [(math.inf, {}) for _ in range(of.most + 1)]
    for other in range(len(bias)):
        if other == label:
            continue
        best: list[tuple[float, int, str]] = []
        for at, gain in gains.items():
            toward = gain[:, other] - gain[:, label]
            best.append((float(toward.max()), at, of.options[at][int(toward.argmax())]))
        best.sort(key=lambda each: (-each[0], each[1]))
        margin = float(logits[label] - logits[other])
        swaps: dict[int, str] = {}
        for changed in range(of.most + 1):
            if changed and changed <= len(best) and best[changed - 1][0] > 0:
                gain_here, at, option = best[changed - 1]
                margin, swaps = margin - gain_here, {**swaps, at: option}
            if margin < found[changed][0]:
                found[changed] = margin, swaps
    return found
