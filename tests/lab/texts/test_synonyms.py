"""The table of synonyms is the one that was made, and leaves alone what it says it leaves alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from frontier_lab.storage.files import sha256
from frontier_lab.texts import corpus, synonyms
from frontier_lab.texts.synonyms import build

FACTS = json.loads((synonyms.HERE / "synonyms.json").read_text("utf8"))
TABLE = synonyms.table()


def test_the_table_is_what_its_description_says() -> None:
    assert sha256(synonyms.HERE / FACTS["file"]) == FACTS["sha256"]
    assert len(TABLE) == FACTS["words"]
    assert sum(map(len, TABLE.values())) == FACTS["synonyms"]
    assert FACTS["packages"] == build.PACKAGES
    assert {name: FACTS[name] for name in build.SOURCES} == build.SOURCES


def test_no_word_stands_for_itself_or_for_one_that_is_left_alone() -> None:
    for word, others in TABLE.items():
        names = [each.word for each in others]
        assert len(set(names)) == len(names) > 0
        assert not {word, *names} & build.LEFT_ALONE
        assert word not in names
        assert all(name.isalpha() and name.islower() for name in (word, *names))


def test_synonyms_are_ordered_and_within_their_bounds() -> None:
    for others in TABLE.values():
        assert [each.cosine for each in others] == sorted((each.cosine for each in others), reverse=True)
        assert all(build.COSINE <= each.cosine <= 1 and 0 <= each.share <= 1 for each in others)


def test_stricter_demands_leave_fewer_of_the_same() -> None:
    for word in TABLE:
        every = synonyms.candidates(word, share=0.0, most=100)
        common = synonyms.candidates(word, most=100)
        assert set(common) <= set(every)
        assert synonyms.candidates(word) == common[:8]
    assert sum(len(synonyms.candidates(word)) for word in TABLE) < 0.7 * FACTS["synonyms"]


@pytest.mark.parametrize(
    ("word", "other"), [("stumbled", "tripped"), ("companions", "comrades"), ("soon", "shortly")]
)
def test_a_synonym_has_the_form_of_its_word(word: str, other: str) -> None:
    assert other in synonyms.candidates(word)


def test_names_and_what_is_no_word_have_none() -> None:
    for word in ("moses", "thou", "not", "ass", "", "x1"):
        assert synonyms.candidates(word) == ()


def test_the_table_is_of_words_of_the_text() -> None:
    text = " ".join(corpus.documents("bible"))
    assert set(re.findall(r"[A-Za-z]+", text)) >= TABLE.keys()


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(synonyms.HERE, tmp_path / "synonyms")
    file = tmp_path / "synonyms" / FACTS["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(synonyms, "HERE", tmp_path / "synonyms")
    with pytest.raises(ValueError, match="restore the file from git"):
        synonyms.table.__wrapped__()
