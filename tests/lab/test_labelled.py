"""Sentiment and toxicity: the sentences' labels, the committed classifiers, and where they end."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

from frontier_lab import labelled_text, zoo
from frontier_lab.labelled_text import Labelled
from frontier_lab.zoo import labelled, sentiment, toxicity

TASKS = {recipe.NAME: recipe.TASK for recipe in (sentiment, toxicity)}


def findings(name: str) -> dict[str, dict[str, list[float]]]:
    """What the manifest says of a recipe."""
    return dict(zoo.manifest()[name]["findings"])


def test_known_sentences_have_their_labels() -> None:
    found = {s.text: s.labels for part in ("train", "seen") for s in labelled_text.opinions(part, 9000, 5)}
    for text, labels in found.items():
        if text.startswith(("what a", "i found the")):
            assert labels[0] == any(word in labelled_text.GOOD for word in text.split())
        if text.startswith("nobody could call"):
            assert labels[0] == any(word in labelled_text.BAD for word in text.split())
        if " but " in text:
            assert labels[0] == (text.split()[-1] in labelled_text.GOOD)
    assert not set(labelled_text.GOOD) & set(labelled_text.BAD)
    for remark in labelled_text.remarks("train", 2000, 1):
        toxic, insult, threat, obscene, attack = remark.labels
        assert toxic == (insult or threat or obscene or attack)
        assert obscene == any(word in labelled_text.OATHS for word in remark.text.split())
        if "i will repair" in remark.text and " and " not in remark.text:
            assert not toxic


@pytest.mark.parametrize("draw", [labelled_text.opinions, labelled_text.remarks])
def test_parts_hold_back_what_they_say(draw: object) -> None:
    assert callable(draw)
    parts: dict[str, list[Labelled]] = {part: draw(part, 3000, 0) for part in labelled_text.PARTS}
    texts = {part: {s.text for s in found} for part, found in parts.items()}
    for part in ("seen", "unseen", "words"):
        assert not texts["train"] & texts[part] or (part == "words" and draw is labelled_text.remarks)
    if draw is labelled_text.opinions:
        vocabulary = {word for text in texts["train"] for word in text.split()}
        assert not vocabulary & {*labelled_text.GOOD[-4:], *labelled_text.BAD[-4:]}
    assert draw("seen", 50, 0) == draw("seen", 50, 0) != draw("seen", 50, 1)
    with pytest.raises(ValueError, match="part: got 'test', wanted one of train, seen, unseen, words"):
        draw("test", 1, 0)


def test_auroc_counts_pairs() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    assert labelled_text.auroc(torch.tensor([0.1, 0.2, 0.3, 0.4]), labels) == 1
    assert labelled_text.auroc(torch.tensor([0.4, 0.3, 0.2, 0.1]), labels) == 0
    assert labelled_text.auroc(torch.tensor([0.1, 0.3, 0.2, 0.4]), labels) == 0.75
    assert labelled_text.auroc(torch.zeros(4), labels) == 0.5
    with pytest.raises(ValueError, match="labels: got one class only, wanted both"):
        labelled_text.auroc(torch.zeros(4), torch.ones(4))


def test_a_bag_of_words_learns_words_and_no_order() -> None:
    plain = [Labelled("good x", (1,)), Labelled("bad x", (0,))] * 20
    words = labelled_text.BagOfWords(plain)
    assert (words(["x good", "bad", "x new bad"]) > 0.5).flatten().tolist() == [True, False, False]
    order = [Labelled("a b", (1,)), Labelled("b a", (0,))] * 20
    assert labelled_text.BagOfWords(order)(["a b"]).item() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("name", list(TASKS))
def test_the_entry_is_the_recipes(name: str) -> None:
    entry = zoo.manifest()[name]
    assert entry["schedule"] == json.loads(json.dumps(vars(labelled.SCHEDULE)))
    assert tuple(entry["labels"]) == TASKS[name].labels
    log = json.loads((zoo.CHECKPOINTS / name / "log.json").read_text("utf8"))
    ends = [run[-1]["accuracy"] for run in log]
    assert ends == pytest.approx(findings(name)["accuracy, seen"]["model"], abs=2e-3)


@pytest.mark.parametrize("seed", labelled.SEEDS)
def test_sentiment_knows_order_but_no_new_word(seed: int) -> None:
    found = findings("sentiment")
    assert found["accuracy, seen"]["model"][seed] > 0.9
    assert found["accuracy, seen"]["model"][seed] > found["accuracy, seen"]["bag of words"][seed] + 0.15
    assert found["accuracy, unseen"]["model"][seed] < found["accuracy, seen"]["model"][seed] - 0.03
    assert found["accuracy, words"]["model"][seed] < 0.75


@pytest.mark.parametrize("seed", labelled.SEEDS)
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
        probabilities = labelled.probabilities(model.eval(), tokenizer, [s.text for s in sentences])
        for measure, value in labelled.measures(probabilities, sentences).items():
            assert value == pytest.approx(findings(name)[f"{measure}, {part}"]["model"][0], abs=0.01)
