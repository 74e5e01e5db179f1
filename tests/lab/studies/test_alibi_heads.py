"""ALiBi's heads one by one: the models are the manifest's own, and what is kept is what was measured."""

from __future__ import annotations

import pytest

from frontier_lab import zoo
from frontier_lab.studies import alibi_heads
from frontier_lab.zoo.families.short_context import BUCKETS, CONTEXT, DISTANCES
from frontier_lab.zoo.training.recipe import SEEDS

STORED = alibi_heads.stored()


def test_every_condition_has_every_seed_and_every_measure() -> None:
    assert STORED["seeds"] == list(SEEDS)
    wanted = {f"loss_{first}_{end}" for first, end in BUCKETS} | {f"recall_{n}" for n in DISTANCES}
    for condition in (*alibi_heads.CHANGES, "cap_tuned"):
        assert [set(run) for run in STORED[condition]] == [wanted] * len(SEEDS)


def test_the_unchanged_models_are_those_of_the_manifest() -> None:
    """Seed 0 is kept in half precision, and trained again the others round as this machine does."""
    findings = zoo.manifest()["bloom"]["findings"]
    for seed, run in enumerate(STORED["base"]):
        for name, value in run.items():
            assert value == pytest.approx(findings[name]["base"][seed], abs=0.01)


def test_the_cap_leaves_the_trained_length_alone() -> None:
    assert alibi_heads.CAP == CONTEXT - 1
    for plain, capped in zip(STORED["base"], STORED["cap"], strict=True):
        assert capped["loss_0_64"] == pytest.approx(plain["loss_0_64"], abs=2e-5)
        assert capped["loss_256_512"] != plain["loss_256_512"]


def test_changes_of_heads_that_exclude_each_other_divide_every_slope_once() -> None:
    steep, gentle = (alibi_heads.CHANGES[name]["divide"] for name in ("steep", "gentle"))
    for one, other in zip(steep, gentle, strict=True):
        assert [a * b for a, b in zip(one, other, strict=True)] == [alibi_heads.FACTOR] * 4
