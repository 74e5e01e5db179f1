"""What is kept of RoPE's pairs is what the command measures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from frontier_lab import hub, zoo
from frontier_lab.methods.long_context import with_rope
from frontier_lab.storage import checkpoints
from frontier_lab.studies import rope_pairs
from frontier_lab.zoo import llama

STORED = rope_pairs.stored()


def test_every_condition_has_its_texts() -> None:
    seeds = [f"seed_{seed}_{name}" for seed in rope_pairs.OTHER_SEEDS for name in rope_pairs.ELSEWHERE]
    wanted = {*rope_pairs.COMPARED, *rope_pairs.CHANGED, *seeds}
    assert set(STORED["hits"]) == set(STORED["loss"]) == set(STORED["far"]) == wanted
    assert STORED["starts"] == list(rope_pairs.STARTS)
    for name, hits in STORED["hits"].items():
        assert len(hits) == (rope_pairs.MANY if name in rope_pairs.COMPARED else rope_pairs.FEW)
        assert len(STORED["loss"][name]) == rope_pairs.TEXTS
        assert len(STORED["far"][name]) == rope_pairs.FAR_TEXTS
    assert set(STORED["held"]) == {"0", *map(str, rope_pairs.OTHER_SEEDS)}
    for held in STORED["held"].values():
        assert {int(place): len(hits) for place, hits in held.items()} == dict.fromkeys(
            rope_pairs.HELD_AT, rope_pairs.HELD_NEEDLES
        )


def test_losses_agree_with_the_manifests_of_other_texts() -> None:
    found = zoo.manifest()[llama.NAME]["findings"]
    for ours, theirs in {"from_0": "linear_s8", "from_4": "slow_unfinished_s8", "yarn_s8": "yarn_s8"}.items():
        rise = np.subtract(STORED["loss"][ours], STORED["loss"]["base"]).mean()
        assert rise == pytest.approx(found["loss_0_64"][theirs][0] - found["loss_0_64"]["base"][0], abs=0.03)


def test_far_losses_are_those_of_the_manifest_in_every_seed() -> None:
    found = zoo.manifest()[llama.NAME]["findings"]["loss_256_512"]
    for seed in (0, *rope_pairs.OTHER_SEEDS):
        prefix = f"seed_{seed}_" if seed else ""
        for ours, theirs in {"base": "base", "from_4": "slow_unfinished_s8"}.items():
            assert np.mean(STORED["far"][prefix + ours]) == pytest.approx(found[theirs][seed], abs=2e-3)


def test_slowing_from_the_first_pair_on_is_linear_interpolation() -> None:
    model = LlamaForCausalLM(llama.config())
    every = with_rope(model, rope_pairs.slowed(*range(rope_pairs.PAIRS)))
    linear = with_rope(model, llama.BY_FACTOR["linear_s8"])
    torch.testing.assert_close(every.model.rotary_emb.inv_freq, linear.model.rotary_emb.inv_freq)


@pytest.mark.parametrize("name", ["base", "from_5"])
def test_a_part_is_measured_again(name: str) -> None:
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    rope = (rope_pairs.COMPARED | rope_pairs.CHANGED)[name]
    again = rope_pairs.measure_one(base, rope, 32)
    same = [one == other for one, other in zip(again["hits"], STORED["hits"][name], strict=False)]
    assert np.mean(same) > 0.95
    np.testing.assert_allclose(again["loss"], STORED["loss"][name], atol=2e-3)


def test_far_losses_are_measured_again() -> None:
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    again = rope_pairs.measure_far(base, rope_pairs.CHANGED["from_5"])
    np.testing.assert_allclose(again, STORED["far"]["from_5"], atol=2e-3)


@pytest.mark.parametrize("distance", [32, 300])
def test_a_held_angle_is_measured_again(distance: int) -> None:
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    again = rope_pairs.measure_held(base, distance, 16)
    same = [one == other for one, other in zip(again, STORED["held"]["0"][str(distance)], strict=False)]
    assert len(same) == 16
    assert np.mean(same) > 0.9
