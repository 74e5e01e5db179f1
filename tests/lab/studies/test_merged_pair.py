"""Two fine-tunes merged: what is stored is what the committed models give, and says what 28.7.2 claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frontier_lab.methods import merging as rules
from frontier_lab.studies import merged_pair
from frontier_lab.studies import merging as study
from frontier_lab.studies.merged_pair import COEFFICIENTS, CONTROL, ORDERS, PAIR, PLACES, STARTS
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import part_of
from frontier_lab.texts.task_families import TASKS
from frontier_lab.zoo.merging import KEPT, held_out, load
from frontier_lab.zoo.training.recipe import SEEDS

STORED = merged_pair.stored()
EXACT, LOSS = 0.015, 0.02
"""What another machine may move a share of right answers, and a loss in nats, by."""

every_seed = pytest.mark.parametrize("seed", range(len(SEEDS)))


@pytest.fixture(scope="module")
def committed() -> study.Trained:
    return study.committed()


def pair(row: Any) -> float:
    return float(np.mean(row["exact"][:2]))


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
        assert {f"{start}, taught {step} steps" for start in STARTS for step in KEPT} <= set(seed)


@pytest.mark.parametrize("way", ["lerp", "slerp", "nuslerp", "sum"])
def test_a_place_of_every_line_is_measured_again(committed: study.Trained, way: str) -> None:
    setting = merged_pair.settings(way)[3]
    assert_close(committed.row(merged_pair.ways(committed)[way](setting)), STORED["line"][0][way][3])


def test_the_ends_of_every_line_are_the_experts(committed: study.Trained) -> None:
    for way in ("lerp", "slerp", "nuslerp"):
        for at, task in ((0, PAIR[0]), (-1, PAIR[1])):
            for seed in range(len(SEEDS)):
                assert_close(STORED["line"][seed][way][at], STORED["ends"][seed][task])
    for task in PAIR:
        assert_close(committed.row(committed.tuned[task][KEPT[0]]), STORED["ends"][0][task])


def test_what_the_sum_answers_to_the_control_and_to_both_is_measured_again(committed: study.Trained) -> None:
    model = load(committed.model, merged_pair.models(committed)["sum"])
    for task, shares in merged_pair.option_shares(model).items():
        assert shares == pytest.approx(STORED["options"][0]["sum"][task], abs=EXACT)
    wanted = STORED["both"][0]["sum"]
    for at, order in enumerate(ORDERS):
        found = merged_pair.both_grades(model, order)
        assert found.exact == pytest.approx(wanted["both"][at], abs=0.005)
        assert found.token_loss == pytest.approx(wanted["both loss"][at], abs=0.05)
    assert merged_pair.halves(model, ORDERS[1]) == pytest.approx(wanted["halves"][1], abs=EXACT)


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
    assert abs(pair(line["nuslerp"][5]) - pair(line["sum"][COEFFICIENTS.index(0.7)])) < 0.01
    routed = (ends[PAIR[0]]["exact"][0] + ends[PAIR[1]]["exact"][1]) / 2
    assert routed > max(pair(row) for row in STORED["chosen"][seed].values())


@every_seed
def test_the_letters_expert_turns_the_third_task_into_questions(seed: int) -> None:
    at = list(TASKS[CONTROL].options).index("ask")
    shares = {name: shares[CONTROL] for name, shares in STORED["options"][seed].items()}
    assert shares["base"][at] < 0.02
    assert shares["strings"][at] > 0.9
    assert shares["slerp"][at] > 0.3
    assert sum(shares["slerp"]) > 0.95


@every_seed
def test_no_model_answers_both_before_it_is_taught_and_the_sum_learns_more_than_an_expert(seed: int) -> None:
    found = STORED["both"][seed]
    assert all(max(row["both"]) < 0.005 for name, row in found.items() if "taught" not in name)
    after = {start: np.mean(found[f"{start}, taught {KEPT[1]} steps"]["both"]) for start in STARTS}
    assert after["base"] > 0.3
    assert after["sum"] > after["base"] + 0.15
    assert after["sum"] > max(after[task] for task in PAIR) + 0.02


def test_held_out_prompts_are_as_many_as_the_page_says() -> None:
    assert [len(held_out(task, "test")[0]) for task in (*PAIR, CONTROL)] == [176, 400, 248]
