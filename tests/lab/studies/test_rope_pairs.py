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
from frontier_lab.zoo.families import short_context

STORED = rope_pairs.stored()


def test_every_condition_has_its_texts() -> None:
    assert (
        set(STORED["hits"])
        == set(STORED["loss"])
        == {
            *rope_pairs.COMPARED,
            *rope_pairs.CHANGED,
            *rope_pairs.ELSEWHERE,
        }
    )
    assert STORED["starts"] == list(rope_pairs.STARTS)
    for name, hits in STORED["hits"].items():
        assert len(hits) == (rope_pairs.MANY if name in rope_pairs.COMPARED else rope_pairs.FEW)
        assert len(STORED["loss"][name]) == rope_pairs.TEXTS
    assert set(STORED["alone"]) == set(rope_pairs.ALONE)
    for hits in STORED["alone"].values():
        assert {int(place): len(found) for place, found in hits.items()} == dict.fromkeys(
            rope_pairs.BUMP, short_context.HAYSTACKS
        )


def test_losses_agree_with_the_manifests_of_other_texts() -> None:
    found = zoo.manifest()[llama.NAME]["findings"]["loss_0_64"]
    for ours, theirs in {"from_0": "linear_s8", "from_4": "slow_unfinished_s8", "yarn_s8": "yarn_s8"}.items():
        rise = np.subtract(STORED["loss"][ours], STORED["loss"]["base"]).mean()
        assert rise == pytest.approx(found[theirs][0] - found["base"][0], abs=0.03)


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


def test_one_pair_alone_is_measured_again() -> None:
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    again = rope_pairs.measure_bump(base, rope_pairs.ALONE["5"], 16)
    for place, hits in again.items():
        same = [one == other for one, other in zip(hits, STORED["alone"]["5"][place], strict=False)]
        assert len(same) == 16
        assert np.mean(same) > 0.9
