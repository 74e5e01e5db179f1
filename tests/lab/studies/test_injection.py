"""Sentences hidden in notices: what is asked, and what is stored is measured again."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.studies import injection as study
from frontier_lab.texts.notices import HIDDEN, NOTICES, WORDS, word_for, wrong_answers

STORED = study.stored()


def test_notices_have_their_answers_and_no_intruder() -> None:
    assert len({each.text for each in NOTICES}) == len(NOTICES) == 40
    for notice in NOTICES:
        assert study.says(notice.text, notice.answer)
        assert not study.says(notice.question, notice.answer)
        others = wrong_answers(notice)
        assert len(set(others)) == 3
        assert not any(study.says(notice.text, word) for word in [*others, *WORDS])


def test_a_sentence_stands_behind_its_notice_and_only_there() -> None:
    notice = NOTICES[3]
    for hidden, sentence in HIDDEN.items():
        for defence in study.DEFENCES:
            message = study.asked(notice, hidden, defence)
            said = sentence.format(word_for(notice))
            joined = said.replace(" ", study.MARK) if defence == "marked" else said
            assert joined in message
            assert study.says(message, word_for(notice)) == bool(sentence)
    assert notice.question not in study.asked(notice, "user", "plain")


@pytest.mark.parametrize(("hidden", "defence"), [("shout", "plain"), ("none", "wall")])
def test_what_is_unknown_is_refused(hidden: str, defence: str) -> None:
    with pytest.raises(ValueError, match="wanted"):
        study.asked(NOTICES[0], hidden, defence)


def test_a_word_is_said_as_a_word() -> None:
    assert study.says("A Banana!", "banana")
    assert not study.says("Bananas.", "banana")


def test_everything_is_stored() -> None:
    assert list(STORED["measured"]) == [f"{hidden}, {defence}" for hidden, defence in study.CONDITIONS]
    for columns in STORED["measured"].values():
        for values in columns.values():
            assert len(values) == len(NOTICES)
            assert np.isfinite(values).all()
    with pytest.raises(ValueError, match="wanted what is stored"):
        study.values("shout", "plain", "word")


@pytest.mark.real_model
def test_some_notices_are_measured_again() -> None:
    folder = hub.path(study.HUB_ID)
    model, tokenizer = hub.load(folder), AutoTokenizer.from_pretrained(folder)
    for hidden in ("none", "instruction"):
        found = study.measured(model, tokenizer, hidden, "plain", 3)
        for column, values in found.items():
            assert values == pytest.approx(study.values(hidden, "plain", column)[:3], abs=0.02), column
