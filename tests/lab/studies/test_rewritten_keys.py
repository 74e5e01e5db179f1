"""Memories on keys that are written twice: what is kept of their training, and that it trains so again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frontier_lab.studies import rewritten_keys
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = rewritten_keys.stored()
STEPS = 300


def test_every_memory_has_every_seed_and_number_of_keys() -> None:
    for what in ("recall", "val_loss"):
        assert set(STORED[what]) == set(rewritten_keys.MEMORIES)
        assert all(len(runs) == len(SEEDS) for runs in STORED[what].values())
    for runs in STORED["recall"].values():
        assert all(set(run) == {f"{n} keys" for n in rewritten_keys.KEYS} for run in runs)


def test_a_batch_is_a_function_of_seed_and_step_and_as_long_as_those_of_recall() -> None:
    (ids, labels), (again, _) = rewritten_keys.batch(3, 5), rewritten_keys.batch(3, 5)
    assert np.array_equal(ids, again)
    assert ids.shape == labels.shape
    assert ids.numel() == peers.TASK_TOKENS["recall"]


@pytest.mark.slow
@pytest.mark.parametrize("memory", rewritten_keys.MEMORIES)
def test_the_first_steps_are_trained_again(memory: str, tmp_path: Path) -> None:
    log = peers.run(
        rewritten_keys.MEMORIES[memory],
        "recall",
        0,
        tmp_path / "weights",
        tmp_path / "state",
        sequences=rewritten_keys.SEQUENCES,
        stop_at=STEPS + 1,
    )
    assert log[-1]["step"] == STEPS
    assert log[-1]["val_loss"] == pytest.approx(STORED["val_loss"][memory][0][str(STEPS)], abs=0.3)
