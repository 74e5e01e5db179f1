"""The sentences that filters are tried on: written apart from what they are trained on."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from frontier_lab.texts import labelled_text, moderation
from frontier_lab.texts.moderation import OWN_WORDS


def test_half_is_benign_and_half_of_that_is_hard() -> None:
    count = Counter(s.kind for s in OWN_WORDS)
    assert count["plain"] == count["hard"] == 40
    assert {count[kind] for kind in ("insult", "threat", "obscene", "identity_attack")} == {20}
    assert len({s.text for s in OWN_WORDS}) == len(OWN_WORDS)
    assert all(sum(s.labels) == (0 if s.kind in ("plain", "hard") else 2) for s in OWN_WORDS)


def test_spelling_tells_nothing_that_templates_do_not() -> None:
    for text in [s.text for s in OWN_WORDS] + [s.text for s in moderation.passages("train", 40, 0)]:
        assert re.fullmatch(r"[a-z' ,]+", text)
        assert "  " not in text


def test_nothing_of_it_is_of_a_template_that_is_trained_on() -> None:
    trained = {s.text for s in labelled_text.remarks("train", 2000, 0)}
    assert not trained & {s.text for s in OWN_WORDS}
    templates = [t for seen, unseen in labelled_text.REMARKS.values() for t in (*seen, *unseen)]
    shapes = [
        re.compile(re.sub(r"\\\{\w+\\\}", r"[\\w ]+", re.escape(t)).replace(" ", "\\ ")) for t in templates
    ]
    found = [s.text for s in OWN_WORDS if any(shape.fullmatch(s.text) for shape in shapes)]
    assert found == []


def test_hard_benign_sentences_use_words_of_the_templates() -> None:
    lists = (labelled_text.FOOLS, labelled_text.HARMS, labelled_text.FOLK, labelled_text.FAULTS)
    words = {word for each in lists for entry in each for word in entry.split()} | {"hell", "kill", "hate"}

    def share(kind: str) -> float:
        texts = [s.text for s in OWN_WORDS if s.kind == kind]
        return sum(any(word in text for word in words) for text in texts) / len(texts)

    assert share("hard") > 0.6 > 0.3 > share("plain")


def test_passages_are_of_their_part_and_of_many_documents() -> None:
    held_out = moderation.passages("validation", 100, 0)
    assert len({s.document for s in held_out}) > 70
    assert not {s.text for s in held_out} & {s.text for s in moderation.passages("train", 1000, 0)}
    assert {s.labels for s in held_out} == {(0,) * 5}
    assert moderation.passages("train", 10, 1) != moderation.passages("train", 10, 2)
    with pytest.raises(ValueError, match="count: got 3, wanted an even number"):
        moderation.passages("train", 3, 0)
