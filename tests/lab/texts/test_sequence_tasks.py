"""Recall and copying: the answers are in the sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frontier_lab.texts import sequence_tasks


def generator() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("pairs", [1, 4, 13, 64])
def test_every_key_is_asked_once_and_its_answer_is_the_value_shown_with_it(pairs: int) -> None:
    ids, labels = sequence_tasks.recall(pairs, 20, generator())
    assert ids.shape == labels.shape == (20, 3 * pairs)
    first_value = sequence_tasks.KEYS
    first_pair = first_value + sequence_tasks.VALUES
    for row, wanted in zip(ids.tolist(), labels.tolist(), strict=True):
        shown = dict(divmod(token - first_pair, sequence_tasks.VALUES) for token in row[:pairs])
        assert len(shown) == pairs
        assert all(first_pair <= token < sequence_tasks.RECALL_VOCABULARY for token in row[:pairs])
        asked, answers = row[pairs::2], row[pairs + 1 :: 2]
        assert sorted(asked) == sorted(shown)
        assert [first_value + shown[key] for key in asked] == answers == wanted[pairs + 1 :: 2]
        assert wanted.count(sequence_tasks.NO_ANSWER) == 2 * pairs


def test_keys_and_values_are_drawn_evenly() -> None:
    ids, _ = sequence_tasks.recall(16, 2000, generator())
    tokens = ids[:, :16] - sequence_tasks.KEYS - sequence_tasks.VALUES
    for part, kinds in (
        (tokens // sequence_tasks.VALUES, sequence_tasks.KEYS),
        (tokens % sequence_tasks.VALUES, sequence_tasks.VALUES),
    ):
        share = torch.bincount(part.flatten(), minlength=kinds) * kinds / part.numel()
        assert share.shape == (kinds,)
        assert (share - 1).abs().max() < 0.2


def test_the_questions_come_in_another_order_than_the_pairs() -> None:
    ids, _ = sequence_tasks.recall(16, 50, generator())
    shown = (ids[:, :16] - sequence_tasks.KEYS - sequence_tasks.VALUES) // sequence_tasks.VALUES
    same = (shown == ids[:, 16::2]).float().mean()
    assert same < 0.15  # 1/16 by chance


@pytest.mark.parametrize("keys", [1, 5, 64])
def test_every_key_is_written_twice_and_its_later_value_is_the_answer(keys: int) -> None:
    ids, labels = sequence_tasks.rewriting(keys, 20, generator())
    assert ids.shape == labels.shape == (20, 4 * keys)
    first_value = sequence_tasks.KEYS
    first_pair = first_value + sequence_tasks.VALUES
    for row, wanted in zip(ids.tolist(), labels.tolist(), strict=True):
        shown: dict[int, list[int]] = {}
        for token in row[: 2 * keys]:
            key, value = divmod(token - first_pair, sequence_tasks.VALUES)
            shown.setdefault(key, []).append(value)
        assert len(shown) == keys
        assert all(len(values) == len(set(values)) == 2 for values in shown.values())
        asked, answers = row[2 * keys :: 2], row[2 * keys + 1 :: 2]
        assert sorted(asked) == sorted(shown)
        assert [first_value + shown[key][1] for key in asked] == answers == wanted[2 * keys + 1 :: 2]
        assert wanted.count(sequence_tasks.NO_ANSWER) == 3 * keys


def test_the_later_value_cannot_be_told_from_its_place() -> None:
    """Each of the 2n places holds a key's later value about as often as chance: (place) / (2n - 1)."""
    keys, rows = 8, 4000
    ids, _ = sequence_tasks.rewriting(keys, rows, generator())
    written = (ids[:, : 2 * keys] - sequence_tasks.KEYS - sequence_tasks.VALUES) // sequence_tasks.VALUES
    same = written[:, :, None] == written[:, None, :]  # [rows, 2n, 2n]
    later = same.tril(-1).any(-1).float().mean(0)
    assert (later - torch.arange(2 * keys) / (2 * keys - 1)).abs().max() < 0.03


@pytest.mark.parametrize("length", [1, 8, 40])
def test_the_copy_is_what_stands_before_the_separator(length: int) -> None:
    ids, labels = sequence_tasks.copying(length, 20, generator())
    assert ids.shape == labels.shape == (20, 2 * length + 1)
    assert torch.equal(ids[:, :length], ids[:, length + 1 :])
    assert (ids[:, length] == sequence_tasks.SEPARATOR).all()
    assert torch.equal(labels[:, length + 1 :], ids[:, :length])
    assert (labels[:, : length + 1] == sequence_tasks.NO_ANSWER).all()
    assert ids[:, :length].max() < sequence_tasks.SYMBOLS


@pytest.mark.parametrize("task", [sequence_tasks.recall, sequence_tasks.rewriting, sequence_tasks.copying])
def test_sequences_are_a_function_of_the_generator(task: object) -> None:
    first, again, other = (task(8, 5, np.random.default_rng(seed))[0] for seed in (1, 1, 2))  # type: ignore[operator]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sizes_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match="pairs: got 65, wanted 1 to 64, the number of keys"):
        sequence_tasks.recall(65, 1, generator())
    with pytest.raises(ValueError, match="keys: got 65, wanted 1 to 64, the number of keys"):
        sequence_tasks.rewriting(65, 1, generator())
    with pytest.raises(ValueError, match="length: got 0, wanted 1 or more"):
        sequence_tasks.copying(0, 1, generator())
    with pytest.raises(ValueError, match=r"length: got 9, wanted 1 to 8 \(the tokens to draw from\)"):
        sequence_tasks.repeated(1, 9, 10, 0, first=2)


def test_repeated_sequences_are_two_copies_of_different_tokens() -> None:
    ids = sequence_tasks.repeated(5, 12, 40, 3, first=7)
    assert ids.shape == (5, 24)
    assert torch.equal(ids[:, :12], ids[:, 12:])
    assert all(len(set(row)) == 12 for row in ids[:, :12].tolist())
    assert ids.min() >= 7
    assert ids.max() < 40
    assert torch.equal(ids, sequence_tasks.repeated(5, 12, 40, 3, first=7))
    assert not torch.equal(ids, sequence_tasks.repeated(5, 12, 40, 4, first=7))
