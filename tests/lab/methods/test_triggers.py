"""Universal triggers: the slope is the gradient, and search finds a worse prefix than it began with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frontier_lab import zoo
from frontier_lab.methods import triggers
from frontier_lab.texts import bible_books
from frontier_lab.zoo import classifiers

WORDS = ["shall", "king", "jesus", "earth", "unto", "spirit", "israel", "love", "children", "words"]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def victim(request: pytest.FixtureRequest) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    path = zoo.CHECKPOINTS / classifiers.NAME / request.param
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(path)


@pytest.fixture(scope="module")
def read() -> tuple[list[str], Tensor]:
    found = bible_books.balanced("stack")[::40]
    return [each.text for each in found], torch.tensor([each.label for each in found])


def test_words_to_choose_from_are_one_token_at_their_place(
    victim: tuple[PreTrainedModel, PreTrainedTokenizerBase],
) -> None:
    _, tokenizer = victim
    places = triggers.options(tokenizer, WORDS, 3)
    assert all(places[1:])
    for at, place in enumerate(places):
        for word, token in place.items():
            prefix = ["and"] * at + [word]
            assert tokenizer(" ".join([*prefix, "And"])).input_ids[1 + at] == token


def test_the_slope_says_what_a_small_step_of_an_embedding_does(
    victim: tuple[PreTrainedModel, PreTrainedTokenizerBase], read: tuple[list[str], Tensor]
) -> None:
    model, tokenizer = victim
    texts, labels = read
    prefix = [next(iter(place)) for place in triggers.options(tokenizer, WORDS, 3)[1:]] + ["and"]
    prefix = ["and", *prefix[:2]]
    slope = triggers.slopes(model, tokenizer, prefix, texts, labels)
    step = 1e-2 * slope / slope.norm()

    def moved(sign: float) -> float:
        def add(module: torch.nn.Module, inputs: object, output: Tensor) -> Tensor:
            shifted = output.clone()
            shifted[:, 1:4] += sign * step
            return shifted

        hook = model.get_input_embeddings().register_forward_hook(add)
        try:
            return triggers.loss(model, tokenizer, prefix, texts, labels)
        finally:
            hook.remove()

    assert moved(1) - moved(-1) == pytest.approx(2 * float((slope * step).sum()), rel=0.05)


def test_search_ends_with_a_higher_loss_than_its_first_prefix_and_says_what_it_tried(
    victim: tuple[PreTrainedModel, PreTrainedTokenizerBase], read: tuple[list[str], Tensor]
) -> None:
    model, tokenizer = victim
    places = triggers.options(tokenizer, WORDS, 2)
    places = [place or triggers.options(tokenizer, ["and", "the"], 1)[0] for place in places]
    first = triggers.at_random(places, 1, np.random.default_rng(4))[0]
    found = triggers.search(model, tokenizer, *read, places, np.random.default_rng(4), sweeps=1, width=3)
    assert found.loss == pytest.approx(triggers.loss(model, tokenizer, found.words, *read), abs=1e-5)
    assert found.loss >= triggers.loss(model, tokenizer, first, *read)
    assert found.tried <= 1 + 2 * (3 + 3)
    best = triggers.best_of(model, tokenizer, *read, [first, found.words])
    assert best.words == found.words
