"""Facts in long texts: each stands where it is said to, and what is kept has the shape that was asked for."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from frontier_lab import hub
from frontier_lab.studies import smollm2_needles

STORED = smollm2_needles.stored()


def test_every_fact_so_far_was_asked_at_every_length_by_every_method() -> None:
    assert STORED["lengths"] == list(smollm2_needles.LENGTHS)
    assert len(STORED["places"]) == smollm2_needles.TEXTS
    for texts in STORED["right"].values():
        for places, by_length in zip(STORED["places"], texts, strict=True):
            assert len(by_length) == len(STORED["lengths"])
            for length, hits in zip(STORED["lengths"], by_length, strict=True):
                assert len(hits) == sum(place + 32 <= length for place in places)


def test_reading_the_end_alone_answers_nothing_that_stands_before_it() -> None:
    start = STORED["lengths"][-1] - STORED["window"]
    for places, hits in zip(STORED["places"], STORED["cut"], strict=True):
        before = [hit for place, hit in zip(places, hits, strict=True) if place < start]
        assert len(before) > 0
        assert not any(before)
        assert any(hits)


def test_the_order_of_things_is_another_in_every_text() -> None:
    orders = [smollm2_needles.ordered(text) for text in range(smollm2_needles.TEXTS)]
    assert all(sorted(order) == sorted(smollm2_needles.THINGS) for order in orders)
    assert len({tuple(order) for order in orders}) == smollm2_needles.TEXTS


@pytest.mark.real_model
def test_facts_stand_where_they_are_kept_and_near_ones_are_answered() -> None:
    path = hub.path(smollm2_needles.HUB_ID)
    tokenizer = AutoTokenizer.from_pretrained(path)
    ids, places, numbers = smollm2_needles.haystack(tokenizer, 0)
    assert len(ids) == smollm2_needles.LENGTHS[-1]
    assert places == STORED["places"][0]
    for place, thing, number in zip(places, smollm2_needles.ordered(0), numbers, strict=True):
        told = smollm2_needles.STATEMENT.format(thing, number)
        assert tokenizer.decode(ids[place : place + 40]).startswith(told)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    facts = list(zip(places, smollm2_needles.ordered(0), numbers, strict=True))
    (right,) = smollm2_needles.answers(model, tokenizer, ids, facts, (800,))
    assert len(right) == 2
    assert all(right)
    (wrong,) = smollm2_needles.answers(model, tokenizer, ids, [(0, facts[0][1], "0000")], (800,))
    assert wrong == [False]
