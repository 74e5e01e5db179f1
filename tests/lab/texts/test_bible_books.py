"""Labels of the Bible's sentences, and the parts that its chapters are split into."""

from __future__ import annotations

from collections import Counter

import pytest

from frontier_lab.texts import bible_books, corpus

KNOWN = {
    "In the beginning God created the heaven and the earth.": "law",
    "There was a man in the land of Uz, whose name was Job;": "poetry",
    "Now when Jesus was born in Bethlehem of Judaea": "gospels",
    "And whosoever was not found written in the book of life": "letters",
}


@pytest.mark.parametrize(("start", "group"), list(KNOWN.items()))
def test_a_known_sentence_has_its_group(start: str, group: str) -> None:
    found = {
        s.label
        for part in ("train", "validation")
        for s in bible_books.sentences(part)
        if s.text.startswith(start)
    }
    assert found == {bible_books.GROUPS.index(group)}


def test_held_out_sentences_come_from_other_chapters_and_every_group() -> None:
    train = {s.text for s in bible_books.sentences("train")}
    validation = list(bible_books.sentences("validation"))
    assert sum(s.text in train for s in validation) < 0.02 * len(validation)  # a psalm's refrain, a formula
    assert {s.label for s in validation} == set(range(len(bible_books.GROUPS)))
    assert len(bible_books.CHAPTERS) == 6
    assert sum(sum(books) for books in bible_books.CHAPTERS.values()) == 1189
    assert sum(len(books) for books in bible_books.CHAPTERS.values()) == 66


BALANCED = {part: bible_books.balanced(part) for part in bible_books.PARTS}


def test_every_chapter_is_in_one_part_and_every_group_of_books_in_each() -> None:
    assert Counter(bible_books.parts()) == {"train": 360, "stack": 58, "test": 58}
    chapters = {part: {each.chapter for each in found} for part, found in BALANCED.items()}
    assert {part: len(found) for part, found in chapters.items()} == Counter(bible_books.parts())
    assert sum(map(len, chapters.values())) == len(set().union(*chapters.values()))
    for part, found in BALANCED.items():
        assert {each.label for each in found} == set(range(len(bible_books.GROUPS)))
        assert all(bible_books.parts()[each.chapter] == part for each in found)


@pytest.mark.parametrize("part", ["stack", "test"])
def test_a_group_of_books_has_the_share_of_chapters_held_out_that_it_has_in_the_text(
    part: bible_books.Part,
) -> None:
    label_of = {each.chapter: each.label for found in BALANCED.values() for each in found}
    stored, held_out = Counter(label_of.values()), Counter()
    for chapter, own in enumerate(bible_books.parts()):
        held_out[label_of[chapter]] += own == part
    for label, count in stored.items():
        assert held_out[label] == max(6, count // bible_books.HELD_OUT)


@pytest.mark.parametrize("part", ["stack", "test"])
def test_no_chapter_dominates_a_part_held_out(part: bible_books.Part) -> None:
    counts = Counter(each.chapter for each in BALANCED[part])
    assert max(counts.values()) == bible_books.MOST
    assert max(counts.values()) < 0.025 * sum(counts.values())
    others = Counter(each.chapter for each in bible_books.sentences("validation"))
    assert max(others.values()) > 0.25 * sum(others.values())  # Psalm 119: why there is a second split


def test_no_sentence_held_out_is_trained_on_nor_in_both_parts_held_out() -> None:
    texts = {part: {each.text for each in found} for part, found in BALANCED.items()}
    assert not texts["train"] & (texts["stack"] | texts["test"])
    assert not texts["stack"] & texts["test"]


def test_a_sentence_stands_in_its_chapter() -> None:
    for found in BALANCED.values():
        for each in found[::97]:
            assert each.text in corpus.documents("bible")[each.chapter]


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(ValueError, match="part: got 'validation', wanted one of train, stack, test"):
        bible_books.balanced("validation")  # type: ignore[arg-type]
