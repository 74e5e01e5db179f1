"""Three classifiers and their votes, in every seed; the committed weights give the committed numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from frontier_lab import zoo
from frontier_lab.storage.files import sha256
from frontier_lab.texts import bible_books
from frontier_lab.zoo import classifiers

FOLDER = zoo.CHECKPOINTS / classifiers.NAME
ENTRY = zoo.manifest()[classifiers.NAME]
FINDINGS: dict[str, dict[str, list[float]]] = ENTRY["findings"]
NAMES = list(classifiers.VOCABULARIES)


def test_the_entry_is_the_recipes() -> None:
    assert ENTRY["schedule"] == json.loads(json.dumps(vars(classifiers.SCHEDULE)))
    assert {name: part["class"] for name, part in ENTRY["parts"].items()} == {
        "bert": "BertForSequenceClassification",
        "roberta": "RobertaForSequenceClassification",
        "distilbert": "DistilBertForSequenceClassification",
    }
    log = json.loads((FOLDER / "log.json").read_text("utf8"))
    for name in NAMES:
        assert [run[-1]["accuracy"] for run in log[name]] == pytest.approx(
            FINDINGS["accuracy"][name], abs=2e-3
        )


@pytest.mark.parametrize("seed", classifiers.SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_each_classifier_is_better_than_the_commonest_group(name: str, seed: int) -> None:
    accuracy = FINDINGS["accuracy"]
    assert accuracy[name][seed] > accuracy["always the commonest"][seed] + 0.1


@pytest.mark.parametrize("seed", classifiers.SEEDS)
def test_the_classifiers_differ_and_their_mean_is_no_worse_than_they_are(seed: int) -> None:
    assert 0.1 < FINDINGS["disagreement"]["between two models"][seed] < 0.7
    accuracy = FINDINGS["accuracy"]
    mean = sum(accuracy[name][seed] for name in NAMES) / len(NAMES)
    assert accuracy["soft voting"][seed] > mean


def test_the_committed_weights_have_the_committed_accuracy() -> None:
    texts, labels = classifiers.held_out()
    found = {}
    tokens = set()
    for name in NAMES:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            FOLDER / name, output_loading_info=True, dtype="float32"
        )
        assert not any(report.values())
        assert type(model).__name__ == ENTRY["parts"][name]["class"]
        assert tuple(model.config.id2label.values()) == bible_books.GROUPS
        tokenizer = AutoTokenizer.from_pretrained(FOLDER / name)
        assert len(tokenizer) == classifiers.VOCABULARIES[name] == model.config.vocab_size
        tokens.add(tuple(tokenizer(" ".join(texts[:9])).input_ids))
        found[name] = classifiers.probabilities(model.eval(), tokenizer, texts)
    assert len(tokens) == len(NAMES)  # one model's ids mean something else to another
    for title, conditions in classifiers.findings(found, labels).items():
        for condition, value in conditions.items():
            assert value == pytest.approx(FINDINGS[title][condition][0], abs=0.015), condition


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_resumes_bit_for_bit(name: str, tmp_path: Path) -> None:
    short = replace(classifiers.SCHEDULE, steps=4, batch_size=4, log_every=2)
    _, whole = classifiers.run(name, 0, tmp_path / "whole", tmp_path / "a", short)
    classifiers.run(name, 0, tmp_path / "parts", tmp_path / "b", short, stop_at=2)
    _, resumed = classifiers.run(name, 0, tmp_path / "parts", tmp_path / "b", short)
    assert resumed == whole
    assert sha256(tmp_path / "whole" / "model.safetensors") == sha256(
        tmp_path / "parts" / "model.safetensors"
    )
