"""Two fine-tunes merged: what is stored is what the committed models give, and says what 28.7.2 claims."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from frontier_lab.methods import merging as rules
from frontier_lab.studies import merged_pair
from frontier_lab.studies import merging as study
from frontier_lab.studies.merged_pair import COEFFICIENTS, FORMS, MOVES, ORDERS, PAIR, PLACES
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import part_of
from frontier_lab.texts.task_families import TAGGED
from frontier_lab.zoo.merging import KEPT, TEST, held_out, load, pool
from frontier_lab.zoo.training.recipe import SEEDS

STORED = merged_pair.stored()
EXACT, LOSS = 0.015, 0.02
"""What another machine may move a share of right answers, and a loss in nats, by."""

every_seed = pytest.mark.parametrize("seed", range(len(SEEDS)))


@pytest.fixture(scope="module")
def committed() -> study.Trained:
    return study.committed()


def pair(row: Any) -> float:
    return float(np.mean(row["exact"]))


def assert_close(found: Any, wanted: Any) -> None:
    assert found["exact"] == pytest.approx(wanted["exact"], abs=EXACT)
    assert found["loss"] == pytest.approx(wanted["loss"], abs=LOSS)
    assert found["text"] == pytest.approx(wanted["text"], abs=LOSS)


def test_every_part_has_every_seed_and_setting() -> None:
    assert (STORED["seeds"], STORED["places"]) == (list(SEEDS), list(PLACES))
    assert STORED["coefficients"] == list(COEFFICIENTS)
    assert len(PLACES) == len(COEFFICIENTS)
    assert {name: len(STORED[name]) for name in merged_pair.PARTS} == dict.fromkeys(
        merged_pair.PARTS, len(SEEDS)
    )
    for seed in STORED["line"]:
        assert {way: len(rows) for way, rows in seed.items()} == dict.fromkeys(
            ("lerp", "slerp", "nuslerp", "sum"), len(PLACES)
        )
    for seed in STORED["both"]:
        assert {f"base, taught {step} steps" for step in KEPT} <= set(seed)
    assert {len(moves) for moves in STORED["moves"]} == {MOVES}


@pytest.mark.parametrize("way", ["lerp", "slerp", "nuslerp", "sum"])
def test_a_place_of_every_line_is_measured_again(committed: study.Trained, way: str) -> None:
    setting = merged_pair.settings(way)[3]
    found = committed.row(merged_pair.ways(committed)[way](setting), PAIR)
    assert_close(found, STORED["line"][0][way][3])


@pytest.mark.parametrize(("way", "setting"), [("slerp", 0.5), ("sum", 1.0)])
def test_a_merge_of_those_trained_longer_is_measured_again(
    committed: study.Trained, way: str, setting: float
) -> None:
    state = merged_pair.ways(committed, KEPT[1])[way](setting)
    assert_close(committed.row(state, PAIR), STORED["longer"][0][way])


def test_the_ends_of_every_line_are_the_experts(committed: study.Trained) -> None:
    for way in ("lerp", "slerp", "nuslerp"):
        for at, task in ((0, PAIR[0]), (-1, PAIR[1])):
            for seed in range(len(SEEDS)):
                assert_close(STORED["line"][seed][way][at], STORED["ends"][seed][task])
    for task in PAIR:
        assert_close(committed.row(committed.tuned[task][KEPT[0]], PAIR), STORED["ends"][0][task])


def test_what_the_sum_answers_to_both_is_measured_again(committed: study.Trained) -> None:
    model = load(committed.model, merged_pair.models(committed)["sum"])
    wanted = STORED["both"][0]["sum"]
    for at, order in enumerate(ORDERS):
        found = merged_pair.both_grades(model, order)
        assert found.exact == pytest.approx(wanted["both"][at], abs=0.005)
        assert found.token_loss == pytest.approx(wanted["both loss"][at], abs=0.05)
    for form in FORMS:
        assert merged_pair.form_share(model, form) == pytest.approx(wanted["forms"][form], abs=0.005)
    assert merged_pair.apart(model, model) == pytest.approx(wanted["apart"], abs=EXACT)


def test_a_random_move_is_as_long_as_the_sum_and_measured_again(committed: study.Trained) -> None:
    whole = merged_pair.models(committed)["sum"]
    state = merged_pair.moved(committed.base, whole, 1)
    for name, start in committed.base.items():
        lengths = [(end - start).norm().item() for end in (state[name], whole[name])]
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-3)
    assert_close(committed.row(state, PAIR), STORED["moves"][0][1])


def test_parts_asked_apart_are_right_where_both_are() -> None:
    first, second = torch.zeros(176, dtype=torch.bool), torch.ones(400, dtype=torch.bool)
    first[3] = True  # the sum of the prompts 3, 179 and 355
    second[179] = False
    assert merged_pair.apart(first, second) == 2 / 400


def test_prompts_that_need_both_are_two_of_the_test_part_and_no_two_are_alike() -> None:
    for order in ORDERS:
        examples = merged_pair.needing_both(order)
        assert len({example.prompt for example in examples}) == len(examples) == merged_pair.NEEDS_BOTH
        for example in examples:
            parts = example.prompt.split()
            numbers = [part for part in parts if part.isdigit()]
            letters = [part for part in parts if part.isalpha()]
            assert part_of(" ".join([*numbers, "="])) == part_of(" ".join([*letters, "="])) == "test"
            answers = [f" {str(sum(map(int, numbers)))[::-1]}", "".join(f" {c}" for c in sorted(letters))]
            assert example.answer == "".join(answers if order == ORDERS[0] else answers[::-1])
            assert parts[0].isdigit() == (order == ORDERS[0])


def test_the_controls_of_the_form_are_made_of_one_skill() -> None:
    for example in merged_pair.unseen(FORMS[0]):
        one, other, two, three = (int(number) for number in example.prompt.removesuffix(" =").split())
        assert part_of(f"{one} {other} =") == part_of(f"{two} {three} =") == "test"
        assert example.answer == f" {str(one + other)[::-1]} {str(two + three)[::-1]}"
    for example in merged_pair.unseen(FORMS[1]):
        letters = example.prompt.removesuffix(" =").split()
        assert len(letters) == 5
        assert example.answer.split() == sorted(letters)
    assert [len(merged_pair.unseen(form)) for form in FORMS] == [176, 201]
    with pytest.raises(ValueError, match="form: got 'six', wanted one of two sums, five letters"):
        merged_pair.unseen("six")


def test_an_order_that_is_none_is_named() -> None:
    numbers, letters = (task_families.distinct(task, "test", 1)[0] for task in PAIR)
    with pytest.raises(ValueError, match="order: got 'mixed', wanted one of numbers first, letters first"):
        merged_pair.joined(numbers, letters, "mixed")


def test_slerp_half_way_is_the_average_and_half_of_the_sum(committed: study.Trained) -> None:
    ways = merged_pair.ways(committed)
    apart = rules.norm(rules.task_vector(ways["slerp"](0.5), ways["lerp"](0.5)))
    experts = (committed.tuned[task][KEPT[0]] for task in PAIR)
    assert apart < 0.02 * rules.norm(rules.task_vector(*experts))
    assert rules.norm(rules.task_vector(ways["sum"](0.5), ways["lerp"](0.5))) < 1e-3


@every_seed
def test_the_whole_sum_is_above_both_experts_and_half_of_it_is_below(seed: int) -> None:
    line, ends = STORED["line"][seed], STORED["ends"][seed]
    whole, half = line["sum"][COEFFICIENTS.index(1.0)], line["slerp"][PLACES.index(0.5)]
    assert pair(whole) > max(pair(ends[task]) for task in PAIR) + 0.15
    assert pair(half) < pair(whole) - 0.1
    assert pair(STORED["chosen"][seed]["slerp"]) < pair(whole) - 0.1
    routed = (ends[PAIR[0]]["exact"][0] + ends[PAIR[1]]["exact"][1]) / 2
    assert routed > max(pair(row) for row in STORED["chosen"][seed].values())


@every_seed
def test_after_longer_training_the_whole_sum_has_little_of_its_lead_left(seed: int) -> None:
    row = STORED["longer"][seed]
    assert 0 < pair(row["sum"]) - pair(row["slerp"]) < 0.08
    routed = (row[PAIR[0]]["exact"][0] + row[PAIR[1]]["exact"][1]) / 2
    assert routed > pair(row["sum"]) + 0.1


@every_seed
def test_the_sum_loses_more_of_the_text_than_random_moves_as_long(seed: int) -> None:
    whole = STORED["line"][seed]["sum"][COEFFICIENTS.index(1.0)]["text"]
    assert whole > np.mean([move["text"] for move in STORED["moves"][seed]]) + 0.03


@every_seed
def test_the_sum_loses_of_the_text_what_the_experts_lose_together(seed: int) -> None:
    ends = STORED["ends"][seed]
    rises = [ends[task]["text"] - ends["base"]["text"] for task in PAIR]
    whole = STORED["line"][seed]["sum"][COEFFICIENTS.index(1.0)]["text"]
    assert whole - ends["base"]["text"] == pytest.approx(sum(rises), abs=0.02)
    assert min(rises) > 0.02


@every_seed
def test_untaught_nobody_answers_an_unseen_form_and_the_parts_are_answered_one_by_one(seed: int) -> None:
    found = STORED["both"][seed]
    for name, row in found.items():
        if "forms" in row:
            assert max(row["both"]) < 0.005, name
            assert row["forms"][FORMS[0]] == 0, name
            assert row["forms"][FORMS[1]] < 0.02, name
    assert min(found[f"base, taught {KEPT[1]} steps"]["both"]) > 0.2
    assert found["base"]["apart"] < 0.1
    assert found["routed"]["apart"] > found["sum"]["apart"] > 0.4


def test_twins_are_prompts_of_training_in_another_order_or_behind_a_word() -> None:
    shown = {example.prompt for family in TAGGED for example in pool(family, mixed=True)}
    for task, count in zip(PAIR, (139, 244), strict=True):
        twins = merged_pair.twins(task)
        assert int(twins.sum()) == count
        prompts = {example.prompt for mixed in (True, False) for example in pool(task, mixed=mixed)}
        for example, twin in zip(task_families.distinct(task, "test", TEST[task]), twins, strict=True):
            orders = [" ".join(o) for o in itertools.permutations(example.prompt.removesuffix(" =").split())]
            own = any(f"{order} =" in prompts for order in orders)
            assert (own or any(f"{word} {order} =" in shown for word in TAGGED for order in orders)) == twin
            assert example.prompt not in prompts


def test_held_out_prompts_are_as_many_as_the_page_says() -> None:
    assert [len(held_out(task, "test")[0]) for task in PAIR] == [176, 400]
