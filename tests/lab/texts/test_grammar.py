"""Sentences whose every word is known."""

from __future__ import annotations

from collections import Counter

import pytest

from frontier_lab.texts import grammar


def test_sentences_differ_and_are_the_same_each_time() -> None:
    found = grammar.sentences(300, 1)
    assert len({sentence.text for sentence in found}) == 300
    assert found == grammar.sentences(300, 1)
    assert found[:5] != grammar.sentences(5, 2)
    for sentence in found:
        assert len(sentence.words) == len(sentence.tags) == len(sentence.depths) <= 24
        assert set(sentence.tags) <= set(grammar.TAGS)


def test_parts_of_speech_follow_the_grammar() -> None:
    for sentence in grammar.sentences(200, 3):
        for word, tag, before in zip(sentence.words, sentence.tags, ("", *sentence.tags), strict=False):
            if tag == "verb":
                assert before == "auxiliary"
                assert word in grammar.VERBS + grammar.BOTH
            if tag == "noun":
                assert before in ("determiner", "adjective")
        steps = [abs(a - b) for a, b in zip(sentence.depths, sentence.depths[1:], strict=False)]
        assert max(sentence.depths) <= 2
        assert all(step <= 2 for step in steps)
        assert all(
            depth > 0 for depth, tag in zip(sentence.depths, sentence.tags, strict=True) if tag == "relative"
        )


def test_words_that_are_both_are_nouns_and_verbs_alike() -> None:
    counts = Counter(
        (word, tag)
        for sentence in grammar.sentences(1500, 4)
        for word, tag in zip(sentence.words, sentence.tags, strict=True)
        if word in grammar.BOTH
    )
    for word in grammar.BOTH:
        noun, verb = counts[word, "noun"], counts[word, "verb"]
        assert 0.3 < noun / (noun + verb) < 0.75


def test_a_swap_exchanges_two_neighbours() -> None:
    (sentence,) = grammar.sentences(1, 5)
    other = grammar.swapped(sentence, 0)
    different = [i for i, (a, b) in enumerate(zip(sentence.words, other.words, strict=True)) if a != b]
    assert len(different) == 2
    assert different[1] == different[0] + 1
    assert sorted(sentence.words) == sorted(other.words)


def test_no_room_is_said() -> None:
    with pytest.raises(ValueError, match="longest: got 5, wanted at least 6"):
        grammar.sentences(1, 0, longest=5)
