"""A probe finds what is there, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.methods import probes
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts import grammar


def clustered(strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 600)
    vectors = generator.standard_normal((600, 20))
    vectors[:, 3] += strength * (2 * labels - 1)
    return vectors, labels, np.arange(600) // 6


def test_what_is_linear_is_found_and_noise_is_not() -> None:
    vectors, labels, groups = clustered(2.0)
    found = probes.probe(vectors, labels, groups)
    assert found.accuracy > 0.95
    assert found.low <= found.accuracy <= found.high
    nothing = probes.probe(*clustered(0.0))
    assert nothing.low < nothing.majority < nothing.high + 0.05
    assert nothing.accuracy == pytest.approx(0.5, abs=0.08)


def test_what_belongs_together_is_never_on_both_sides() -> None:
    """Vectors that tell the group and nothing else: a probe that had met the group would be right."""
    groups = np.arange(400) // 8
    labels = np.random.default_rng(1).integers(0, 2, 50)[groups]
    vectors = np.eye(50)[groups]
    assert probes.probe(vectors, labels, groups).accuracy < 0.65
    assert probes.probe(vectors, labels, np.arange(400)).accuracy > 0.95


def test_a_control_label_belongs_to_its_word() -> None:
    words = ["a", "b", "c", "a", "b", "a"] * 50
    labels = ["x"] * 200 + ["y"] * 100
    found = probes.control_labels(words, labels, 3)
    assert set(found) <= {"x", "y"}
    assert len({(word, label) for word, label in zip(words, found, strict=True)}) == 3
    assert found == probes.control_labels(words, labels, 3)


def test_vectors_are_the_models_own_and_pieces_are_averaged() -> None:
    folder = str(committed("bert"))
    model, tokenizer = hub.load(folder), AutoTokenizer.from_pretrained(folder)
    sentences = [sentence.words for sentence in grammar.sentences(5, 0)]
    found = probes.word_vectors(model, tokenizer, sentences, batch_size=2)
    assert [vectors.shape[:2] for vectors in found] == [(5, len(words)) for words in sentences]
    alone = probes.word_vectors(model, tokenizer, sentences[3:4])
    np.testing.assert_allclose(found[3], alone[0], atol=1e-4)


def test_wrong_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="labels, groups: got 2 and 3 entries, wanted 3"):
        probes.probe(np.zeros((3, 2)), [0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="groups: got 2 different ones, wanted at least 5"):
        probes.probe(np.zeros((4, 2)), [0, 1, 0, 1], [0, 1, 0, 1])
