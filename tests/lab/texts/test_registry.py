"""The list of all texts and probes: complete, licensed, and each gives a sample that its seed decides."""

from __future__ import annotations

import importlib

import pytest

from frontier_lab.texts import corpus, registry

NAMES = list(registry.DATASETS)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_text_and_its_seed_decides_it(name: str) -> None:
    texts = [registry.sample(name, seed) for seed in range(8)]
    assert texts == [registry.sample(name, seed) for seed in range(8)]
    assert all(text.strip() for text in texts)
    assert len(set(texts)) > 1


@pytest.mark.parametrize("name", NAMES)
def test_every_dataset_says_what_it_is_and_its_licence(name: str) -> None:
    dataset = registry.DATASETS[name]
    assert dataset.name == name
    assert dataset.what
    assert dataset.licence
    assert importlib.import_module(f"frontier_lab.texts.{dataset.module}").__doc__
    assert dataset.by_rule == (dataset.licence == registry.OURS)


def test_every_corpus_is_listed() -> None:
    assert set(corpus.DOMAINS) <= set(NAMES)
    assert not any(registry.DATASETS[domain].by_rule for domain in corpus.DOMAINS)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="name: got 'pile', wanted one of bible, jargon"):
        registry.sample("pile")
