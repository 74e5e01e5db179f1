"""The two-layer model: induction heads form in every seed, and the committed weights have them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from frontier_lab import hub, zoo
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import induction

FOLDER = zoo.CHECKPOINTS / induction.NAME
ENTRY = zoo.manifest()[induction.NAME]
FINDINGS: dict[str, dict[str, list[float]]] = ENTRY["findings"]
LOG: list[list[dict[str, Any]]] = json.loads((FOLDER / "log.json").read_text("utf8"))


def test_the_entry_is_the_recipes() -> None:
    assert ENTRY["schedule"] == json.loads(json.dumps(vars(induction.SCHEDULE)))
    assert ENTRY["seeds"] == list(induction.SEEDS)
    assert set(ENTRY["parts"]) == {f"snapshots/{step}" for step in induction.SCHEDULE.snapshots}


def test_the_findings_are_what_the_log_says() -> None:
    rounded = {
        name: {when: [round(v, 4) for v in values] for when, values in found.items()}
        for name, found in induction.findings(LOG).items()
    }
    assert rounded == FINDINGS


@pytest.mark.parametrize("seed", induction.SEEDS)
def test_induction_heads_form_in_every_seed(seed: int) -> None:
    score = FINDINGS["induction score of the best head"]
    assert score["before"][seed] < 0.2
    assert score["after"][seed] > 0.6
    previous = FINDINGS["previous-token score of the best head in layer 0"]
    assert previous["after"][seed] > 0.3


@pytest.mark.parametrize("seed", induction.SEEDS)
def test_with_them_the_second_copy_becomes_predictable_and_the_first_does_not(seed: int) -> None:
    second = FINDINGS["loss on the second copy"]
    assert second["before"][seed] > 3
    assert second["after"][seed] < 1
    assert FINDINGS["loss on the first copy"]["after"][seed] > 4.3
    assert FINDINGS["in-context learning score"]["after"][seed] < -3.5


@pytest.mark.parametrize("seed", induction.SEEDS)
def test_the_jump_is_a_jump(seed: int) -> None:
    step = {share: values[seed] for share, values in FINDINGS["step of the jump"].items()}
    assert 0 < step["10 %"] < step["50 %"] < step["90 %"] <= induction.SCHEDULE.steps
    assert step["50 %"] - step["10 %"] < 0.2 * induction.SCHEDULE.steps
    assert len(LOG[seed]) == induction.SCHEDULE.steps // induction.SCHEDULE.log_every + 1


@pytest.mark.parametrize("step", [*induction.SCHEDULE.snapshots, induction.SCHEDULE.steps])
def test_the_committed_weights_have_the_logged_numbers(step: int) -> None:
    folder = FOLDER if step == induction.SCHEDULE.steps else FOLDER / "snapshots" / str(step)
    found = induction.measures(hub.load(str(folder)), induction.probes())
    logged = next(entry for entry in LOG[0] if entry["step"] == step)
    for name, value in found.items():
        assert value == pytest.approx(logged[name], abs=0.02), name


def test_snapshots_stand_on_both_sides_of_the_jump() -> None:
    middle = FINDINGS["step of the jump"]["50 %"][0]
    assert min(induction.SCHEDULE.snapshots) < middle < max(induction.SCHEDULE.snapshots)


def test_the_probes_are_of_the_segments_bytes_and_the_tokenizer_is_the_committed_one() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert len(tokenizer) == induction.VOCABULARY
    built = induction.build_tokenizer().backend_tokenizer.to_str()
    assert tokenizer.backend_tokenizer.to_str() == built
    probes = induction.probes()
    assert tokenizer.decode(probes[0]).isprintable()
    assert probes.shape == (induction.PROBES, 2 * induction.PROBE_LENGTH)


@pytest.mark.slow
def test_the_recipe_resumes_bit_for_bit(tmp_path: Path) -> None:
    short = replace(induction.SCHEDULE, steps=6, log_every=3, snapshots=())
    whole = induction.run(0, tmp_path / "whole", tmp_path / "a", short)
    induction.run(0, tmp_path / "parts", tmp_path / "b", short, stop_at=3)
    assert induction.run(0, tmp_path / "parts", tmp_path / "b", short) == whole
    a, b = (tmp_path / part / "6" / "model.safetensors" for part in ("whole", "parts"))
    assert sha256(a) == sha256(b)
