"""Ledgers that ask far back, and what tuning with them gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from frontier_lab import zoo
from frontier_lab.methods.long_context import recalled_at
from frontier_lab.studies import far_rows
from frontier_lab.texts.ledgers import ROWS
from frontier_lab.zoo import llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import BUCKETS, DISTANCES, TUNING
from frontier_lab.zoo.training.recipe import SEEDS

STORED = far_rows.stored()
FOUND = zoo.manifest()[llama.NAME]["findings"]


def test_every_tuning_has_every_seed_and_every_measure() -> None:
    assert STORED["seeds"] == list(SEEDS)
    wanted = {f"loss_{first}_{end}" for first, end in BUCKETS} | {f"recall_{n}" for n in DISTANCES}
    for condition in far_rows.STATED:
        assert set(STORED[condition]) == set(far_rows.ROPES)
        for runs in STORED[condition].values():
            assert [set(run) for run in runs] == [wanted] * len(SEEDS)


@pytest.mark.parametrize("condition", far_rows.STATED)
def test_every_row_is_stated_once_and_asked_once_where_it_should(condition: str) -> None:
    ids, asked = far_rows.tuning_windows(16, condition)
    ledger = short_context.ledger("train")
    rows = torch.isin(ids, torch.tensor(ledger.values))
    first, end = far_rows.STATED[condition]
    assert ids.shape == asked.shape == (16, TUNING.context)
    assert (rows.sum(1) == 2 * len(ROWS)).all()
    assert (asked.sum(1) == len(ROWS)).all()
    assert rows[asked].all()
    assert rows[:, first:end].sum() == 16 * len(ROWS)
    back = far_rows.tokens_back(ids, asked)
    assert back.min() >= (TUNING.context - far_rows.ASKED - end if condition == "far" else 3)
    assert back.max() < TUNING.context - first


def test_distances_are_counted_to_the_last_place_of_the_value() -> None:
    ids = torch.tensor([[5, 1, 7, 1, 9, 9, 1]])
    asked = torch.tensor([[0, 0, 0, 1, 0, 0, 1]], dtype=torch.bool)
    assert far_rows.tokens_back(ids, asked).tolist() == [2, 3]


def test_the_ledgers_of_the_zoo_ask_close_by() -> None:
    own, far = (far_rows.tokens_back(*far_rows.tuning_windows(50, name)) for name in (None, "far"))
    assert np.median(own) < 20 < 100 < np.median(far)


def test_only_the_ledgers_differ_so_the_loss_beyond_is_that_of_the_zoo() -> None:
    for rope, runs in STORED["far"].items():
        losses = [run["loss_256_512"] for run in runs]
        np.testing.assert_allclose(losses, FOUND["loss_256_512"][f"{rope}_tuned"], atol=0.05)


def test_a_tuning_is_measured_again(tmp_path: Path) -> None:
    base = far_rows.base_of(SEEDS[0], tmp_path)
    model, _ = far_rows.tune(base, "ntk_s8", "far", SEEDS[0], tmp_path)
    ids, questions = short_context.held_out_haystacks()
    again = recalled_at(model, ids, questions)[:, DISTANCES.index(240)].float().mean().item()
    assert again == pytest.approx(STORED["far"]["ntk_s8"][0]["recall_240"], abs=0.05)
