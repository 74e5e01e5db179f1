"""What is kept of the filters is theirs, of these sentences; and what it shows does not hang on a seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from frontier_lab import zoo
from frontier_lab.methods import classification
from frontier_lab.methods.disguises import EVASIONS, whole_words
from frontier_lab.methods.safety_filter import Heads
from frontier_lab.studies import harmful_content
from frontier_lab.studies.harmful_content import FILTERS, GROUPS, PARTS, REGIMES, SLOTS
from frontier_lab.texts import moderation
from frontier_lab.texts.labelled_text import FOLK, TOXIC_LABELS
from frontier_lab.zoo import safety_heads, toxicity
from frontier_lab.zoo.families import multi_label
from frontier_lab.zoo.training.recipe import SEEDS

READ, STORED = harmful_content.read(), harmful_content.stored()


def kept(name: str, part: harmful_content.Part, seed: int = 0) -> torch.Tensor:
    """Logits ``[N, 5]``."""
    return READ.parts[part][FILTERS.index(name), seed]


def test_what_is_kept_has_a_place_for_everything() -> None:
    for part in PARTS:
        n = len(harmful_content.sentences(part))
        assert READ.parts[part].shape == (len(FILTERS), len(SEEDS), n, len(TOXIC_LABELS))
        assert READ.parts[part].isfinite().all()
    assert READ.evasions["bert"].shape == (len(EVASIONS), 2, len(SEEDS), 300)
    assert READ.evasions["heads"].shape == (len(EVASIONS), 2, len(SEEDS), 160)
    assert READ.groups.shape == (16, 16, 24, 5)
    assert harmful_content.SCORES.stat().st_size <= 300_000


def test_the_committed_bert_gives_what_is_kept_of_its_first_seed() -> None:
    folder = zoo.CHECKPOINTS / toxicity.NAME
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float32").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for part in PARTS:
        texts = [s.text for s in harmful_content.sentences(part)]
        found = multi_label.probabilities(model, tokenizer, texts)
        assert (found - kept("bert", part).sigmoid()).abs().mean() < 0.01, part
    texts = harmful_content.disguised([s.text for s in harmful_content.sentences("seen")], "leet")
    found = multi_label.probabilities(model, tokenizer, texts).amax(-1)
    assert (found - READ.evasions["bert"][list(EVASIONS).index("leet"), 0, 0].sigmoid()).abs().mean() < 0.01


def test_the_bag_of_words_gives_it_again() -> None:
    bag = classification.BagOfWords(safety_heads.sentences(0))
    for part in PARTS:
        found = bag([s.text for s in harmful_content.sentences(part)])
        assert (found - kept("bag of words", part).sigmoid()).abs().max() < 0.01, part


@pytest.mark.real_model
def test_the_committed_heads_give_what_is_kept_of_their_first_seed() -> None:
    vectors = safety_heads.encoder()
    heads = Heads.load(zoo.CHECKPOINTS / safety_heads.NAME)
    for part in PARTS:
        with torch.no_grad():
            found = heads(vectors([s.text for s in harmful_content.sentences(part)]))
        assert (found - kept("heads", part)).abs().max() < 0.05, part
    words, own = whole_words(vectors.tokenizer), [s.text for s in harmful_content.sentences("own")]
    for at, evasion in enumerate(EVASIONS):
        for normalised, known in enumerate((None, words)):
            with torch.no_grad():
                found = heads(vectors(harmful_content.disguised(own, evasion, known))).amax(-1)
            difference = found - READ.evasions["heads"][at, normalised, 0]
            assert difference.abs().max() < 0.05, evasion


@pytest.mark.real_model
def test_heads_of_one_training_of_groups_are_trained_again(tmp_path: Path) -> None:
    found = harmful_content.of_groups(3, tmp_path)
    assert (found - READ.groups[3]).abs().max() < 0.05


def test_the_summary_is_of_the_scores() -> None:
    for at, name in enumerate(FILTERS):
        for part in PARTS:
            for seed, row in enumerate(STORED["filters"][name][part]):
                assert harmful_content._summary(READ.parts[part][at, seed], part) == row


def test_parts_do_not_overlap_with_what_was_trained_on() -> None:
    trained = {s.text for seed in SEEDS for s in safety_heads.sentences(seed)}
    trained |= {s.text for task in harmful_content.TASKS.values() for s in task.sentences("train")}
    stock = {"see ascii for other synonyms"}  # stands in many entries of the dictionary
    for part in PARTS:
        assert trained & {s.text for s in harmful_content.sentences(part)} <= stock, part


def test_trainings_of_groups_differ_in_names_alone_and_each_group_stands_in_each_place() -> None:
    assert Counter(SLOTS) == {"attacked": 3, "both": 3, "benign": 2, "absent": 8}
    for group in range(len(GROUPS)):
        count = Counter(harmful_content.regime(shift, group) for shift in range(len(GROUPS)))
        assert count == Counter(SLOTS)
    assert not [g for g in GROUPS if any(g in s.text for s in safety_heads.sentences(100))]
    shift = 5
    before, after = safety_heads.sentences(100 + shift), harmful_content.group_data(shift)
    assert [s.labels for s in before] == [s.labels for s in after]
    names = {*FOLK, *GROUPS}

    def anonymous(text: str) -> str:
        for name in names:
            text = text.replace(name, "them")
        return text

    assert [anonymous(s.text) for s in before] == [anonymous(s.text) for s in after]
    for group, name in enumerate(GROUPS):
        spoken = {s.labels[-1] for s in after if name in s.text}
        wanted = {"attacked": {1}, "both": {0, 1}, "benign": {0}, "absent": set()}
        assert spoken == wanted[harmful_content.regime(shift, group)], name


def test_in_every_seed_the_bert_knows_its_templates_and_heads_know_more() -> None:
    for seed in range(len(SEEDS)):
        of = {name: STORED["filters"][name] for name in FILTERS}
        assert of["bert"]["seen"][seed]["auroc"] > 0.99
        own = {name: of[name]["own"][seed]["auroc"] for name in FILTERS}
        assert own["heads"] > max(own[name] for name in FILTERS if not name.startswith("heads"))
        assert own["untrained encoder"] < own["heads"] - 0.1


def test_a_group_that_was_only_attacked_is_mistrusted_in_harmless_sentences() -> None:
    probability = (
        READ.groups[:, :, : len(moderation.FRAMES), 4].sigmoid().mean(-1).numpy()
    )  # [training, group]
    where = np.array([[harmful_content.regime(s, g) for g in range(16)] for s in range(16)])
    by = {k: np.array([probability[where[:, g] == k, g].mean() for g in range(16)]) for k in REGIMES}
    assert (by["attacked"] > by["absent"]).sum() >= 15
