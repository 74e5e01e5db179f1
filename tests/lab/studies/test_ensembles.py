"""What is kept of nine classifiers: it is theirs, of these sentences, and it says what the pages say."""

from __future__ import annotations

import copy
from itertools import combinations

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from frontier_lab import zoo
from frontier_lab.methods import voting
from frontier_lab.studies import ensemble_rules, ensembles
from frontier_lab.studies.ensembles import NAMES
from frontier_lab.texts import bible_books
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = ensembles.stored()
FINDINGS = zoo.manifest()[classifiers.NAME]["findings"]
PARTS: tuple[ensembles.Held, ...] = ("stack", "test")
READ = {part: ensembles.read(part) for part in PARTS}
TEST = READ["test"]
CHAPTERS = np.unique(TEST.chapters.numpy())


@pytest.fixture(scope="module")
def committed() -> dict[str, PreTrainedModel]:
    """The classifiers of seed 0."""
    return {
        name: AutoModelForSequenceClassification.from_pretrained(
            zoo.CHECKPOINTS / classifiers.NAME / name, dtype="float32"
        ).eval()
        for name in NAMES
    }


@pytest.fixture(scope="module")
def few() -> torch.Tensor:
    """Places of the sentences of six chapters of ``test``, one of each group of books."""
    chapters = [TEST.chapters[TEST.labels == label][0] for label in range(len(bible_books.GROUPS))]
    return torch.isin(TEST.chapters, torch.stack(chapters)).nonzero().flatten()


@pytest.mark.parametrize("part", PARTS)
def test_what_is_kept_is_of_the_sentences_of_the_part(part: ensembles.Held) -> None:
    sentences, found = bible_books.balanced(part), READ[part]
    assert found.labels.tolist() == [each.label for each in sentences]
    assert found.chapters.tolist() == [each.chapter for each in sentences]
    assert found.probabilities.shape == (len(NAMES), len(SEEDS), len(sentences), len(bible_books.GROUPS))
    assert (found.probabilities.sum(-1) - 1).abs().max() < 2e-3
    assert ensembles.PROBABILITIES.stat().st_size <= 200_000


def test_the_committed_classifiers_give_what_is_kept_of_the_first_seed(
    committed: dict[str, PreTrainedModel], few: torch.Tensor
) -> None:
    texts = [bible_books.balanced("test")[at].text for at in few.tolist()]
    for name, kept in zip(NAMES, TEST.of_seed(0), strict=True):
        tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / classifiers.NAME / name)
        found = classifiers.probabilities(committed[name], tokenizer, texts)
        assert (found - kept[few]).abs().max() < 0.02, name


def test_one_tokenizer_for_all_gives_the_committed_classifiers_what_is_kept(
    committed: dict[str, PreTrainedModel], few: torch.Tensor
) -> None:
    tokenizers = {
        name: AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / classifiers.NAME / name) for name in NAMES
    }
    texts = [bible_books.balanced("test")[at].text for at in few.tolist()]
    found, beyond = ensembles.one_tokenizer(committed, tokenizers, texts)
    places = np.searchsorted(CHAPTERS, np.unique(TEST.chapters[few].numpy()))
    for donor, given in found.items():
        for name, one in zip(NAMES, given, strict=True):
            right = voting.by_group(one.argmax(-1) == TEST.labels[few], TEST.chapters[few])
            kept = np.array(STORED["one tokenizer"][0]["accuracy"][donor][name])[places]
            assert right.numpy() == pytest.approx(kept, abs=0.15), (donor, name)  # one or two near ties
            assert abs(right.mean().item() - kept.mean()) < 0.02, (donor, name)
            assert beyond[donor][name] == pytest.approx(
                STORED["one tokenizer"][0]["beyond"][donor][name], abs=0.01
            )


@pytest.mark.parametrize("seed", SEEDS)
def test_with_its_own_tokenizer_a_classifier_has_the_accuracy_of_the_manifest(seed: int) -> None:
    for name, one in zip(NAMES, TEST.of_seed(seed), strict=True):
        accuracy = TEST.accuracy(one.argmax(-1))
        assert accuracy == pytest.approx(FINDINGS["accuracy"][name][seed], abs=2e-3)
        own = np.mean(STORED["one tokenizer"][seed]["accuracy"][name][name])
        assert accuracy == pytest.approx(own, abs=2e-3)
        if name == ensembles.best():
            start = STORED["soup"][seed]["start"]["accuracy"]
            assert np.mean(start) == pytest.approx(own, abs=2e-3)
    rules = ensemble_rules.combined((seed, seed, seed), strengths=(0.03, 0.03, 0.03))
    assert TEST.accuracy(rules["average"].argmax(-1)) == pytest.approx(
        FINDINGS["accuracy"]["soft voting"][seed], abs=2e-3
    )


@pytest.mark.parametrize("part", PARTS)
def test_averaging_is_no_worse_than_the_mean_member_on_any_sentence_of_any_pair(
    part: ensembles.Held,
) -> None:
    """Jensen's inequality, on the data: in NLL it holds sentence by sentence."""
    found = READ[part]
    for pair in combinations(found.probabilities.flatten(0, 1), 2):
        models = torch.stack(pair)
        mean = voting.nll(models, found.labels).mean(0)
        assert (voting.nll(voting.average(models), found.labels) <= mean + 1e-6).all()


@pytest.mark.parametrize("part", PARTS)
def test_no_chapter_crosses_grouped_folds_and_most_cross_random_ones(part: ensembles.Held) -> None:
    found = READ[part]
    for fit, held_out in ensemble_rules.grouped(found):
        assert not set(found.chapters[fit].tolist()) & set(found.chapters[held_out].tolist())
        assert set(found.labels[fit].tolist()) == set(range(len(bible_books.GROUPS)))
    for fit, held_out in ensemble_rules.shuffled(found, 0):
        inside = set(found.chapters[held_out].tolist())
        assert len(inside & set(found.chapters[fit].tolist())) > 0.9 * len(inside)


def test_a_leak_is_seen_where_there_is_one_and_not_where_there_is_none() -> None:
    """Models that know the chapter and not its label: other sentences of it tell, other chapters do not."""
    found = copy.copy(TEST)
    generator = torch.Generator().manual_seed(0)
    code = torch.randn(10, int(found.chapters.max()) + 1, 6, generator=generator)
    knows = code[:, found.chapters].softmax(-1)  # [10, N, 6], the same for all sentences of a chapter
    judged = ensemble_rules.leak(knows, found, strength=10.0, repeats=1)
    scores = {kind: voting.score(right, found.chapters) for kind, right in judged.items()}
    assert scores["random folds"] > scores["whole chapters"] + 0.3
    noise = torch.rand(1, len(found.labels), 6, generator=generator).softmax(-1)
    judged = ensemble_rules.leak(noise, found, strength=10.0, repeats=1)
    scores = {kind: voting.score(right, found.chapters) for kind, right in judged.items()}
    assert abs(scores["random folds"] - scores["whole chapters"]) < 0.05


def test_the_soup_of_a_model_with_itself_is_the_model(committed: dict[str, PreTrainedModel]) -> None:
    for model in committed.values():
        soup = ensembles.soup([model, model])
        for name, tensor in soup.state_dict().items():
            assert torch.equal(tensor, model.state_dict()[name])


def test_subsets_are_all_of_them_and_their_members_are_their_own_average() -> None:
    found = list(ensemble_rules.subsets())
    assert len(found) == 2 ** (len(NAMES) * len(SEEDS)) - 1
    for members, scores in found:
        if len(members) == 1:
            assert scores["accuracy"] == scores["members' accuracy"] == scores["majority"]
        assert scores["nll"] <= scores["members' nll"] + 1e-6


def test_a_trio_has_of_each_class_the_model_with_its_seed() -> None:
    seeds = (2, 0, 1)
    models = ensemble_rules.trio("test", seeds)
    for at, (one, seed) in enumerate(zip(models, seeds, strict=True)):
        assert torch.equal(one, TEST.of_seed(seed)[at])
    rules = ensemble_rules.combined(seeds, strengths=(0.03, 0.03, 0.03))
    assert torch.equal(rules["average"], models.mean(0))
    assert torch.equal(rules["majority"].argmax(-1), voting.majority_vote(models))
    fit = ensemble_rules.trio("stack", seeds)
    best = max(range(3), key=lambda at: READ["stack"].accuracy(fit[at].argmax(-1)))
    assert torch.equal(rules["best"], models[best])
