"""ALiBi with gentler slopes from the start: nothing else differs, and what is kept is what was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frontier_lab.methods.long_context import with_alibi
from frontier_lab.studies import alibi_slopes
from frontier_lab.zoo import bloom
from frontier_lab.zoo.families.short_context import BUCKETS, DISTANCES, SCHEDULE
from frontier_lab.zoo.training.recipe import SEEDS

STORED = alibi_slopes.stored()
SHORT = replace(SCHEDULE, steps=1, batch_size=2)


def test_every_condition_has_every_seed_and_every_measure() -> None:
    assert STORED["seeds"] == list(SEEDS)
    wanted = {f"loss_{first}_{end}" for first, end in BUCKETS} | {f"recall_{n}" for n in DISTANCES}
    for condition in alibi_slopes.DIVISORS:
        assert [set(run) for run in STORED[condition]] == [wanted] * len(SEEDS)


def test_the_model_differs_from_the_published_one_in_its_slopes_alone(tmp_path: Path) -> None:
    """Both begin with the same weights: with the slopes divided, the same model gives the same loss."""
    gentle, log = alibi_slopes.run("gentle", 0, tmp_path, SHORT, stop_at=0)
    published, other = bloom.run(0, tmp_path, SHORT, stop_at=0)
    ids = torch.randint(0, 1024, (2, 64))
    with torch.no_grad():
        found = gentle(input_ids=ids).logits
        torch.testing.assert_close(found, with_alibi(published, divide=4.0)(input_ids=ids).logits)
        assert not torch.allclose(found, published(input_ids=ids).logits, atol=1e-3)
    assert log[0]["step"] == other[0]["step"] == 0
    assert log[0]["val_loss"] != other[0]["val_loss"]


def test_a_model_trained_with_gentle_slopes_has_learned_both_text_and_ledgers() -> None:
    for run in STORED["gentle"]:
        assert run["loss_0_64"] < 4
        assert run["recall_60"] > 0.9


def test_an_unknown_condition_is_named() -> None:
    with pytest.raises(ValueError, match="condition: got 'steep', wanted one of gentle"):
        alibi_slopes.run("steep", 0, Path())
