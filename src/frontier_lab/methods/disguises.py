"""Disguises that get harmful words past a filter, and a normaliser that undoes most of them.

A person still reads what is disguised. The normaliser is held to two sides: harmful texts that it gives back
to the filter, and harmless ones that it must leave as they are. It reads a word otherwise only where that
makes a known word of one that is not, so it needs to be told which words are known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping

from transformers import PreTrainedTokenizerBase

LEET: Mapping[str, str] = {
    **{"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t"},
    **{"@": "a", "$": "s", "!": "i", "|": "l"},
}
"""Signs that stand for letters, with the letters."""

CONFUSABLES: Mapping[str, str] = dict(
    zip(
        "аеорсухіјѕԁһԛԝАВЕКМНОРСТХαορνικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxijsdhqwABEKMHOPCTXaopviktABEZHIKMNOPTYX",
        strict=True,
    )
)
"""Cyrillic and Greek letters that look like a Latin one, which NFKC leaves as they are."""

_TOKEN = re.compile(r"\S+")
_SPELLED = re.compile(r"(?<!\w)\w(?:[ .\-_*]{1,2}\w){2,}(?!\w)")
_STRETCHED = re.compile(r"(.)\1{2,}")


def whole_words(tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """Words that a lower-cased WordPiece tokenizer has whole: two letters or more, and "a" and "i"."""
    entries = (token for token in tokenizer.get_vocab() if token.isascii() and token.isalpha())
    return frozenset(token for token in entries if len(token) > 1) | {"a", "i"}


def _latin(character: str) -> bool:
    return character.isalpha() and character.isascii()


def _without_lookalikes(text: str) -> str:
    """Confusable letters to Latin, but not in words of a text that is really written in their script."""
    foreign = [c for c in text if c.isalpha() and not c.isascii() and unicodedata.name(c, "")[:5] in _SCRIPTS]
    disguise = all(c in CONFUSABLES for c in foreign)

    def plain(match: re.Match[str]) -> str:
        word = match[0]
        if disguise or any(map(_latin, word)):
            return "".join(CONFUSABLES.get(c, c) for c in word)
        return word

    return _TOKEN.sub(plain, text) if foreign else text


_SCRIPTS = ("CYRIL", "GREEK")


def _readings(word: str) -> list[str]:
    """A word with its signs read as letters, every reading of those that have two alike."""
    return [
        "".join(LEET[c][min(choice, len(LEET[c]) - 1)] if c in LEET else c for c in word) for choice in (0, 1)
    ]


def _known(word: str, words: Collection[str], shortest: int) -> str | None:
    """The known word that is behind signs and stretched letters, if there is one so long."""
    for core in (word.strip(".,;:?!\"'()"), word.strip(".,;:?\"'()")):  # the mark may be a letter
        if not core or core.lower() in words or (shortest > 1 and not any(map(_latin, core))):
            return None
        for form in (core, _STRETCHED.sub(r"\1\1", core), _STRETCHED.sub(r"\1", core)):
            for reading in _readings(form.lower()):
                if len(reading) >= shortest and reading in words:
                    return word.replace(core, reading)
    return None


def _segmented(letters: str, words: Collection[str]) -> str | None:
    """Letters cut into the fewest known words, or nothing where they cannot be."""
    best: list[list[str] | None] = [[], *([None] * len(letters))]
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 16), end):
            before, piece = best[start], letters[start:end]
            if before is None or piece not in words:
                continue
            shorter = best[end]
            if shorter is None or len(before) + 1 < len(shorter):
                best[end] = [*before, piece]
    found = best[-1]
    return None if found is None else " ".join(found)


def normalise(text: str, words: Collection[str]) -> str:
    """A text without common disguises: forms, invisible signs, look-alikes, leet, words spelled or stretched.

    What is no known word is read otherwise only if that makes a known word of it, so that "4th of July",
    "B2B" and "mp3" stay; a word of one or two letters only in a text that disguises others. Letters that
    change places, missing letters and other words are not undone.

    Args:
        text: any.
        words: known words in lower case: ``whole_words`` of a tokenizer.
    """
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    text = _without_lookalikes(text)

    def joined(match: re.Match[str]) -> str:
        letters = re.sub(r"[ .\-_*]", "", match[0]).lower()
        for reading in [letters, *_readings(letters)]:
            if reading.isalpha() and (found := _segmented(reading, words)):
                return found if len(found.split()) <= len(letters) / 2 else match[0]
        return match[0]

    text = _SPELLED.sub(joined, text)
    found = [_known(word, words, 3) for word in text.split()]
    shortest = 1 if sum(each is not None for each in found) > 1 else 3
    return _TOKEN.sub(lambda match: _known(match[0], words, shortest) or match[0], text)


def _each_word(change: Callable[[str], str], longer_than: int = 3) -> Callable[[str], str]:
    return lambda text: " ".join(change(w) if len(w) > longer_than else w for w in text.split())


_SIGNS = str.maketrans("aeiost", "431057")
_LOOKALIKES = str.maketrans("aeopcxy", "аеорсху")

EVASIONS: Mapping[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "leet": lambda text: text.translate(_SIGNS),
    "look-alikes": lambda text: text.translate(_LOOKALIKES),
    "zero width": _each_word("\u200b".join, 1),
    "spaced": _each_word(" ".join),
    "dotted": _each_word(".".join),
    "stretched": _each_word(lambda word: re.sub(r"([aeiou])", r"\1\1\1", word, count=1)),
    "swapped": _each_word(lambda word: word[0] + word[2] + word[1] + word[3:]),
}
"""Disguises that a person still reads; the last is none that ``normalise`` undoes."""
