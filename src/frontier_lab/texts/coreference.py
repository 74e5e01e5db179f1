"""Pronouns whose antecedent is known: two people in a sentence, one of them a woman, and a "he" or a "she".

Who is meant follows from the pronoun alone, so every sentence has a twin with the other pronoun and the other
antecedent. Which of the two stands first, and which is the subject, is even, so a rule of place is right half
of the time: what a head that "resolves pronouns" has to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MEN = ("king", "father", "brother", "husband", "man", "boy", "son", "uncle", "prince", "waiter")
WOMEN = ("queen", "mother", "sister", "wife", "woman", "girl", "daughter", "aunt", "princess", "waitress")
VERBS = ("saw", "called", "thanked", "followed", "warned", "helped", "met", "praised", "visited", "forgot")
LINKS = ("because", "when", "before", "after", "while")
ENDS = (
    ("was", "late"),
    ("was", "tired"),
    ("had", "no", "money"),
    ("came", "home"),
    ("knew", "the", "way"),
    ("needed", "help"),
    ("was", "very", "ill"),
    ("left", "the", "house"),
)


@dataclass(frozen=True)
class Mention:
    """A sentence with a pronoun.

    Attributes:
        words: one string each.
        pronoun: index of "he" or "she".
        antecedent: index of whom it means.
        other: index of the other person.
    """

    words: tuple[str, ...]
    pronoun: int
    antecedent: int
    other: int

    @property
    def text(self) -> str:
        """The sentence as it is written."""
        return " ".join(self.words)


def mentions(count: int, seed: int) -> list[Mention]:
    """Different sentences in pairs of twins, which differ in the pronoun alone.

    Args:
        count: even.
        seed: of the generator.

    Raises:
        ValueError: ``count`` is odd.
    """
    if count % 2:
        raise ValueError(f"count: got {count}, wanted an even number: sentences come in pairs")
    generator = np.random.default_rng(seed)

    def one(words: Sequence[str]) -> str:
        return words[int(generator.integers(len(words)))]

    found: dict[tuple[str, ...], Mention] = {}
    while len(found) < count:
        man_first = len(found) // 2 % 2 == 0
        first, second = (one(MEN), one(WOMEN)) if man_first else (one(WOMEN), one(MEN))
        head = ("the", first, one(VERBS), "the", second, one(LINKS))
        end = ENDS[int(generator.integers(len(ENDS)))]
        if (*head, "he", *end) in found:
            continue
        for pronoun in ("he", "she"):
            words = (*head, pronoun, *end)
            about_first = (pronoun == "he") == man_first
            found[words] = Mention(words, len(head), 1 if about_first else 4, 4 if about_first else 1)
    return list(found.values())


def preferences(weights: Sequence[ArrayLike], sentences: Sequence[Mention]) -> NDArray[np.float64]:
    """How much more each head looks from the pronoun at whom it means than at the other person.

    Args:
        weights: for each sentence ``[L, H, words, words]``.
        sentences: as many.

    Returns:
        ``[N, L, H]``: attention to the antecedent less that to the other, of both together; between -1 and 1.

    Raises:
        ValueError: numbers differ.
    """
    if len(weights) != len(sentences):
        raise ValueError(f"weights: got {len(weights)} entries, wanted {len(sentences)}, one a sentence")
    rows = []
    for each, sentence in zip(weights, sentences, strict=True):
        row = np.asarray(each, dtype=np.float64)[:, :, sentence.pronoun]  # [L, H, words]
        right, wrong = row[..., sentence.antecedent], row[..., sentence.other]
        both = right + wrong
        rows.append(np.divide(right - wrong, both, out=np.zeros_like(both), where=both > 0))
    return np.stack(rows)


def by_words(weights: ArrayLike, words: Sequence[int | None]) -> NDArray[np.float64]:
    """Weights of pieces as weights of words: the sum over a word's pieces, the mean over those that look.

    Args:
        weights: ``[..., T, T]``.
        words: index of each piece's word, ``None`` for special tokens, which are left out.

    Returns:
        ``[..., words, words]``; rows sum to at most 1.
    """
    found = np.asarray(weights, dtype=np.float64)
    count = 1 + max(word for word in words if word is not None)
    member = np.zeros((len(words), count))
    for at, word in enumerate(words):
        if word is not None:
            member[at, word] = 1
    looked = found @ member  # [..., T, words]
    result: NDArray[np.float64] = (member / member.sum(0)).T @ looked
    return result
