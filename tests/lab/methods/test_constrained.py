"""Constrained decoding keeps its pattern always, ends within its budget, and leaves no match out."""

from __future__ import annotations

import itertools
import re
from functools import cache

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab import hub
from frontier_lab.methods import constrained, decoding
from frontier_lab.methods.constrained import Matching

FOLDER = hub.path("meta-llama/Llama-2-7b-hf")


@cache
def model() -> PreTrainedModel:
    return hub.load(FOLDER)


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER)


def prompt(text: str = "And the", rows: int = 1) -> torch.Tensor:
    return torch.tensor([tokenizer()(text).input_ids] * rows)


@pytest.mark.parametrize(
    "pattern",
    [r" [1-9][0-9]{0,2}:[1-9][0-9]?", r" (king|kings|priest) (said|spake)\.", r"( (yea|nay)){1,4}!"],
)
def test_every_continuation_matches_and_ends(pattern: str) -> None:
    given = prompt(rows=60)
    matching = Matching(pattern, tokenizer(), given.shape[1])
    found = decoding.sample(model(), given, 24, seed=0, processors=[matching]).ids
    for row in found:
        assert re.fullmatch(pattern, matching.text(row))
        tail = row[given.shape[1] :].tolist()
        assert set(tail[tail.index(matching.end) :]) == {matching.end}
    assert len({matching.text(row) for row in found}) > 1


def test_what_is_kept_is_what_some_match_begins_with() -> None:
    pattern = r"(a|ab|bc*a){1,2}c?"
    matching = Matching(pattern, tokenizer(), 2)
    texts = ["".join(letters) for n in range(9) for letters in itertools.product("abc", repeat=n)]
    whole = {text for text in texts if re.fullmatch(pattern, text)}
    for text in (text for text in texts if len(text) <= 5):
        could = any(other.startswith(text) for other in whole)
        assert could == (matching.pattern.fullmatch(text, partial=True) is not None), text


def test_a_pattern_without_an_end_is_cut_off_by_a_budget() -> None:
    given = prompt(rows=20)
    matching = Matching(r"( \w+)+\.", tokenizer(), given.shape[1])
    found = decoding.sample(model(), given, 6, seed=0, processors=[matching]).ids
    assert any(not matching.is_complete(matching.text(row)) for row in found)


def test_a_character_that_is_no_token_is_said() -> None:
    matching = Matching(" ☃", tokenizer(), 2)
    with pytest.raises(ValueError, match="of which no token follows"):
        decoding.sample(model(), prompt(), 3, seed=0, processors=[matching])


def test_probabilities_of_the_matches_are_those_of_what_is_drawn() -> None:
    given = prompt("Then said", rows=800)
    matching = Matching(r" (he|they|I) (unto|to)", tokenizer(), given.shape[1])
    found = constrained.matches(model(), given[0], matching)
    assert {each.text for each in found} == {f" {a} {b}" for a in ("he", "they", "I") for b in ("unto", "to")}
    assert sum(each.masked for each in found) == pytest.approx(1, abs=1e-3)
    drawn = decoding.sample(model(), given, 12, seed=0, processors=[matching]).ids
    texts = [matching.text(row) for row in drawn]
    for each in found:
        assert texts.count(each.text) / len(texts) == pytest.approx(each.masked, abs=0.05)


def test_the_models_own_probability_is_that_of_its_tokens() -> None:
    given = prompt("Then said")
    matching = Matching(" he", tokenizer(), given.shape[1])
    (only,) = constrained.matches(model(), given[0], matching)
    assert only.masked == pytest.approx(1, abs=1e-4)
    one = decoding.log_probs(model(), prompt("Then said he"), given.shape[1])
    assert only.own >= one.sum().exp().item()  # other ways to write it count as well
    assert only.own == pytest.approx(one.sum().exp().item(), rel=0.05)
