"""The lists and vectors of the published tests: whole, as the study has them, and refused if altered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from frontier_lab.storage.files import sha256
from frontier_lab.texts import association_tests
from frontier_lab.texts.association_tests import LEFT_OUT, TESTS, words
from frontier_lab.texts.occupations import SHARES

STORED = json.loads(association_tests.HERE.read_text("utf8"))


def test_the_vectors_are_those_that_were_committed_and_the_sources_are_named() -> None:
    assert sha256(association_tests.VECTORS) == STORED["vectors"]["sha256"]
    source = STORED["source"]
    assert "PDDL" in source["licence of the vectors"]
    assert all(len(source[name]) == 64 for name in source if name.startswith("sha256"))


def test_groups_of_a_test_are_of_equal_size_and_share_no_word() -> None:
    sizes = []
    for test in TESTS:
        for one, other in (test.targets, test.attributes):
            assert len(words(one)) == len(words(other))
            assert not set(words(one)) & set(words(other))
        sizes.append((len(words(test.targets[0])), len(words(test.attributes[0]))))
    assert sizes == [(25, 25), (25, 25), (32, 25), (16, 25), (16, 8), (8, 8), (8, 8), (8, 8), (6, 7), (8, 8)]


def test_one_word_of_all_lists_has_no_vector() -> None:
    every = {word for name in STORED["lists"] for word in words(name)}
    assert association_tests.missing(sorted(every)) == ["gladiola"]
    assert len({word.lower() for word in every}) == 359
    assert len(association_tests.vocabulary()) == 399
    assert {word.lower() for word in every} - {"gladiola"} < set(association_tests.vocabulary())
    assert not {*LEFT_OUT, "Bill"} & set(words("european_american_names_7") + words("young_people_names"))


def test_vectors_have_length_1_and_follow_their_words() -> None:
    found = association_tests.vectors(["piano", "gladiola", "Violin", "bomb"])
    assert found.shape == (3, 50)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert found[0] @ found[1] > 0.7 > found[0] @ found[2]


def test_frequent_words_have_small_ranks() -> None:
    ranks = {who: association_tests.frequency_rank(who) for who in SHARES}
    assert min(ranks.values()) > 1
    assert ranks["manager"] < ranks["librarian"] < ranks["receptionist"]
    with pytest.raises(ValueError, match="phrase: got 'astronaut'"):
        association_tests.frequency_rank("astronaut")


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "association_tests.safetensors"
    copy.write_bytes(association_tests.VECTORS.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(association_tests, "VECTORS", copy)
    association_tests._vectors.cache_clear()
    with pytest.raises(ValueError, match="restore the file from git"):
        association_tests.vectors(["piano"])
    association_tests._vectors.cache_clear()


def test_a_list_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="name: got 'fruit', wanted one of flowers"):
        words("fruit")
