"""Log-odds of two words, losses and perplexities against the model's own numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.methods import pronouns
from frontier_lab.storage.checkpoints import committed

PATH = str(committed("llama"))


@pytest.fixture(scope="module")
def loaded() -> Any:
    return hub.load(PATH), AutoTokenizer.from_pretrained(PATH)


def test_log_odds_are_those_of_the_next_place_in_the_order_asked_for(loaded: Any) -> None:
    model, tokenizer = loaded
    prefixes = ["And the king said that", "And", "And the servant said that", "The man went to"]
    found = pronouns.log_odds(model, tokenizer, prefixes, ("he", "they"))
    for prefix, odds in zip(prefixes, found, strict=True):
        ids = tokenizer(prefix, return_tensors="pt", add_special_tokens=False).input_ids
        with torch.no_grad():
            logs = model(ids).logits[0, -1].log_softmax(-1)
        he, they = (pronouns.single_token(tokenizer, word) for word in ("he", "they"))
        assert odds.item() == pytest.approx((logs[they] - logs[he]).item(), abs=1e-4)


def test_the_other_order_of_the_pair_is_the_other_sign(loaded: Any) -> None:
    model, tokenizer = loaded
    one = pronouns.log_odds(model, tokenizer, ["And the king said that"], ("he", "they"))
    other = pronouns.log_odds(model, tokenizer, ["And the king said that"], ("they", "he"))
    assert one.item() == pytest.approx(-other.item())


def test_a_word_of_several_tokens_is_refused(loaded: Any) -> None:
    model, tokenizer = loaded
    with pytest.raises(ValueError, match=r"word: got 'extraordinary', which takes \d+ tokens"):
        pronouns.log_odds(model, tokenizer, ["And"], ("he", "extraordinary"))


def test_a_loss_is_the_models_and_a_start_token_adds_the_first(loaded: Any) -> None:
    model, tokenizer = loaded
    text = "And the king said that he would go"
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    found = pronouns.losses(model, tokenizer, text)
    with torch.no_grad():
        assert found.mean().item() == pytest.approx(model(ids, labels=ids).loss.item(), rel=1e-5)
    assert len(found) == ids.shape[1] - 1
    assert len(pronouns.losses(model, tokenizer, text, start=0)) == ids.shape[1]
    assert pronouns.perplexity(torch.full((3,), math.log(7))) == pytest.approx(7)
