"""When merging works: what is stored is what the committed models give, and says what the pages claim."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from frontier_lab import hub, zoo
from frontier_lab.methods import merging
from frontier_lab.studies import merging as study
from frontier_lab.studies.merging import SCALES, Row, joint
from frontier_lab.texts.task_families import DISTINCT, FAMILIES, TASKS
from frontier_lab.zoo import merging as recipe
from frontier_lab.zoo.merging import KEPT
from frontier_lab.zoo.training.recipe import SEEDS

STORED = study.stored()
EXACT, LOSS = 0.015, 0.02
"""What another machine may move a share of right answers, and a loss in nats, by."""


@pytest.fixture(scope="module")
def committed() -> study.Trained:
    return study.committed()


def assert_close(row: Row, wanted: Row) -> None:
    assert row["exact"] == pytest.approx(wanted["exact"], abs=EXACT)
    assert row["loss"] == pytest.approx(wanted["loss"], abs=LOSS)
    assert row["text"] == pytest.approx(wanted["text"], abs=LOSS)


def of(part: str, seed: int) -> Any:
    return STORED[part][seed]


def test_every_part_has_every_seed() -> None:
    assert STORED["seeds"] == list(SEEDS)
    parts = [*study.PARTS, *(f"left out, {kind}" for kind in study.ARCHITECTURES)]
    assert {part: len(STORED[part]) for part in parts} == dict.fromkeys(parts, len(SEEDS))
    assert len(STORED["strangers"]) == 3
    assert set(STORED) == {"format", "seeds", "coefficients", "strangers", *parts}


@pytest.mark.parametrize("step", KEPT)
def test_the_lengths_that_are_committed_are_measured_again(committed: study.Trained, step: int) -> None:
    wanted = of("lengths", 0)[str(step)]
    vectors = committed.vectors(step)
    bare = [merging.without(vector, "embed") for vector in vectors]
    norms = [merging.norm(vector) / merging.norm(committed.base) for vector in vectors]
    assert norms == pytest.approx(wanted["norm"], abs=1e-3)
    for at in (1, 5):
        assert_close(committed.row(merging.add(committed.base, vectors, SCALES[at])), wanted["merged"][at])
        without = committed.row(merging.add(committed.base, bare, SCALES[at]))
        assert_close(without, wanted["merged without embedding"][at])


def test_experts_run_side_by_side_are_measured_again(committed: study.Trained) -> None:
    for name, row in study.run_together(committed, KEPT[0]).items():
        wanted = of("methods", 0)[f"{name}, {KEPT[0]}"]
        assert row["exact"] == pytest.approx(wanted["exact"], abs=EXACT)
        assert row["loss"] == pytest.approx(wanted["loss"], abs=LOSS)
        assert row.get("setting") == wanted.get("setting")


def test_with_a_density_to_choose_a_rule_has_at_least_the_settings_of_the_sum(
    committed: study.Trained,
) -> None:
    rules = study._rules(committed, committed.vectors(KEPT[0]))
    sums = len(rules["task arithmetic"][0])
    for name in ("TIES", "DARE", "DARE-TIES"):
        settings = rules[name][0]
        densities = {density for density, _ in settings}
        assert len(densities) >= 3
        assert len(settings) == len(set(settings)) == sums * len(densities)
        for seed in range(len(SEEDS)):
            for step in KEPT:
                assert any(
                    of("methods", seed)[f"{name}, {step}"]["setting"] == [round(x, 4) for x in one]
                    for one in settings
                )


def test_negation_is_measured_again(committed: study.Trained) -> None:
    found = study.negation(committed)
    for task, rows in of("negation", 0).items():
        for row, wanted in zip(found[task], rows, strict=True):
            assert row["exact"] == pytest.approx(wanted["exact"], abs=EXACT)
            assert row["loss"] == pytest.approx(wanted["loss"], abs=0.1)  # these are far from any minimum


def test_the_matching_of_two_strangers_is_measured_again(committed: study.Trained) -> None:
    stranger = hub.load(str(zoo.CHECKPOINTS / recipe.NAME / "stranger"))
    found = study.strangers(recipe.load(copy.deepcopy(committed.model), committed.base), stranger)
    for name, wanted in STORED["strangers"]["0, 1"].items():
        assert found[name]["text"] == pytest.approx(wanted["text"], abs=0.1)


def test_the_bits_of_the_prompts_are_those_of_the_scores() -> None:
    for seed in range(len(SEEDS)):
        for row in of("methods", seed).values():
            bits = [study.right(row, task).mean() for task in TASKS]
            assert bits == pytest.approx(row["exact"], abs=1e-4)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_task_arithmetic_is_far_above_every_expert_and_below_multi_task_training(seed: int) -> None:
    rows = of("methods", seed)
    for step in KEPT:
        best = max(joint(rows[f"expert {task}, {step}"]) for task in TASKS)
        assert joint(rows[f"task arithmetic, {step}"]) >= best + 0.25
    step = KEPT[0]
    all_at_once = joint(rows[f"all tasks at once, {step}"])
    assert all_at_once - 0.15 < joint(rows[f"task arithmetic, {step}"]) < all_at_once
    assert joint(rows[f"task arithmetic, {step}"]) > joint(rows[f"average, {step}"]) + 0.05
    assert joint(rows[f"Model Stock, {step}"]) < joint(rows["base"]) + 0.05


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_longer_fine_tuning_makes_experts_better_and_their_sum_worse_for_its_embedding(seed: int) -> None:
    short, long = (of("lengths", seed)[str(step)] for step in KEPT)
    whole = SCALES.index(1.0)
    for at, _ in enumerate(TASKS):
        assert long["experts"][at]["exact"][at] >= short["experts"][at]["exact"][at] - 0.01
    assert joint(long["merged"][whole]) <= joint(short["merged"][whole]) - 0.1
    assert joint(long["merged without embedding"][whole]) >= joint(long["merged"][whole]) + 0.15


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_no_other_group_does_what_the_embedding_does(seed: int) -> None:
    cases = of("left out", seed)[str(KEPT[1])]
    gains = {name: joint(case["at 1"]) - joint(cases["nothing"]["at 1"]) for name, case in cases.items()}
    others = {name: gain for name, gain in gains.items() if name not in ("embedding", "nothing")}
    assert gains["embedding"] >= max(others.values()) + 0.1


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_an_embedding_does_so_where_it_is_the_head_too(seed: int) -> None:
    gain = {}
    for kind in study.ARCHITECTURES:
        cases = of(f"left out, {kind}", seed)[str(KEPT[1])]
        gain[kind] = joint(cases["embedding"]["at 1"]) - joint(cases["nothing"]["at 1"])
    assert gain["gpt2"] >= 0.15
    assert abs(gain["untied"]) <= 0.03


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_siblings_have_no_barrier(seed: int) -> None:
    for lines in of("siblings", seed)[str(KEPT[0])].values():
        assert merging.barrier(np.mean(lines, axis=1).tolist()) <= 0.02


def test_strangers_have_one_and_matching_takes_most_of_it_away() -> None:
    for found in STORED["strangers"].values():
        assert found["none"]["barrier"] >= 1.5
        assert found["all"]["barrier"] <= 1.0
        for name, case in found.items():
            assert case["barrier"] == pytest.approx(merging.barrier(case["text"]), abs=1e-3)
            assert case["text"][-1] == pytest.approx(found["none"]["text"][-1], abs=0.01), name


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_adapters_are_joined_by_cat_and_spoilt_by_linear(seed: int) -> None:
    found = of("adapters", seed)
    best = max(joint(row) for row in found["alone"])
    assert found["cat"]["error"] < 1e-3
    assert joint(found["cat"]["at 0.8"]) > best
    assert joint(found["linear"]["at 0.8"]) < joint(found["cat"]["at 0.8"]) - 0.2
    assert joint(found["svd, rank 12"]["at 0.8"]) == pytest.approx(joint(found["cat"]["at 0.8"]), abs=0.01)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_pairs_and_numbers_are_of_the_families(seed: int) -> None:
    names = list(FAMILIES)
    assert len(of("pairs", seed)["pairs"]) == len(names) * (len(names) - 1) // 2
    for part, families in (("alike", FAMILIES), ("unlike", DISTINCT)):
        numbers = of(part, seed)
        assert set(numbers.pop("alone")) == set(families)
        assert list(numbers) == [str(count) for count in range(2, len(families) + 1)]
        for count, cases in numbers.items():
            assert len(cases) == (study.SUBSETS if int(count) < len(families) else 1)
            for case in cases:
                assert len(case["members"]) == int(count) == len(case["merged"]["exact"])
                assert set(case["members"]) <= set(families)


def test_of_a_pair_the_means_of_its_seeds_are_given() -> None:
    found, seeds = study.of_pair("tag", "key"), STORED["pairs"]
    at = list(FAMILIES).index("key")
    assert found["first"][1] == pytest.approx(np.mean([s["alone"]["tag"]["exact"][at] for s in seeds]))
    assert found["merged"] == pytest.approx(
        np.mean([s["pairs"]["tag, key"]["merged"]["exact"] for s in seeds], axis=0)
    )
    assert max(found["base"]) < 0.5 < min(found["first"][0], found["second"][1])
    assert abs(found["cosine"]) < 0.1


def test_pairs_contradict_whose_letters_are_asked_for_different_things() -> None:
    found = study.contradicting()
    assert ("tag", "key") in found
    assert {("tag", "row"), ("set", "bag"), ("arithmetic", "strings")}.isdisjoint(found)
    assert len(found) == len(set(found)) == 13


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_with_one_coefficient_the_finer_choice_has_the_settings_that_pairs_share(seed: int) -> None:
    assert set(study.FEW) <= set(study.EACH)
    found = of("own coefficients", seed)
    assert list(found) == [", ".join(both) for both in study.contradicting()]
    for pair in found.values():
        assert len(set(pair["one"]["coefficients"])) == 1
        for case in pair.values():
            assert set(case["coefficients"]) <= set(study.EACH)
            assert len(case["coefficients"]) == len(case["merged"]["exact"]) == 2


def test_every_vector_is_scaled_by_its_own_coefficient(committed: study.Trained) -> None:
    one, other = committed.vectors(KEPT[0])[:2]
    merged = study._each_scaled(committed.base, [one, other], 0.4, 1.0)
    for name, start in committed.base.items():
        torch.testing.assert_close(merged[name], start + 0.4 * one[name] + other[name])
