"""Memories on keys that are written twice: their sequences, and what is kept of their training."""

from __future__ import annotations

import numpy as np

from frontier_lab import rewriting
from frontier_lab.zoo import architectures
from frontier_lab.zoo.recipe import SEEDS

STORED = rewriting.stored()


def test_every_memory_has_every_seed_and_number_of_keys() -> None:
    for what in ("recall", "val_loss"):
        assert set(STORED[what]) == set(rewriting.MEMORIES)
        assert all(len(runs) == len(SEEDS) for runs in STORED[what].values())
    for runs in STORED["recall"].values():
        assert all(set(run) == {f"{n} keys" for n in rewriting.KEYS} for run in runs)


def test_a_batch_is_a_function_of_seed_and_step_and_as_long_as_those_of_recall() -> None:
    (ids, labels), (again, _) = rewriting.batch(3, 5), rewriting.batch(3, 5)
    assert np.array_equal(ids, again)
    assert ids.shape == labels.shape
    assert ids.numel() == architectures.TASK_TOKENS["recall"]
