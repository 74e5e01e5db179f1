"""The linear classifier is scikit-learn's, and its logits are sums over words."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from frontier_lab.methods import bag_of_words

TEXTS = [
    "the king's men came",
    "men of the sea",
    "the sea, the sea!",
    "a king and a queen",
    "queen and men",
] * 3
LABELS = [0, 1, 1, 0, 2] * 3


def test_it_gives_what_scikit_learn_gives() -> None:
    found = bag_of_words.fit(TEXTS, LABELS, 0.5)
    vectorizer = CountVectorizer(analyzer=bag_of_words.words, min_df=2)
    reference = LogisticRegression(C=0.5, max_iter=2000, class_weight="balanced")
    reference.fit(vectorizer.fit_transform(TEXTS), LABELS)
    other = ["men and the unknown king", "The SEA"]
    wanted = reference.predict_proba(vectorizer.transform(other))
    assert found.probabilities(other).numpy() == pytest.approx(wanted, abs=1e-4)


def test_logits_are_sums_over_words() -> None:
    found = bag_of_words.fit(TEXTS, LABELS, 0.5)
    apart = sum((found.contribution(word) for word in TEXTS[2].split()), start=np.zeros(3))
    assert found.contribution(TEXTS[2]) == pytest.approx(apart)


def test_words_renamed_alike_count_alike_and_those_renamed_to_nothing_not_at_all() -> None:
    alike = bag_of_words.fit(TEXTS, LABELS, 0.5, rename=lambda word: "king" if word == "queen" else word)
    assert (alike.contribution("queen") == alike.contribution("king")).all()
    nothing = bag_of_words.fit(TEXTS, LABELS, 0.5, rename=lambda word: None if word == "sea" else word)
    assert not nothing.contribution("sea").any()
    assert nothing.contribution("men").any()


def test_a_word_of_too_few_texts_has_no_weight() -> None:
    assert "rare" not in bag_of_words.fit([*TEXTS, "rare rare"], [*LABELS, 0], 0.5).weights
