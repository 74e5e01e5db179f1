"""Words that may stand for a word of the committed Bible text: the moves of an attack that swaps synonyms.

From WordNet 3.1, put into the form of the word that they replace, each with two numbers that say how far to
trust it: the cosine of the two words' GloVe vectors, and how common the sense is in which they are synonyms.
Committed compressed, checked before use. ``synonyms.json`` has sources, licences and hashes, and
``texts.synonyms.build`` makes the table again. No number knows the sentence: a synonym may be one of a sense
that the word does not have there.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Synonym:
    """A word that may stand for another.

    Attributes:
        word: in lower case.
        cosine: of the two words' GloVe vectors, more than 0.4.
        share: of the replaced lemma's occurrences in WordNet's own tagged texts, those in the sense that the
            two have in common, between 0 and 1; of a lemma that is in none of them, 1 for its first sense.
    """

    word: str
    cosine: float
    share: float


@functools.cache
def table() -> Mapping[str, tuple[Synonym, ...]]:
    """Every word that has synonyms, in lower case, with these, the nearest by cosine first.

    Raises:
        ValueError: the stored file does not match its hash.
    """
    facts = json.loads((HERE / "synonyms.json").read_text("utf8"))
    data = (HERE / facts["file"]).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != facts["sha256"]:
        raise ValueError(
            f"{facts['file']}: got sha256 {digest}, wanted {facts['sha256']}: restore the file from git"
        )
    found = {}
    for line in lzma.decompress(data).decode("utf8").splitlines():
        word, *fields = line.split(" ")
        others = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
        found[word] = tuple(Synonym(other, int(c) / 100, int(s) / 100) for other, c, s in others)
    return found


@functools.cache
def candidates(word: str, *, cosine: float = 0.4, share: float = 0.1, most: int = 8) -> tuple[str, ...]:
    """What may stand for a word, the nearest first; nothing for one that has no synonym, or is no word.

    Args:
        word: in lower case.
        cosine: synonyms must be nearer than that.
        share: and of a sense at least that common.
        most: so many at most.
    """
    found = [each.word for each in table().get(word, ()) if each.cosine > cosine and each.share >= share]
    return tuple(found[:most])


@dataclass(frozen=True)
class JudgedSwaps:
    """A sentence that an attack has changed so that a classifier erred, and what a reader says of it.

    Attributes:
        table: of ``studies.attacks``, whose synonyms were used: ``strict`` or ``loose``.
        at: place of the sentence in ``bible_books.balanced("test")``.
        swaps: by place of the word between spaces, what stands there instead.
        meaning: ``same``; ``other``; or ``broken``, which is no right sentence.
    """

    table: str
    at: int
    swaps: Mapping[int, str]
    meaning: str


@functools.cache
def judged_swaps() -> tuple[JudgedSwaps, ...]:
    """Eighty attacked sentences, judged without knowing which table they are from."""
    found = json.loads((HERE / "judged_swaps.json").read_text("utf8"))["pairs"]
    return tuple(
        JudgedSwaps(
            each["table"],
            each["at"],
            {int(place): word for place, word in each["swaps"].items()},
            each["meaning"],
        )
        for each in found
    )
