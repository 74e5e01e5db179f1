"""Sentences of a small grammar, every word with its part of speech and its depth: what probes are asked.

The words are common in the King James Bible, so the book's own models know them. Twenty of them are nouns in
one place and verbs in another, so that their part of speech is told by the context and not by the word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

TAGS = ("determiner", "adjective", "noun", "auxiliary", "verb", "preposition", "conjunction", "relative")

BOTH = (
    *("love", "fear", "praise", "judge", "help", "command", "answer", "desire", "watch", "curse"),
    *(
        "visit",
        "reward",
        "reproach",
        "covenant",
        "sacrifice",
        "counsel",
        "witness",
        "plant",
        "cover",
        "promise",
    ),
)
"""Nouns and verbs alike."""

NOUNS = (
    *("king", "priest", "servant", "prophet", "woman", "child", "enemy", "shepherd", "stranger", "brother"),
    *("city", "house", "mountain", "field", "river", "altar", "temple", "garden", "tower", "gate"),
)
VERBS = (
    *("see", "hear", "find", "bring", "take", "give", "keep", "seek", "know", "forgive"),
    *("serve", "follow", "slay", "deliver", "gather", "choose", "build", "receive", "destroy", "remember"),
)
ADJECTIVES = (
    *("great", "holy", "wise", "wicked", "righteous", "mighty", "young", "old", "poor", "strong"),
    *("evil", "good", "little", "new", "faithful", "proud"),
)
DETERMINERS = ("the", "a", "this", "that", "every", "his", "their", "my")
AUXILIARIES = ("shall", "will", "may", "did", "must")
PREPOSITIONS = ("in", "upon", "before", "with", "from", "by", "over", "under")
CONJUNCTIONS = ("and", "or")
RELATIVES = ("who", "which")


@dataclass(frozen=True)
class Parsed:
    """A sentence and what is known of it.

    Attributes:
        words: one string each.
        tags: of ``TAGS``, one a word.
        depths: how many clauses a word stands in beside the main one.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    depths: tuple[int, ...]

    @property
    def text(self) -> str:
        """The sentence as it is written."""
        return " ".join(self.words)


class _Writer:
    """Grows one sentence."""

    def __init__(self, generator: np.random.Generator, deepest: int) -> None:
        self.generator = generator
        self.deepest = deepest
        self.found: list[tuple[str, str, int]] = []

    def word(self, tag: str, words: tuple[str, ...], depth: int) -> None:
        self.found.append((words[self.generator.integers(len(words))], tag, depth))

    def chance(self, share: float) -> bool:
        return bool(self.generator.random() < share)

    def noun_phrase(self, depth: int) -> None:
        self.word("determiner", DETERMINERS, depth)
        if self.chance(0.35):
            self.word("adjective", ADJECTIVES, depth)
        self.word("noun", BOTH if self.chance(0.5) else NOUNS, depth)
        if self.chance(0.2):
            self.word("preposition", PREPOSITIONS, depth)
            self.word("determiner", DETERMINERS, depth)
            self.word("noun", NOUNS, depth)
        if depth < self.deepest and self.chance(0.35):
            self.word("relative", RELATIVES, depth + 1)
            if self.chance(0.5):
                self.verb_phrase(depth + 1)
            else:
                self.noun_phrase(depth + 1)
                self.verb(depth + 1)

    def verb(self, depth: int) -> None:
        self.word("auxiliary", AUXILIARIES, depth)
        self.word("verb", BOTH if self.chance(0.5) else VERBS, depth)

    def verb_phrase(self, depth: int) -> None:
        self.verb(depth)
        self.noun_phrase(depth)
        if self.chance(0.2):
            self.word("conjunction", CONJUNCTIONS, depth)
            self.verb(depth)
            self.noun_phrase(depth)


def sentences(count: int, seed: int, *, longest: int = 24, deepest: int = 2) -> list[Parsed]:
    """Different sentences.

    Args:
        count: how many.
        seed: of the generator.
        longest: words; longer ones are thrown away.
        deepest: clauses within each other beside the main one.

    Raises:
        ValueError: ``longest`` leaves no room for the shortest sentence, of six words.
    """
    if longest < 6:
        raise ValueError(f"longest: got {longest}, wanted at least 6")
    generator = np.random.default_rng(seed)
    found: dict[tuple[str, ...], Parsed] = {}
    while len(found) < count:
        writer = _Writer(generator, deepest)
        writer.noun_phrase(0)
        writer.verb_phrase(0)
        words, tags, depths = (tuple(part) for part in zip(*writer.found, strict=True))
        if len(words) <= longest:
            found.setdefault(words, Parsed(words, tags, depths))
    return list(found.values())


def swapped(sentence: Parsed, seed: int) -> Parsed:
    """The sentence with two neighbours of different parts of speech exchanged: what word order is worth.

    Source: the bigram-shift task of Conneau et al., "What you can cram into a single vector" (2018).
    """
    generator = np.random.default_rng(seed)
    places = [i for i in range(len(sentence.words) - 1) if sentence.tags[i] != sentence.tags[i + 1]]
    at = int(generator.choice(places))

    def exchange(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*values[:at], values[at + 1], values[at], *values[at + 2 :])

    return replace(
        sentence,
        words=exchange(sentence.words),
        tags=exchange(sentence.tags),
        depths=exchange(sentence.depths),
    )
