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
    more = {f"{which}_{n}" for which in ("newest", "oldest") for n in alibi_heads.LATER}
    more |= {f"long_{first}_{end}" for first, end in alibi_heads.LONG}
    losses = {name for name in wanted if name.startswith("loss")}
    for condition in (*alibi_heads.CHANGES, "cap_tuned", "rope", *alibi_heads.ROPE):
        every = wanted | more if condition in alibi_heads.FOLLOWED else wanted
        assert [set(run) for run in STORED[condition]] == [every] * len(SEEDS)
    for condition in ("cut", "rope_cut", *(f"rope_cycle_{first}" for first in alibi_heads.CYCLES)):
        assert [set(run) for run in STORED[condition]] == [losses] * len(SEEDS)


def test_the_unchanged_models_are_those_of_the_manifest() -> None:
    """Seed 0 is kept in half precision, and trained again the others round as this machine does."""
    for model, condition in (("bloom", "base"), ("llama", "rope")):
        findings = zoo.manifest()[model]["findings"]
        for seed, run in enumerate(STORED[condition]):
            for name in run.keys() & findings.keys():
                assert run[name] == pytest.approx(findings[name]["base"][seed], abs=0.01)


def test_what_is_done_to_far_keys_leaves_the_trained_length_alone() -> None:
    assert alibi_heads.CAP == CONTEXT - 1
    far = dict.fromkeys(("cap", *(f"far_{far}" for far in alibi_heads.FAR)), "base")
    far |= {name: "rope" for name in alibi_heads.ROPE if name != "rope_cap_32"}
    for condition, unchanged in far.items():
        for plain, capped in zip(STORED[unchanged], STORED[condition], strict=True):
            assert capped["loss_0_64"] == pytest.approx(plain["loss_0_64"], abs=2e-5)
            assert capped["loss_256_512"] != plain["loss_256_512"]


def test_changes_of_heads_that_exclude_each_other_divide_every_slope_once() -> None:
    steep, gentle = (alibi_heads.CHANGES[name]["divide"] for name in ("steep", "gentle"))
    for one, other in zip(steep, gentle, strict=True):
        assert [a * b for a, b in zip(one, other, strict=True)] == [alibi_heads.FACTOR] * 4
