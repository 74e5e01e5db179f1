"""Sentences of the committed Bible text, each with the group of books that it comes from.

The corpus keeps two of every five chapters in the Bible's order (``texts.corpus.build``); the chapters
of each book are counted, so the book of a stored chapter follows from its place.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class Sentence:
    """A sentence and the place of its group in ``GROUPS``."""

    text: str
    label: int


@functools.cache
def sentences(part: Literal["train", "validation"]) -> tuple[Sentence, ...]:
    """Every sentence of the chapters that are trained on, or of those held out."""
    groups = [label for label, books in enumerate(CHAPTERS.values()) for _ in range(sum(books))]
    stored = [label for at, label in enumerate(groups) if at % BIBLE_STRIDE < BIBLE_TAKEN]
    label_of = dict(zip(corpus.documents("bible"), stored, strict=True))
    return tuple(
        Sentence(text, label_of[chapter])
        for chapter in corpus.split("bible", part)
        for text in re.split(r"(?<=[.?!])\s+", chapter)
        if SHORTEST <= len(text.split()) <= LONGEST
    )
