"""Ledgers: what is asked for was stated once, where it should be."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from frontier_lab import zoo
from frontier_lab.texts import ledgers


@pytest.fixture(scope="module")
def ledger() -> ledgers.Ledger:
    """On text of random tokens, values among them."""
    tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "llama")
    return ledgers.Ledger(tokenizer, np.random.default_rng(0).integers(258, len(tokenizer), size=5000))


def test_labels_and_values_are_different_tokens(ledger: ledgers.Ledger) -> None:
    tokens = [*ledger.labels, *np.ravel(ledger.values).tolist(), ledger.comma]
    assert len(set(tokens)) == len(tokens) == 8 + 64 + 1
    assert not np.isin(ledger.text, ledger.values).any()


@pytest.mark.parametrize("length", [64, 200])
def test_what_is_asked_was_stated_before_and_is_all_that_was(ledger: ledgers.Ledger, length: int) -> None:
    ids, asked = ledger.windows(np.random.default_rng(1), 20, length)
    assert ids.shape == asked.shape == (20, length)
    assert 0.05 < asked.float().mean() < 0.4
    for row, questions in zip(ids.tolist(), asked.tolist(), strict=True):
        seen: set[int] = set()
        for token, question in zip(row, questions, strict=True):
            if token in np.ravel(ledger.values):
                assert question is (token in seen)
                seen.add(token)
            else:
                assert not question


@pytest.mark.parametrize(("length", "distance"), [(64, 3), (64, 62), (64, 30), (512, 480), (100, 77)])
def test_a_needle_lies_where_it_should_and_nowhere_else(
    ledger: ledgers.Ledger, length: int, distance: int
) -> None:
    ids = ledger.needles(np.random.default_rng(2), 30, length, distance)
    assert ids.shape == (30, length)
    for row in ids.tolist():
        places = [i for i, token in enumerate(row) if token == row[-1]]
        assert places == [length - 1 - distance, length - 1]
        assert row[-2] == row[length - 2 - distance] in ledger.labels
        values = [i for i, token in enumerate(row[:-1]) if token in np.ravel(ledger.values)]
        assert len(values) == len(ledger.labels)  # every label is stated once, whole
        assert all(
            row[i - 1] in ledger.labels and row[i + 1] == ledger.comma for i in values if i < length - 3
        )


def test_every_question_of_a_haystack_has_its_row_at_its_distance_and_no_other(
    ledger: ledgers.Ledger,
) -> None:
    distances = (480, 30, 240, 60, 120)
    ids, questions = ledger.haystacks(np.random.default_rng(3), 20, 512, distances)
    assert ids.shape == (20, 510)
    assert questions.shape == (20, 5, 2)
    for row, asked in zip(ids.tolist(), questions.tolist(), strict=True):
        assert sum(token in np.ravel(ledger.values) for token in row) == len(ledger.labels)
        for distance, (label, value) in zip(distances, asked, strict=True):
            place = 511 - distance  # the answer would be token 511
            assert row[place - 1 : place + 1] == [label, value]
            assert row.count(value) == 1


def test_a_needle_is_a_haystack_of_one_question(ledger: ledgers.Ledger) -> None:
    ids, questions = ledger.haystacks(np.random.default_rng(4), 6, 100, (50,))
    needles = ledger.needles(np.random.default_rng(4), 6, 100, 50)
    assert needles[:, :-2].equal(ids)
    assert needles[:, -2:].equal(questions[:, 0])


def test_distances_that_overlap_are_refused(ledger: ledgers.Ledger) -> None:
    with pytest.raises(ValueError, match=r"distances: got \(30, 32\), wanted at most 8, 3 or more apart"):
        ledger.haystacks(np.random.default_rng(0), 1, 512, (30, 32))


def test_a_needle_that_does_not_fit_is_named(ledger: ledgers.Ledger) -> None:
    with pytest.raises(ValueError, match="distance: got 63, wanted 3 to 62"):
        ledger.needles(np.random.default_rng(0), 1, 64, 63)
    with pytest.raises(ValueError, match="length: got 20, wanted at least 29"):
        ledger.needles(np.random.default_rng(0), 1, 20, 4)


def test_a_tokenizer_that_splits_a_value_is_refused() -> None:
    tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "mixtral")
    with pytest.raises(ValueError, match=r"tokenizer: got . tokens for Pet cat, wanted 3"):
        ledgers.Ledger(tokenizer, np.arange(100))
