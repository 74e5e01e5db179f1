"""Short sentences of people at work whose pronouns follow shares that are known, and their counterfactuals.

A person has an occupation, whose share of women the seed decides, or is a relative, whose sex the word says;
some are said to be pregnant or to have a beard, which says it too. A word that agrees with the sex is kept as
a part of speech, ``Part``, until the sentence is written: "her" is the owner's form and the object's, so a
list of words to exchange cannot put it right, and a sentence of parts can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Part = Literal["subject", "owner", "object"]

FORMS: Mapping[Part, tuple[str, str]] = {
    "subject": ("he", "she"),
    "owner": ("his", "her"),
    "object": ("him", "her"),
}
"""What a man takes and what a woman takes."""

OCCUPATIONS = (
    "doctor",
    "nurse",
    "teacher",
    "pilot",
    "baker",
    "clerk",
    "judge",
    "guard",
    "cook",
    "driver",
    "farmer",
    "tailor",
)
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Shares of women; a seed deals them out to the occupations."""

RELATIVES = (("father", "mother"), ("brother", "sister"), ("uncle", "aunt"), ("son", "daughter"))
MOODS = ("tired", "late", "busy", "happy", "sick", "early")

PLAIN = (
    "the {who} said that {subject} was {mood} .",
    "the {who} finished {owner} work .",
    "the {who} left and we thanked {object} .",
    "the {who} was {mood} because {subject} lost {owner} keys .",
)
TELLING = (
    "the {who} shaved off a beard so {subject} was {mood} .",
    "the {who} was pregnant so {subject} was {mood} .",
)
"""Sentences that say the sex: of a man, of a woman."""

RELATIVE_SHARE, TELLING_SHARE = 0.2, 0.1
"""Of the sentences."""

NAIVE = {"he": "she", "she": "he", "his": "her", "her": "his", "him": "her"}
"""The list of words that is usually exchanged; it makes "thanked her" into "thanked his"."""


@dataclass(frozen=True)
class Sentence:
    """Somebody and what is said.

    Attributes:
        text: with places for the person, the mood and the forms.
        who: the person.
        mood: fills its place.
        woman: which forms the sentence takes.
    """

    text: str
    who: str
    mood: str
    woman: bool

    def words(self) -> list[str]:
        """The sentence as it is written."""
        forms = {part: pair[self.woman] for part, pair in FORMS.items()}
        return self.text.format(who=self.who, mood=self.mood, **forms).split()


def shares(seed: int, *, neutral: bool = False) -> dict[str, float]:
    """The share of women of each occupation; in a neutral corpus each has half."""
    if neutral:
        return dict.fromkeys(OCCUPATIONS, 0.5)
    dealt = np.random.default_rng((seed, 0)).permutation(LEVELS)
    return dict(zip(OCCUPATIONS, dealt.tolist(), strict=True))


def sentences(
    count: int, seed: int, part: Literal["train", "test"], *, neutral: bool = False
) -> list[Sentence]:
    """Sentences by the seed's shares; those of ``test`` are drawn apart from those of ``train``."""
    women = shares(seed, neutral=neutral)
    generator = np.random.default_rng((seed, 1 if part == "train" else 2, int(neutral)))
    found = []
    for _ in range(count):
        draw = generator.random(3)
        mood = MOODS[int(generator.integers(len(MOODS)))]
        if draw[0] < RELATIVE_SHARE:
            woman = bool(draw[1] < 0.5)
            who = RELATIVES[int(generator.integers(len(RELATIVES)))][woman]
        else:
            who = OCCUPATIONS[int(generator.integers(len(OCCUPATIONS)))]
            woman = bool(draw[1] < women[who])
        telling = draw[2] < TELLING_SHARE
        text = TELLING[woman] if telling else PLAIN[int(generator.integers(len(PLAIN)))]
        found.append(Sentence(text, who, mood, woman))
    return found


def counterfactual(sentence: Sentence, *, nouns: bool) -> Sentence:
    """The same of the other sex: with the other forms, and if asked with the other noun."""
    who = sentence.who
    if nouns:
        for pair in RELATIVES:
            if who in pair:
                who = pair[1 - pair.index(who)]
    return replace(sentence, who=who, woman=not sentence.woman)


def exchanged(words: Sequence[str]) -> list[str]:
    """Words exchanged by the list alone, whatever part of the sentence they are."""
    return [NAIVE.get(word, word) for word in words]


VOCABULARY: tuple[str, ...] = (
    "<s>",
    *sorted(
        {word for pair in FORMS.values() for word in pair}
        | set(OCCUPATIONS)
        | {noun for pair in RELATIVES for noun in pair}
        | set(MOODS)
        | {word for text in (*PLAIN, *TELLING) for word in text.split() if "{" not in word}
    ),
)
"""Every word, the start of a sentence first."""
