"""An invented world whose facts nobody can know: passages about places, and questions about them.

Retrieval can only be measured with facts that a reader has never seen. Here they are drawn from syllables:
every place has a capital, a river, a founder and so on, all with made-up names. A name is held out for good
or trained on for good, which its spelling decides, so that no test fact was ever part of a training batch.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

Part = Literal["train", "test"]

SYLLABLES = tuple(
    consonant + vowel + end
    for consonant in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "th", "sh")
    for vowel in ("a", "e", "i", "o", "u")
    for end in ("", "n", "r")
)
"""240 of them, so 57,600 names of two."""

STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "capital": ("The capital of {place} is {value}.", "{place} is governed from {value}."),
    "river": ("The river of {place} is the {value}.", "Through {place} flows the {value}."),
    "founder": ("{place} was founded by {value}.", "{value} was the founder of {place}."),
    "festival": ("The people of {place} celebrate {value}.", "The great feast of {place} is {value}."),
    "crop": ("The fields of {place} grow {value}.", "Farmers in {place} live from {value}."),
    "mountain": ("The highest mountain of {place} is {value}.", "{value} towers over {place}."),
}
"""What a passage says of a place, in several wordings."""

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "capital": ("What is the capital of {place}?", "From which city is {place} governed?"),
    "river": ("Which river flows through {place}?", "What is the river of {place} called?"),
    "founder": ("Who founded {place}?", "Who was the founder of {place}?"),
    "festival": ("What do the people of {place} celebrate?", "What is the great feast of {place}?"),
    "crop": ("What grows in the fields of {place}?", "What do farmers in {place} live from?"),
    "mountain": ("What is the highest mountain of {place}?", "Which mountain towers over {place}?"),
}


@dataclass(frozen=True)
class Place:
    """A place, and what is true of it: attribute to value."""

    name: str
    facts: Mapping[str, str]


def is_held_out(name: str) -> bool:
    """Whether a name is kept for tests: every fifth is, by its checksum."""
    return zlib.crc32(name.encode()) % 5 == 0


def name(generator: np.random.Generator, part: Part) -> str:
    """A made-up name of two syllables, of those that are trained on or of those held out."""
    while True:
        found = "".join(generator.choice(SYLLABLES, size=2)).capitalize()
        if is_held_out(found) is (part == "test"):
            return found


def place(generator: np.random.Generator, part: Part, attributes: int = 3) -> Place:
    """A place with so many facts, in random order; all names are of ``part``."""
    chosen = generator.choice(list(STATEMENTS), size=attributes, replace=False)
    return Place(name(generator, part), {str(a): name(generator, part) for a in chosen})


def passage(of: Place, generator: np.random.Generator) -> str:
    """All facts of a place as sentences, each in one of its wordings."""
    sentences = []
    for attribute, value in of.facts.items():
        wordings = STATEMENTS[attribute]
        sentences.append(wordings[generator.integers(len(wordings))].format(place=of.name, value=value))
    return " ".join(sentences)


def question(about: str, attribute: str, generator: np.random.Generator) -> str:
    """A question about an attribute of the place with this name, in one of its wordings."""
    wordings = QUESTIONS[attribute]
    return wordings[generator.integers(len(wordings))].format(place=about)


@dataclass(frozen=True)
class Case:
    """A question, the passage that answers it, and the answer."""

    place: str
    question: str
    passage: str
    answer: str


def _endless(part: Part, seed: int | Sequence[int]) -> Iterator[Case]:
    generator = np.random.default_rng(seed)
    while True:
        found = place(generator, part)
        attribute = str(generator.choice(list(found.facts)))
        text, asked = passage(found, generator), question(found.name, attribute, generator)
        yield Case(found.name, asked, text, found.facts[attribute])


def cases(count: int, part: Part, seed: int | Sequence[int]) -> Iterator[Case]:
    """So many questions with their passages: a function of the seed alone.

    Names are drawn independently: of a thousand test places some 90 share their name with another, and a
    question about such a name has two passages. ``distinct_cases`` has none of those.
    """
    return islice(_endless(part, seed), count)


def distinct_cases(count: int, part: Part, seed: int | Sequence[int]) -> Iterator[Case]:
    """So many questions, each about a place of its own: ``cases`` without those whose place came before.

    Raises:
        ValueError: ``count`` is more than half of the names of ``part``; drawing them would take long.
    """
    names = sum(is_held_out((a + b).capitalize()) is (part == "test") for a in SYLLABLES for b in SYLLABLES)
    if count > names // 2:
        raise ValueError(f"count: got {count}, wanted at most {names // 2}, half of the names")
    seen: set[str] = set()
    for case in _endless(part, seed):
        if len(seen) == count:
            return
        if case.place not in seen:
            seen.add(case.place)
            yield case


def value_of_asked_kind(asked: Case, told: Case) -> str | None:
    """What one case's passage says of the kind of fact that another case asks about, whatever the place.

    Args:
        asked: its question names the kind: capital, river, …
        told: its passage is looked through.

    Returns:
        The value in the passage of ``told``; None where it says nothing of that kind.

    Raises:
        ValueError: the question of ``asked`` is in none of the wordings.
    """
    kinds = {q.format(place=asked.place): kind for kind, wordings in QUESTIONS.items() for q in wordings}
    if asked.question not in kinds:
        raise ValueError(f"asked: got the question {asked.question!r}, wanted a wording of QUESTIONS")
    for wording in STATEMENTS[kinds[asked.question]]:
        before, after = wording.replace("{place}", told.place).split("{value}")
        if found := re.search(f"{re.escape(before)}([A-Z][a-z]+){re.escape(after)}", told.passage):
            return found[1]
    return None


def with_context(question: str, passage: str, title: str = "") -> str:
    """What the reader is given: the form in which transformers' ``RagRetriever`` joins the three."""
    return f"{title} / {passage} // {question}"
