"""Sentences with known shares: drawn as they say, with counterfactuals that undo themselves."""

from __future__ import annotations

import numpy as np
import pytest

from frontier_lab.texts import pronoun_corpus
from frontier_lab.texts.pronoun_corpus import (
    LEVELS,
    OCCUPATIONS,
    RELATIVES,
    counterfactual,
    exchanged,
    sentences,
)

DRAWN = sentences(6000, 0, "train")


def test_a_seed_deals_the_same_shares_out_differently() -> None:
    for seed in (0, 1):
        assert sorted(pronoun_corpus.shares(seed).values()) == list(LEVELS)
    assert pronoun_corpus.shares(0) != pronoun_corpus.shares(1)


@pytest.mark.parametrize("neutral", [False, True])
def test_women_are_as_frequent_in_each_occupation_as_their_share(neutral: bool) -> None:
    drawn = sentences(20_000, 0, "train", neutral=neutral)
    for who, share in pronoun_corpus.shares(0, neutral=neutral).items():
        women = [sentence.woman for sentence in drawn if sentence.who == who]
        assert np.mean(women) == pytest.approx(share, abs=0.05)


def test_a_relative_is_of_the_sex_that_the_word_says() -> None:
    for sentence in DRAWN:
        if sentence.who not in OCCUPATIONS:
            assert any(sentence.who == pair[sentence.woman] for pair in RELATIVES)


def test_parts_are_drawn_apart_and_every_word_is_known() -> None:
    train, test = ([s.words() for s in sentences(200, 0, part)] for part in ("train", "test"))
    assert train != test
    assert {word for sentence in (*train, *test) for word in sentence} <= set(pronoun_corpus.VOCABULARY)
    assert sentences(200, 0, "train") == DRAWN[:200]


@pytest.mark.parametrize("nouns", [False, True])
def test_a_counterfactual_of_a_counterfactual_is_the_sentence(nouns: bool) -> None:
    for sentence in DRAWN[:300]:
        other = counterfactual(sentence, nouns=nouns)
        assert other.words() != sentence.words()
        assert counterfactual(other, nouns=nouns) == sentence
        assert (other.who != sentence.who) == (nouns and sentence.who not in OCCUPATIONS)


def test_a_list_of_words_makes_an_owner_of_an_object_and_parts_of_speech_do_not() -> None:
    thanked = [s for s in DRAWN if "thanked" in s.words() and s.woman]
    assert {exchanged(sentence.words())[-2] for sentence in thanked} == {"his"}
    assert {counterfactual(sentence, nouns=True).words()[-2] for sentence in thanked} == {"him"}
