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
