"""What is disguised is undone, what is not stays: both sides are held."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from frontier_lab import zoo
from frontier_lab.methods.disguises import EVASIONS, normalise, whole_words
from frontier_lab.texts import moderation

WORDS = frozenset(
    {"a", "i", "you", "are", "an", "the", "such", "fool", "idiot", "kill", "sad", "it", "is", "cool", "ode"}
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("y0u are 4n 1d10t", "you are an idiot"),
        ("k1ll", "kill"),
        ("ki11", "kill"),
        ("f0ol!", "fool!"),
        ("\uff46\uff4f\uff4f\uff4c", "fool"),
        ("fo\u200bo\u00adl", "fool"),
        ("f\u043e\u043el", "fool"),
        ("\u03bf\u0501\u0435", "ode"),
        ("f o o l", "fool"),
        ("f.o.o.l", "fool"),
        ("you are s u c h a f o o l", "you are such a fool"),
        ("foooool", "fool"),
        ("cooool", "cool"),
    ],
)
def test_a_disguise_is_undone(text: str, wanted: str) -> None:
    assert normalise(text, WORDS) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "the 4th of July",
        "B2B",
        "mp3",
        "route 66",
        "i18n and utf8",
        "10am",
        "$5 is 100%",
        "x y z",
        "a 7 b",
        "3 0 1 7",
        "J. R. R.",
        "hmmm",
        "caf\u00e9",
        "\u0441\u043e\u0440 \u0438\u0437 \u0438\u0437\u0431\u044b",  # Russian, the first word all look-alikes
        "4 it",
    ],
)
def test_what_is_no_disguise_stays(text: str) -> None:
    assert normalise(text, WORDS) == text


def test_words_written_plainly_are_left_as_they_are() -> None:
    known = WORDS | {word for s in moderation.OWN_WORDS for word in s.text.split()}
    assert [s.text for s in moderation.OWN_WORDS if normalise(s.text, known) != s.text] == []


def test_swapped_letters_are_not_undone_and_the_others_mostly_are() -> None:
    texts = [s.text for s in moderation.OWN_WORDS]
    known = WORDS | {word for text in texts for word in text.split() if word.isalpha()}
    back = {
        name: sum(normalise(evade(text), known) == text for text in texts) / len(texts)
        for name, evade in EVASIONS.items()
    }
    assert back["none"] == back["look-alikes"] == back["zero width"] == 1
    assert min(back["leet"], back["spaced"], back["dotted"], back["stretched"]) > 0.7
    assert back["swapped"] < 0.05


def test_every_evasion_changes_every_text_but_none() -> None:
    for name, evade in EVASIONS.items():
        changed = [evade(s.text) != s.text for s in moderation.OWN_WORDS]
        assert not any(changed) if name == "none" else all(changed), name


def test_whole_words_are_words() -> None:
    words = whole_words(AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "bert"))
    assert {"a", "i", "the"} <= words
    assert all(word.isalpha() and word.isascii() for word in words)
    assert not words & {"b", "c", "d"}
