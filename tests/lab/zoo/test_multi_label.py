"""Sentiment and toxicity: the committed classifiers, and where they end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertForSequenceClassification

from frontier_lab import zoo
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import sentiment, toxicity
from frontier_lab.zoo.families import multi_label

TASKS = {recipe.NAME: recipe.TASK for recipe in (sentiment, toxicity)}


def findings(name: str) -> dict[str, dict[str, list[float]]]:
    """What the manifest says of a recipe."""
    return dict(zoo.manifest()[name]["findings"])


@pytest.mark.parametrize("name", list(TASKS))
def test_the_entry_is_the_recipes(name: str) -> None:
    entry = zoo.manifest()[name]
    assert entry["schedule"] == json.loads(json.dumps(vars(multi_label.SCHEDULE)))
    assert tuple(entry["labels"]) == TASKS[name].labels
    log = json.loads((zoo.CHECKPOINTS / name / "log.json").read_text("utf8"))
    ends = [run[-1]["accuracy"] for run in log]
    assert ends == pytest.approx(findings(name)["accuracy, seen"]["model"], abs=2e-3)


@pytest.mark.parametrize("seed", multi_label.SEEDS)
def test_sentiment_knows_order_but_no_new_word(seed: int) -> None:
    found = findings("sentiment")
    assert found["accuracy, seen"]["model"][seed] > 0.9
    assert found["accuracy, seen"]["model"][seed] > found["accuracy, seen"]["bag of words"][seed] + 0.15
    assert found["accuracy, unseen"]["model"][seed] < found["accuracy, seen"]["model"][seed] - 0.03
    assert found["accuracy, words"]["model"][seed] < 0.75


@pytest.mark.parametrize("seed", multi_label.SEEDS)
def test_toxicity_is_known_in_seen_templates_and_less_in_unseen_ones(seed: int) -> None:
    found = findings("toxicity")
    assert found["macro AUROC, seen"]["model"][seed] > 0.98
    assert found["macro AUROC, seen"]["always the commonest"][seed] == 0.5
    assert found["macro AUROC, unseen"]["model"][seed] < found["macro AUROC, seen"]["model"][seed] - 0.02
    assert found["macro AUROC, unseen"]["model"][seed] > 0.6


@pytest.mark.parametrize("name", list(TASKS))
def test_the_committed_weights_have_the_committed_numbers(name: str) -> None:
    folder, task = zoo.CHECKPOINTS / name, TASKS[name]
    model, report = BertForSequenceClassification.from_pretrained(
        folder, output_loading_info=True, dtype="float32"
    )
    assert not any(report.values())
    assert tuple(model.config.id2label.values()) == task.labels
    assert (model.config.problem_type == "multi_label_classification") == (name == "toxicity")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.get_vocab() == task.tokenizer().get_vocab()
    for part in ("seen", "unseen", "words"):
        sentences = task.sentences(part)
        probabilities = multi_label.probabilities(model.eval(), tokenizer, [s.text for s in sentences])
        for measure, value in multi_label.measures(probabilities, sentences).items():
            assert value == pytest.approx(findings(name)[f"{measure}, {part}"]["model"][0], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TASKS))
def test_the_recipe_resumes_bit_for_bit(name: str, tmp_path: Path) -> None:
    short = replace(multi_label.SCHEDULE, steps=4, batch_size=4, log_every=2)
    _, whole = multi_label.run(TASKS[name], 0, tmp_path / "whole", tmp_path / "a", short)
    multi_label.run(TASKS[name], 0, tmp_path / "parts", tmp_path / "b", short, stop_at=2)
    _, resumed = multi_label.run(TASKS[name], 0, tmp_path / "parts", tmp_path / "b", short)
    assert resumed == whole
    assert sha256(tmp_path / "whole" / "model.safetensors") == sha256(
        tmp_path / "parts" / "model.safetensors"
    )
