"""Pronouns whose antecedents are known, and heads that would have to find them."""

from __future__ import annotations

import numpy as np
import pytest

from frontier_lab.texts import coreference


def test_the_antecedent_has_the_pronouns_gender() -> None:
    found = coreference.mentions(400, 0)
    assert len({mention.text for mention in found}) == 400
    for mention in found:
        people = coreference.MEN if mention.words[mention.pronoun] == "he" else coreference.WOMEN
        others = coreference.WOMEN if mention.words[mention.pronoun] == "he" else coreference.MEN
        assert mention.words[mention.antecedent] in people
        assert mention.words[mention.other] in others
    assert found == coreference.mentions(400, 0)


def test_twins_differ_in_the_pronoun_alone_and_no_rule_of_place_helps() -> None:
    found = coreference.mentions(400, 1)
    for one, other in zip(found[::2], found[1::2], strict=True):
        different = [
            i for i, pair in enumerate(zip(one.words, other.words, strict=True)) if pair[0] != pair[1]
        ]
        assert different == [one.pronoun]
        assert (one.antecedent, one.other) == (other.other, other.antecedent)
    assert np.mean([mention.antecedent == 1 for mention in found]) == 0.5
    men_first = [mention for mention in found if mention.words[1] in coreference.MEN]
    assert len(men_first) == 200


def test_preferences_are_of_the_pronouns_row() -> None:
    sentences = coreference.mentions(2, 0)
    weights = []
    for sentence in sentences:
        one = np.full((1, 2, len(sentence.words), len(sentence.words)), 0.01)
        one[0, 0, sentence.pronoun, sentence.antecedent] = 0.9
        one[0, 1, sentence.pronoun, 4] = 0.5
        weights.append(one)
    found = coreference.preferences(weights, sentences)
    assert found.shape == (2, 1, 2)
    np.testing.assert_allclose(found[:, 0, 0], 0.89 / 0.91)
    assert found[:, 0, 1].sum() == pytest.approx(0)  # a head that looks at a place is right half of the time
    with pytest.raises(ValueError, match="weights: got 1 entries, wanted 2"):
        coreference.preferences(weights[:1], sentences)


def test_pieces_become_words() -> None:
    weights = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.25] * 4])
    found = coreference.by_words(weights, [None, 0, 0, 1])
    np.testing.assert_allclose(found, [[(0.5 + 0.5) / 2, (0.4 + 0.1) / 2], [0.5, 0.25]])


def test_an_odd_number_is_refused() -> None:
    with pytest.raises(ValueError, match="count: got 3"):
        coreference.mentions(3, 0)
