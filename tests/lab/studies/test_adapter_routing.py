"""Adapters put together and routed between: what is stored is what the committed ones give, in every seed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from peft import PeftModel

from frontier_lab import hub
from frontier_lab.methods import adapters as rules
from frontier_lab.studies import adapter_routing as study
from frontier_lab.studies.adapter_routing import Bench
from frontier_lab.texts.prompt_tasks import part_of
from frontier_lab.texts.task_families import FAMILIES, TAGGED, TASKS
from frontier_lab.zoo.training.recipe import SEEDS

STORED = study.stored()
EXACT = 0.015
"""What another machine may move a share of right answers by."""
every_seed = pytest.mark.parametrize("seed", range(len(SEEDS)))


@pytest.fixture(scope="module")
def committed() -> Bench:
    """Seed 0 from the committed files, which has the adapters of the three tasks."""
    folders = dict(zip(TASKS, ("math", "code", "writing"), strict=True))
    base = hub.load(hub.path("tuned-llama-base"))
    found = {}
    for task, name in folders.items():
        model = PeftModel.from_pretrained(
            hub.load(hub.path("tuned-llama-base")), hub.path(f"path/to/{name}_adapter")
        )
        layers = rules.layers(model).items()
        found[task] = {study.matrix(key): rules.factors(layer, "default") for key, layer in layers}
    return Bench(0, base, found)


def of(part: str, seed: int) -> Any:
    return STORED[part][seed]


def joint(found: dict[str, Any]) -> float:
    return float(np.mean(found["exact"]))


def test_every_part_has_every_seed() -> None:
    assert STORED["seeds"] == list(SEEDS)
    assert {part: len(STORED[part]) for part in study.PARTS} == dict.fromkeys(study.PARTS, len(SEEDS))
    assert STORED["weights"] == [round(weight, 4) for weight in study.GRID]


@pytest.mark.parametrize("kind", ["cat", "svd", "linear", "ties", "ties_svd"])
def test_combinations_of_the_committed_adapters_are_measured_again(committed: Bench, kind: str) -> None:
    wanted = of("put together", 0)["three"][kind]
    one = study.types()[kind]
    change = committed.combined(list(TASKS), lambda some: one(some).delta)
    exact = committed.combined(list(TASKS), lambda some: study.types()["cat"](some).delta)
    assert study.error(change, exact) == pytest.approx(wanted["error"], abs=2e-3)
    found = committed.exact(study.scaled(change, wanted["weight"]), list(TASKS))
    assert found == pytest.approx(wanted["exact"], abs=EXACT)


def test_answers_of_base_and_committed_adapters_are_measured_again(committed: Bench) -> None:
    wanted = of("routed", 0)["three"]["alone"]["test"]
    assert committed.exact({}, list(TASKS)) == pytest.approx(wanted[0], abs=EXACT)
    for row, task in zip(wanted[1:], TASKS, strict=True):
        change = {name: one.delta for name, one in committed.adapters[task].items()}
        assert committed.exact(change, list(TASKS)) == pytest.approx(row, abs=EXACT)


@pytest.mark.parametrize("reads", ["letters", "last layer"])
def test_a_router_is_trained_again(committed: Bench, reads: str) -> None:
    families, count = list(FAMILIES), 16
    held = {f: [e.prompt for e in study.examples("validation", f)] for f in families}
    router = study.fitted(study.features(committed)[reads], study.drawn(families, count, 0, 0), held)
    wanted = of("routed", 0)["eight"]["routers"][reads][str(count)]["test"]["right"][0]
    for family, share in zip(families, wanted, strict=True):
        picked = router.predict([e.prompt for e in study.examples("test", family)])
        assert (picked == family).mean() == pytest.approx(share, abs=0.03)


def test_no_router_is_tested_on_what_one_was_trained_on() -> None:
    for family in FAMILIES:
        assert {part_of(e.prompt) for e in study.examples("test", family)} == {"test"}
        assert {part_of(e.prompt) for e in study.examples("validation", family)} == {"validation"}
    for draw in range(study.DRAWS):
        for some in study.drawn(list(FAMILIES), 64, draw, 0).values():
            assert {part_of(prompt) for prompt in some} == {"train"}
    assert study.drawn(["strings"], 4, 0, 0) != study.drawn(["strings"], 4, 0, 1)


def test_other_contents_and_signs_are_in_no_family() -> None:
    known = {prompt for some in study.drawn(list(TASKS), 4000, 0, 0).values() for prompt in some}
    for form in study.FORMS:
        for task in TASKS:
            some = study.examples(form, task)
            assert len({e.prompt for e in some}) == study.OTHERS
            assert not known & {e.prompt for e in some}
    assert study.examples("other signs", "arithmetic")[0].prompt.split()[1] == "+"
    for e in study.examples("other contents", "arithmetic"):
        one, other, _ = e.prompt.split()
        assert e.answer.strip()[::-1] == str(int(one) + int(other))
        assert int(one) >= 50
    for e in study.examples("other contents", "strings"):
        assert e.answer.split() == sorted(e.prompt.split()[:-1])


@every_seed
def test_every_chosen_weight_of_three_is_inside_the_grid(seed: int) -> None:
    chosen = [found["weight"] for found in of("put together", seed)["three"].values()]
    assert min(study.GRID) < min(chosen) <= max(chosen) < max(study.GRID)


@every_seed
def test_every_rule_does_better_on_changes_than_on_factors_of_the_same_rank(seed: int) -> None:
    three = of("put together", seed)["three"]
    for rule, kind in {"linear": "svd", **{rule: f"{rule}_svd" for rule in study.PRUNING}}.items():
        assert joint(three[kind]) > joint(three[rule])
    assert joint(three["cat"]) > joint(three["linear"]) + 0.1
    assert three["linear"]["error"] > 1.1
    assert three["cat"]["error"] == 0
    assert np.mean([joint(found) for found in of("put together", seed)["rewritten"]]) < joint(three["svd"])


@pytest.mark.parametrize("pair", list(itertools.combinations(TASKS, 2)))
def test_pairs_of_the_committed_adapters_are_measured_again(committed: Bench, pair: tuple[str, str]) -> None:
    wanted = of("in pairs", 0)[" ".join(pair)]
    change = committed.combined(pair, lambda some: some[0].delta + some[1].delta)
    found = committed.exact(study.scaled(change, wanted["weight"]), pair)
    assert found == pytest.approx(wanted["exact"], abs=EXACT)


@every_seed
def test_pairs_with_alike_prompts_clash_unless_they_want_the_same_answer(seed: int) -> None:
    found = of("in pairs", seed)
    assert set(found) == {" ".join(pair) for pair in itertools.combinations(FAMILIES, 2)}
    alike = [pair for pair in itertools.combinations(FAMILIES, 2) if not {"arithmetic", "style"} & {*pair}]
    same = [pair for pair in alike if len({FAMILIES[family].target for family in pair}) == 1]
    assert same == [("tag", "row"), ("set", "bag")]
    assert min(joint(found[" ".join(pair)]) for pair in same) > 0.95
    for pair in set(alike) - set(same):
        assert joint(found[" ".join(pair)]) < 0.8


@every_seed
def test_no_two_others_lift_the_best_adapter_to_what_three_give(seed: int) -> None:
    found = of("others added", seed)
    alone = max(of("put together", seed)["alone"], key=joint)
    best = list(TASKS)[of("put together", seed)["alone"].index(alone)]
    assert list(found) == [" ".join((best, *two)) for two in itertools.combinations(TAGGED, 2)]
    for rows in found.values():
        assert np.shape(rows) == (len(study.GRID), len(TASKS))
        assert np.mean(rows, axis=1).max() < joint(of("put together", seed)["three"]["cat"]) - 0.3


@every_seed
def test_eight_that_look_alike_do_not_fit_in_one_and_can_be_routed(seed: int) -> None:
    most = max(np.mean(row) for row in of("put together", seed)["scan"])
    rows = of("routed", seed)["eight"]
    own = float(np.mean(np.diag(rows["alone"]["test"][1:])))
    routed = float(np.mean(rows["routers"]["letters"]["16"]["test"]["exact"]))
    assert len(TAGGED) == 5
    assert most < own - 0.4
    assert routed > own - 0.05


@every_seed
def test_routers_go_on_where_adapters_do_not(seed: int) -> None:
    rows = of("routed", seed)["three"]["routers"]["letters"]["64"]
    for form in study.FORMS:
        assert np.mean(rows[form]["right"]) > 0.9
        assert np.mean(rows[form]["exact"]) < np.mean(rows["test"]["exact"]) - 0.5
