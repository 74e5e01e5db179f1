"""Memories on keys that are written twice: their sequences, and what is kept of their training."""

from __future__ import annotations

import numpy as np

from frontier_lab.studies import rewritten_keys
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = rewritten_keys.stored()


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
