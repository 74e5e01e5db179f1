"""Sentences of the committed Bible text, each with the group of books that it comes from.

The corpus keeps two of every five chapters in the Bible's order (``texts.corpus.build``); the chapters
of each book are counted, so the book of a stored chapter follows from its place.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from frontier_lab.texts import corpus
from frontier_lab.texts.corpus.build import BIBLE_STRIDE, BIBLE_TAKEN

CHAPTERS: dict[str, tuple[int, ...]] = {
    "law": (50, 40, 27, 36, 34),
    "history": (24, 21, 4, 31, 24, 22, 25, 29, 36, 10, 13, 10),
    "poetry": (42, 150, 31, 12, 8),
    "prophets": (66, 52, 5, 48, 12, 14, 3, 9, 1, 4, 7, 3, 3, 3, 2, 14, 4),
    "gospels": (28, 16, 24, 21, 28),
    "letters": (16, 16, 13, 6, 6, 4, 4, 5, 3, 6, 4, 3, 1, 13, 5, 5, 3, 5, 1, 1, 1, 22),
}
"""Group to the number of chapters of its books, in order. The Acts stand with the gospels, Revelation with
the letters."""

GROUPS = tuple(CHAPTERS)
SHORTEST, LONGEST = 6, 40
"""Words of a sentence that is taken."""


Part = Literal["train", "stack", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
HELD_OUT = 8
"""One chapter in so many of each group is in ``stack``, and as many in ``test``; six of a group at least."""
MOST = 20
"""Sentences of a chapter that is held out: Psalm 119 alone has 180."""


@dataclass(frozen=True)
class Sentence:
    """A sentence, the place of its group in ``GROUPS``, and that of its chapter in the stored text."""

    text: str
    label: int
    chapter: int


@functools.cache
def _chapters() -> tuple[tuple[Sentence, ...], ...]:
    """The sentences of every stored chapter that are neither too short nor too long."""
    groups = [label for label, books in enumerate(CHAPTERS.values()) for _ in range(sum(books))]
    labels = [label for at, label in enumerate(groups) if at % BIBLE_STRIDE < BIBLE_TAKEN]
    return tuple(
        tuple(
            Sentence(text, label, at)
            for text in re.split(r"(?<=[.?!])\s+", chapter)
            if SHORTEST <= len(text.split()) <= LONGEST
        )
        for at, (chapter, label) in enumerate(zip(corpus.documents("bible"), labels, strict=True))
    )


@functools.cache
def sentences(part: Literal["train", "validation"]) -> tuple[Sentence, ...]:
    """Every sentence of the chapters that language models are trained on, or of those held out from them.

    The parts are the corpus's own, for models that were trained on its text. Of the 23 chapters held out one
    has more than a quarter of the sentences: to compare classifiers take ``balanced``.
    """
    chapters = dict(zip(corpus.documents("bible"), _chapters(), strict=True))
    return tuple(each for text in corpus.split("bible", part) for each in chapters[text])


@functools.cache
def parts() -> tuple[Part, ...]:
    """The part of every stored chapter in the split for classifiers, drawn within each group of books."""
    labels = np.array([chapter[0].label for chapter in _chapters()])
    generator = np.random.default_rng(7)
    found: list[Part] = ["train"] * len(labels)
    for label in range(len(GROUPS)):
        drawn = generator.permutation(np.flatnonzero(labels == label))
        held_out = max(6, len(drawn) // HELD_OUT)
        for place, chapter in enumerate(drawn[: 2 * held_out]):
            found[chapter] = "test" if place < held_out else "stack"
    return tuple(found)


@functools.cache
def balanced(part: Part) -> tuple[Sentence, ...]:
    """The sentences of a part that no chapter dominates and to which every group of books gives chapters.

    ``train`` has 360 chapters whole. ``stack``, on which models are chosen and combined, and ``test``, on
    which they are judged, have 58 each, of a chapter ``MOST`` sentences at most, drawn at random, and none
    that stands word for word in a chapter that is trained on: kings and prophets tell some events in the
    same words.

    Raises:
        ValueError: ``part`` is not one of ``PARTS``.
    """
    if part not in PARTS:
        raise ValueError(f"part: got {part!r}, wanted one of {', '.join(PARTS)}")
    found = [chapter for chapter, own in zip(_chapters(), parts(), strict=True) if own == part]
    if part == "train":
        return tuple(sentence for chapter in found for sentence in chapter)
    known = {sentence.text for sentence in balanced("train")}
    taken: list[Sentence] = []
    for chapter in found:
        fresh = [sentence for sentence in chapter if sentence.text not in known]
        drawn = np.random.default_rng(chapter[0].chapter).permutation(len(fresh))[:MOST]
        taken.extend(fresh[place] for place in sorted(drawn))
    return tuple(taken)
