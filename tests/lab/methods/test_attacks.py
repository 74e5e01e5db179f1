"""Word swaps: what may change, what is counted, and that the certificate of a linear model is exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from frontier_lab.methods import attacks
from frontier_lab.methods.bag_of_words import BagOfWords

TABLE = {"big": ("large", "great"), "dog": ("hound",), "saw": ("noticed", "spied", "met"), "old": ("aged",)}
TEXT = "Big Saw saw the old dog, and then the dog saw (big) Dog."


def candidates(word: str) -> Sequence[str]:
    return TABLE.get(word, ())


class Counted:
    """A victim that counts what it is asked."""

    def __init__(self, model: BagOfWords) -> None:
        self.model, self.asked = model, []  # type: ignore[var-annotated]

    def __call__(self, texts: list[str]) -> Tensor:
        self.asked += texts
        return self.model.probabilities(texts)


def linear(seed: int, classes: int = 3) -> BagOfWords:
    words = sorted({*TABLE, *(other for others in TABLE.values() for other in others), "the", "and"})
    generator = np.random.default_rng(seed)
    return BagOfWords(
        {word: generator.normal(size=classes) for word in words}, generator.normal(size=classes)
    )


def test_punctuation_and_a_first_capital_stay_and_names_are_left_alone() -> None:
    of = attacks.moves(TEXT, candidates)
    assert of.options[0] == ("Large", "Great")
    assert of.options[5] == ("hound,",)
    assert of.options[11] == ("(large)", "(great)")
    assert not {1, 12} & of.options.keys()  # capitals inside a sentence
    assert of.most == 3
    assert of.text({0: "Large", 5: "hound,"}) == TEXT.replace("Big", "Large").replace("old dog", "old hound")
    assert of.text({}, without=0) == TEXT.removeprefix("Big ")


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share: got"):
        attacks.moves(TEXT, candidates, share)


def test_the_texts_that_can_be_made_are_as_many_as_it_says() -> None:
    class Never:
        def __init__(self) -> None:
            self.seen: set[str] = set()

        def __call__(self, texts: list[str]) -> Tensor:
            self.seen.update(texts)
            return torch.tensor([[1.0, 0.0]] * len(texts))

    for share in (0.1, 0.2, 0.3, 1.0):
        of, victim = attacks.moves(TEXT, candidates, share), Never()
        (found,) = attacks.run([attacks.exhaustive(of, 0)], victim)
        assert not found.succeeded
        assert len(victim.seen) == found.queries == of.size() - 1  # all but the text itself


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("text", "share"), [(TEXT, 0.2), ("big dog saw old", 1.0)])
def test_no_attack_passes_the_certificate_and_the_worst_case_is_attained(
    seed: int, text: str, share: float
) -> None:
    model, of = linear(seed), attacks.moves(text, candidates, share)
    label = int(model.probabilities([text]).argmax())
    worst = attacks.worst_case(of, label, model.contribution, model.bias)
    for changed, (margin, swaps) in enumerate(worst):
        assert len(swaps) <= changed
        logits = model.bias + model.contribution(of.text(swaps))
        assert margin == pytest.approx(logits[label] - np.delete(logits, label).max())
    every: list[str] = [text]

    def never(texts: list[str]) -> Tensor:
        every.extend(texts)
        return torch.nn.functional.one_hot(torch.full((len(texts),), label), 3).float()

    attacks.run([attacks.exhaustive(of, label)], never)
    logits_of_all = [model.bias + model.contribution(each) for each in every]
    lowest = min(each[label] - np.delete(each, label).max() for each in logits_of_all)
    assert worst[-1][0] == pytest.approx(lowest)
    (whole,) = attacks.run([attacks.exhaustive(of, label)], model.probabilities)
    broken = [changed for changed, (margin, _) in enumerate(worst) if margin < 0]
    assert whole.succeeded == bool(broken)
    if broken:
        assert len(whole.swaps) == broken[0]
    (found,) = attacks.run([attacks.greedy(of, label)], model.probabilities)
    assert whole.succeeded or not found.succeeded


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("order", ["deletion", "random"])
def test_greedy_search_counts_every_text_it_asks_about_and_keeps_to_the_most(seed: int, order: str) -> None:
    victim, of = Counted(linear(seed)), attacks.moves(TEXT, candidates)
    label = int(victim.model.probabilities([TEXT]).argmax())
    by = "deletion" if order == "deletion" else np.random.default_rng(0)
    (found,) = attacks.run([attacks.greedy(of, label, order=by)], victim)  # type: ignore[arg-type]
    assert found.queries == len(victim.asked)
    assert len(found.swaps) <= of.most
    assert all(swap in of.options[at] for at, swap in found.swaps.items())
    deceived = int(victim.model.probabilities([of.text(found.swaps)]).argmax()) != label
    assert deceived == found.succeeded


def test_the_word_whose_deletion_costs_most_is_tried_first() -> None:
    weights = {"dog": np.array([3.0, 0.0]), "old": np.array([0.5, 0.0]), "hound": np.array([2.9, 0.0])}
    victim = Counted(BagOfWords(weights, np.zeros(2)))
    of = attacks.moves("and the old dog then", candidates, 0.4)
    attacks.run([attacks.greedy(of, 0)], victim)
    assert victim.asked[:4] == [
        "and the old dog then",
        "and the dog then",
        "and the old then",
        "and the old hound then",
    ]


def test_random_search_asks_no_text_twice_and_no_more_than_it_may() -> None:
    of, model = attacks.moves(TEXT, candidates), linear(1)
    label = int(model.probabilities([TEXT]).argmax())
    for queries in (1, 7, 10_000):
        victim = Counted(model)
        (found,) = attacks.run([attacks.random_search(of, label, queries, np.random.default_rng(2))], victim)
        assert len(set(victim.asked)) == len(victim.asked) <= min(queries, of.size() - 1)
        assert found.queries <= queries
        if found.succeeded:
            assert int(model.probabilities([of.text(found.swaps)]).argmax()) != label
            assert victim.asked[found.queries - 1] == of.text(found.swaps)


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_random_swaps_change_as_many_words_as_they_are_told(changes: int) -> None:
    of = attacks.moves(TEXT, candidates)
    for seed in range(20):
        assert len(attacks.at_random(of, np.random.default_rng(seed), changes)) == changes


def test_searches_side_by_side_find_what_each_finds_alone() -> None:
    model, of = linear(3), attacks.moves(TEXT, candidates)
    together = attacks.run([attacks.greedy(of, label) for label in range(3)], model.probabilities)
    alone = [attacks.run([attacks.greedy(of, label)], model.probabilities)[0] for label in range(3)]
    assert together == alone


def test_a_text_without_synonyms_takes_no_query() -> None:
    of = attacks.moves("nothing here", candidates)
    searches = [
        attacks.greedy(of, 0),
        attacks.random_search(of, 0, 5, np.random.default_rng(0)),
        attacks.exhaustive(of, 0),
    ]
    for found in attacks.run(searches, lambda texts: torch.ones(len(texts), 2)):
        assert (found.queries, found.succeeded) == (0, False)
