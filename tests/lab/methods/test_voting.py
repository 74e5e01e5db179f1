"""Votes at points where their outcome is known, and labels of the Bible's sentences."""

from __future__ import annotations

import pytest
import torch

from frontier_lab.methods import voting
from frontier_lab.texts import bible_books

# Two hesitant models choose class 1, a sure one chooses class 0.
SPLIT = torch.tensor([[[0.4, 0.6]], [[0.4, 0.6]], [[0.95, 0.05]]])


def test_soft_voting_follows_the_sure_model_and_majority_voting_the_many() -> None:
    assert voting.soft_vote(SPLIT).tolist() == [0]
    assert voting.majority_vote(SPLIT).tolist() == [1]


def test_a_tie_goes_to_the_higher_probability() -> None:
    three = torch.tensor([[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.3, 0.3, 0.4]]])
    assert voting.majority_vote(three).tolist() == [1]


def test_models_that_agree_do_not_differ_and_opposites_do() -> None:
    same = torch.eye(2).expand(3, 2, 2)
    assert voting.disagreement(same) == 0
    assert voting.disagreement(torch.stack([torch.eye(2), torch.eye(2).flip(0)])) == 1
    assert voting.disagreement(SPLIT) == pytest.approx(2 / 3)
    assert torch.equal(voting.soft_vote(same), voting.majority_vote(same))


def test_accuracy_counts() -> None:
    assert voting.accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])) == 0.75


def test_bad_arguments_are_named() -> None:
    with pytest.raises(
        ValueError, match=r"probabilities: got shape \(2, 3\), wanted \[models, examples, classes"
    ):
        voting.soft_vote(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="probabilities: got one model, wanted at least two"):
        voting.disagreement(torch.zeros(1, 2, 3))


KNOWN = {
    "In the beginning God created the heaven and the earth.": "law",
    "There was a man in the land of Uz, whose name was Job;": "poetry",
    "Now when Jesus was born in Bethlehem of Judaea": "gospels",
    "And whosoever was not found written in the book of life": "letters",
}


@pytest.mark.parametrize(("start", "group"), list(KNOWN.items()))
def test_a_known_sentence_has_its_group(start: str, group: str) -> None:
    found = {
        s.label
        for part in ("train", "validation")
        for s in bible_books.sentences(part)
        if s.text.startswith(start)
    }
    assert found == {bible_books.GROUPS.index(group)}


def test_held_out_sentences_come_from_other_chapters_and_every_group() -> None:
    train = {s.text for s in bible_books.sentences("train")}
    validation = list(bible_books.sentences("validation"))
    assert sum(s.text in train for s in validation) < 0.02 * len(validation)  # a psalm's refrain, a formula
    assert {s.label for s in validation} == set(range(len(bible_books.GROUPS)))
    assert len(bible_books.CHAPTERS) == 6
    assert sum(sum(books) for books in bible_books.CHAPTERS.values()) == 1189
    assert sum(len(books) for books in bible_books.CHAPTERS.values()) == 66
