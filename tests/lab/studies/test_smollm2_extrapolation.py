"""What is kept of SmolLM2 beyond its trained length is what the command measures."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from frontier_lab import hub
from frontier_lab.methods.long_context import token_losses, with_rope
from frontier_lab.studies import smollm2_extrapolation

STORED = smollm2_extrapolation.stored()


def test_every_method_has_every_bucket_of_every_text() -> None:
    shape = (len(smollm2_extrapolation.BOOKS), len(smollm2_extrapolation.BUCKETS))
    assert STORED["buckets"] == [list(bucket) for bucket in smollm2_extrapolation.BUCKETS]
    assert set(STORED["loss"]) == {"base", "linear", "ntk", "yarn", "cut"}
    for found in STORED["loss"].values():
        assert torch.tensor(found).shape == shape


def test_what_is_cut_equals_the_model_as_it_is_within_the_trained_length() -> None:
    within = sum(end <= STORED["trained"] for _, end in STORED["buckets"])
    for cut, base in zip(STORED["loss"]["cut"], STORED["loss"]["base"], strict=True):
        assert cut[:within] == base[:within]
        assert cut[within:] != base[within:]


def test_losses_in_parts_are_the_losses_at_once() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(50, (37,))
    found = smollm2_extrapolation.losses(model, ids, rows=8)
    torch.testing.assert_close(found, token_losses(model, ids[None])[0])
    buckets = ((0, 10), (10, 37))
    wanted = [found[:9].mean().item(), found[9:].mean().item()]
    assert smollm2_extrapolation.by_bucket(found, buckets) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.real_model
@pytest.mark.parametrize("method", ["base", "linear", "ntk", "yarn"])
def test_the_first_bucket_is_measured_again(method: str) -> None:
    path = hub.path(smollm2_extrapolation.HUB_ID)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    end = smollm2_extrapolation.BUCKETS[0][1]
    ids = smollm2_extrapolation.texts(AutoTokenizer.from_pretrained(path))[0, :end]
    scaled = with_rope(model, smollm2_extrapolation.rope_parameters(model.config)[method])
    (again,) = smollm2_extrapolation.by_bucket(smollm2_extrapolation.losses(scaled, ids), ((0, end),))
    assert again == pytest.approx(STORED["loss"][method][0][0], abs=2e-3)
