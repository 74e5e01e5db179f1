"""The invented world: what is tested on was never trained on, and a passage answers its question."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from frontier_lab.methods import retrieval
from frontier_lab.texts import facts


def test_no_name_of_a_test_is_ever_trained_on() -> None:
    for part in ("train", "test"):
        for case in facts.cases(300, part, 0):
            made_up = [case.place, case.answer]
            assert [facts.is_held_out(name) for name in made_up] == [part == "test"] * 2
    trained = {case.place for case in facts.cases(2000, "train", 1)} | {
        case.answer for case in facts.cases(2000, "train", 1)
    }
    tested = {case.place for case in facts.cases(2000, "test", 1)} | {
        case.answer for case in facts.cases(2000, "test", 1)
    }
    assert not trained & tested


def test_about_a_fifth_of_all_names_is_held_out() -> None:
    every = [(a + b).capitalize() for a in facts.SYLLABLES for b in facts.SYLLABLES]
    assert 0.18 < sum(map(facts.is_held_out, every)) / len(every) < 0.22


def test_cases_are_a_function_of_the_seed() -> None:
    assert list(facts.cases(20, "test", (1, 2, 3))) == list(facts.cases(20, "test", (1, 2, 3)))
    assert list(facts.cases(20, "test", (1, 2, 3))) != list(facts.cases(20, "test", (1, 2, 4)))


def test_distinct_cases_are_the_cases_without_places_that_came_before() -> None:
    drawn = list(facts.cases(1000, "test", (3, 0, 0)))
    assert len({case.place for case in drawn}) < 1000
    distinct = list(facts.distinct_cases(1000, "test", (3, 0, 0)))
    assert len({case.place for case in distinct}) == 1000
    first = {case.place: case for case in reversed(drawn)}
    assert distinct[: len(first)] == [case for case in drawn if first[case.place] is case]


def test_more_distinct_places_than_there_are_names_are_refused() -> None:
    with pytest.raises(ValueError, match="count: got 6000, wanted at most"):
        next(facts.distinct_cases(6000, "test", 0))


def test_the_passage_holds_the_answer_and_the_question_only_the_place() -> None:
    for case in facts.cases(200, "train", 5):
        assert case.answer in case.passage
        assert case.place in case.passage
        assert case.place in case.question
        assert case.answer not in case.question


def test_every_attribute_has_statements_and_questions_in_several_wordings() -> None:
    assert set(facts.STATEMENTS) == set(facts.QUESTIONS)
    for attribute, wordings in facts.STATEMENTS.items():
        assert len(wordings) > 1
        assert all("{place}" in text and "{value}" in text for text in wordings)
        assert len(facts.QUESTIONS[attribute]) > 1
        assert all("{place}" in text and "{value}" not in text for text in facts.QUESTIONS[attribute])


def test_recall_counts_the_own_passage_among_the_k_nearest() -> None:
    passages = torch.eye(4)
    questions = torch.tensor([[3.0, 2, 1, 0], [3, 2, 1, 0], [3, 2, 1, 0]])
    assert [retrieval.recall_at(questions, passages, [0, 1, 3], k) for k in (1, 2, 3, 4)] == pytest.approx(
        [1 / 3, 2 / 3, 2 / 3, 1]
    )
    for k in (0, 5):
        with pytest.raises(ValueError, match=f"k: got {k}, wanted 1 to 4"):
            retrieval.recall_at(questions, passages, [0, 1, 3], k)


def test_contrastive_loss_is_the_cross_entropy_of_the_diagonal() -> None:
    questions, passages = torch.randn(5, 3), torch.randn(5, 3)
    scores = questions @ passages.T
    wanted = -torch.stack([scores[i].log_softmax(0)[i] for i in range(5)]).mean()
    torch.testing.assert_close(retrieval.contrastive_loss(questions, passages), wanted)
    assert retrieval.contrastive_loss(100 * torch.eye(4), torch.eye(4)) < 1e-6


def test_the_value_of_the_kind_asked_is_the_answer_in_ones_own_passage() -> None:
    cases = list(facts.distinct_cases(200, "test", 5))
    assert all(facts.value_of_asked_kind(case, case) == case.answer for case in cases)
    elsewhere = [facts.value_of_asked_kind(one, other) for one, other in pairwise(cases)]
    told = sum(value is not None for value in elsewhere)
    assert 70 < told < 130  # a passage has three kinds of the six
    for value, other in zip(elsewhere, cases[1:], strict=False):
        assert value is None or (value in other.passage and value != other.place)
    with pytest.raises(ValueError, match="asked: got the question 'Why"):
        facts.value_of_asked_kind(facts.Case("Nowhere", "Why?", "", ""), cases[0])
