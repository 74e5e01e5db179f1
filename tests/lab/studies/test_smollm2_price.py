"""What is kept of the price of stretching SmolLM2 is what the command measures, on the texts kept with it."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from frontier_lab import hub
from frontier_lab.methods.long_context import text_losses, with_rope
from frontier_lab.studies import smollm2_price

STORED = smollm2_price.stored()


def test_every_method_has_every_text_of_every_kind() -> None:
    assert set(STORED["loss"]) == {"base", "linear", "ntk", "yarn", "ramp", "hot"}
    assert set(STORED["fresh_loss"]) == {"base", "linear"}
    for found in (*STORED["loss"].values(), *STORED["fresh_loss"].values(), STORED["fresh_share"]):
        assert list(found) == list(STORED["texts"]) == ["bible", "jargon", "unseen"]
        assert all(len(losses) == smollm2_price.TEXTS for losses in found.values())


def test_texts_differ() -> None:
    texts = [text for kind in STORED["texts"].values() for text in kind]
    assert len({text[:60] for text in texts}) == len(texts) == 3 * smollm2_price.TEXTS


def test_a_token_is_fresh_until_it_has_stood_there_with_the_one_before() -> None:
    assert smollm2_price.fresh([1, 2, 3, 1, 2, 2, 3]) == [True, True, True, False, True, False]


def test_yarn_is_its_ramp_and_its_temperature() -> None:
    config = LlamaConfig(hidden_size=64, num_attention_heads=1, num_hidden_layers=1, vocab_size=8)
    model = LlamaForCausalLM(config)
    rotary = {
        name: with_rope(model, rope).model.rotary_emb for name, rope in smollm2_price.methods(config).items()
    }
    torch.testing.assert_close(rotary["ramp"].inv_freq, rotary["yarn"].inv_freq)
    torch.testing.assert_close(rotary["hot"].inv_freq, rotary["base"].inv_freq)
    scaling = {name: rotary[name].attention_scaling for name in ("ramp", "hot", "yarn")}
    assert scaling["ramp"] == 1 < scaling["hot"] == pytest.approx(scaling["yarn"])


@pytest.mark.real_model
@pytest.mark.parametrize("method", ["base", "linear", "hot"])
def test_a_text_that_it_cannot_have_read_is_measured_again(method: str) -> None:
    path = hub.path(smollm2_price.HUB_ID)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    ropes = smollm2_price.methods(model.config)
    ids = AutoTokenizer.from_pretrained(path)(STORED["texts"]["unseen"][0]).input_ids[: STORED["length"]]
    losses = text_losses(with_rope(model, ropes[method]), torch.tensor([ids]), [(0, STORED["length"])])
    assert losses.item() == pytest.approx(STORED["loss"][method]["unseen"][0], abs=2e-3)
