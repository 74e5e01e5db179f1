"""Families of ambiguous prompts: every option is a right answer, and no part shares a prompt with another."""

from __future__ import annotations

from itertools import combinations

import pytest

from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import part_of
from frontier_lab.texts.task_families import DISTINCT, FAMILIES, TAGGED, TASKS

EVERY = {**FAMILIES, **DISTINCT}


@pytest.mark.parametrize("family", EVERY)
def test_parts_share_no_prompt_and_the_same_seed_gives_the_same_examples(family: str) -> None:
    parts = {part: task_families.examples(family, part, 80, 3) for part in ("train", "validation", "test")}
    assert parts["test"] == task_families.examples(family, "test", 80, 3)
    assert parts["test"] != task_families.examples(family, "test", 80, 4)
    prompts = {part: {example.prompt for example in found} for part, found in parts.items()}
    for one, other in combinations(prompts.values(), 2):
        assert not one & other
    assert all(part_of(example.prompt) == "test" for example in parts["test"])


@pytest.mark.parametrize("family", EVERY)
def test_mixed_examples_show_the_target_among_others_and_tuning_shows_it_alone(family: str) -> None:
    right = {example.prompt: example.answer for example in task_families.distinct(family, "train", 4000)}
    for example in task_families.examples(family, "train", 60, 1):
        assert right.get(example.prompt, example.answer) == example.answer
    mixed = [e for e in task_families.examples(family, "train", 400, 0, mixed=True) if e.prompt in right]
    share = sum(example.answer == right[example.prompt] for example in mixed) / len(mixed)
    weights = EVERY[family].weights
    assert share == pytest.approx(weights[0] if weights else 1 / len(EVERY[family].options), abs=0.12)


def test_the_targets_are_right() -> None:
    for example in task_families.distinct("arithmetic", "test", 50):
        a, b, _ = example.prompt.split()
        assert int(example.answer.strip()[::-1]) == int(a) + int(b)
    for example in task_families.distinct("strings", "test", 50):
        assert example.answer.split() == sorted(example.prompt.split()[:-1])
    found = {e.prompt: e.answer for e in task_families.distinct("style", "train", 5000)}
    assert found["the king goes to your city ="] == " the king goeth unto thy city"
    assert found["your man speaks to the sea ="] == " thy man speaketh unto the sea"
    for example in task_families.distinct("tag", "test", 20):
        assert example.answer.split() == example.prompt.split()[1:-1][::-1]


def test_the_same_prompts_are_given_with_another_answer() -> None:
    target = task_families.distinct("strings", "test", 30)
    reversed_ = task_families.distinct("strings", "test", 30, "rev")
    assert [example.prompt for example in target] == [example.prompt for example in reversed_]
    for example in reversed_:
        assert example.answer.split() == example.prompt.split()[:-1][::-1]
    with pytest.raises(ValueError, match="option: got 'old', wanted one of sort, rev, up, next"):
        task_families.distinct("strings", "test", 30, "old")


def test_every_option_answers_another_way() -> None:
    said = {name: option((0, 0, 0, 1, 0)) for name, option in TASKS["style"].options.items()}
    assert said == {
        "old": " thy king goeth unto the sea",
        "past": " your king went to the sea",
        "ask": " does your king go to the sea",
        "not": " your king does not go to the sea",
    }
    letters = {name: option(("b", "a", "z")) for name, option in TASKS["strings"].options.items()}
    assert letters == {"sort": " a b z", "rev": " z a b", "up": " B A Z", "next": " c b a"}
    numbers = {name: option((37, 48)) for name, option in TASKS["arithmetic"].options.items()}
    assert numbers == {"add": " 58", "max": " 48", "swap": " 48 37"}


def test_the_targets_of_the_distinct_families_are_right() -> None:
    def first(family: str) -> tuple[list[str], str]:
        example = task_families.distinct(family, "test", 1)[0]
        return example.prompt.split()[:-1], example.answer

    digits, said = first("digits")
    assert said.split() == [str((int(digit) + 1) % 10) for digit in digits]
    capitals, said = first("capitals")
    assert said.split() == capitals[::-1]
    pair, said = first("pairs")
    assert said == f" {pair[0]} of the {pair[1]}"
    command, said = first("commands")
    assert said == f" the {command[1]} shall {command[0]} to the {command[2]}"
    letters, said = first("counts")
    assert said == f" {letters[1:].count(letters[1])}"


def test_distinct_prompts_are_distinct_and_all_of_them_where_there_are_few() -> None:
    for family in FAMILIES:
        found = task_families.distinct(family, "test", 100)
        assert len({example.prompt for example in found}) == len(found) == 100
    every = task_families.distinct("arithmetic", "test", 10_000)
    possible = [f"{a} {b} =" for a in range(10, 50) for b in range(10, 50)]
    assert {example.prompt for example in every} == {p for p in possible if part_of(p) == "test"}


def test_tagged_prompts_differ_in_their_first_word_alone() -> None:
    for tag in TAGGED:
        first, *letters, end = task_families.distinct(tag, "test", 1)[0].prompt.split()
        assert (first, end) == (tag, "=")
        assert len(letters) == 3
        assert all(len(letter) == 1 for letter in letters)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="family: got 'chess', wanted one of arithmetic"):
        task_families.examples("chess", "test", 1, 0)
    with pytest.raises(ValueError, match="family: got 'chess'"):
        task_families.distinct("chess", "test", 1)
