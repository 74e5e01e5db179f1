"""Three classifiers and their votes, in every seed; the committed weights give the committed numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from frontier_lab import zoo
from frontier_lab.texts import bible_books, corpus
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.loop import Schedule

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
        assert log[name][0][-1]["val_loss"] == pytest.approx(ENTRY["val_loss"][name], abs=1e-4)
        assert len(log[name]) == len(FINDINGS["accuracy"][name]) == len(classifiers.SEEDS)


@pytest.mark.parametrize("seed", classifiers.SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_each_classifier_is_better_than_the_commonest_group(name: str, seed: int) -> None:
    accuracy = FINDINGS["accuracy"]
    assert accuracy[name][seed] > accuracy["always the commonest"][seed] + 0.1


@pytest.mark.parametrize("seed", classifiers.SEEDS)
def test_the_classifiers_differ_and_soft_voting_is_better_than_the_mean_of_them(seed: int) -> None:
    """Better than the best of them it need not be: see the study ``ensembles``."""
    assert 0.1 < FINDINGS["disagreement"]["between two models"][seed] < 0.7
    accuracy = FINDINGS["accuracy"]
    mean = sum(accuracy[name][seed] for name in NAMES) / len(NAMES)
    assert accuracy["soft voting"][seed] > mean


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_twice_as_wide_has_about_three_times_the_parameters(name: str) -> None:
    narrow, wide = (sum(p.numel() for p in classifiers.build_model(name, w).parameters()) for w in (1, 2))
    assert narrow == ENTRY["parts"][name]["parameters"]
    assert 2.6 < wide / narrow < 3


def test_the_tokenizers_know_the_chapters_that_are_trained_on_alone() -> None:
    chapters = set(classifiers.training_text())
    assert len(chapters) == 360
    for part in ("stack", "test"):
        for each in bible_books.balanced(part):
            assert corpus.documents("bible")[each.chapter] not in chapters


def test_fine_tuning_goes_on_from_the_start_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(5)
    start = classifiers.build_model("distilbert").eval()
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    short = Schedule(steps=1, batch_size=2, context=64, learning_rate=1e-4, warmup=1, log_every=1)
    tuned, _ = classifiers.run("distilbert", 11, tmp_path / "w", tmp_path, short, start=start)
    for name, tensor in start.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert (tuned.state_dict()[name] - tensor).abs().max() < 1e-3
    torch.manual_seed(6)
    other = classifiers.build_model("distilbert").eval()
    again, _ = classifiers.run("distilbert", 11, tmp_path / "w", tmp_path, short, start=other)
    name = "classifier.weight"  # a state left by another start is not taken up
    assert (again.state_dict()[name] - other.state_dict()[name]).abs().max() < 1e-3


def test_the_committed_weights_have_the_committed_accuracy() -> None:
    texts, labels, chapters = classifiers.examples("test")
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
    for title, conditions in classifiers.findings(found, labels, chapters).items():
        for condition, value in conditions.items():
            assert value == pytest.approx(FINDINGS[title][condition][0], abs=0.015), condition
