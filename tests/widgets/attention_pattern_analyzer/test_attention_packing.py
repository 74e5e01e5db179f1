"""Packed weights hold what a figure draws, within the bytes that a page may carry."""

from __future__ import annotations

import numpy as np
import pytest
from frontier_widgets.attention_pattern_analyzer.packing import Packed, pack, unpack
from numpy.typing import NDArray


def drawn(shape: tuple[int, int, int, int], *, causal: bool, sharp: float = 3.0) -> NDArray[np.float32]:
    scores = np.exp(sharp * np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
    if causal:
        scores = np.tril(scores)
    weights: NDArray[np.float32] = scores / scores.sum(-1, keepdims=True)
    return weights


@pytest.mark.parametrize("causal", [True, False])
def test_short_texts_keep_every_weight(causal: bool) -> None:
    weights = drawn((2, 3, 17, 17), causal=causal)
    packed = pack(weights, causal=causal)
    assert packed.form == "dense"
    assert len(packed.data) == 6 * (17 * 18 // 2 if causal else 17 * 17)
    np.testing.assert_allclose(unpack(packed, weights.shape), weights, atol=0.5 / 255 + 1e-6)


def test_other_keys_keep_their_columns() -> None:
    weights = drawn((2, 2, 5, 9), causal=False)
    np.testing.assert_allclose(unpack(pack(weights, causal=False), weights.shape), weights, atol=0.002)


@pytest.mark.parametrize("causal", [True, False])
def test_long_texts_keep_the_largest_of_each_row(causal: bool) -> None:
    weights = drawn((2, 3, 60, 60), causal=causal)
    packed = pack(weights, causal=causal, dense=0, sparse=6 * 60 * (1 + 3 * 8))
    assert packed.form == "sparse"
    assert len(packed.data) <= 6 * 60 * 25
    found = unpack(packed, weights.shape)
    there = found > 0
    np.testing.assert_allclose(found[there], weights[there], atol=0.002)
    least = np.where(there, found, 1).min(-1)
    left_out = np.where(there, 0, weights).max(-1)
    assert (left_out <= least + 0.0021).all()
    assert packed.kept == pytest.approx(found.sum() / weights.sum(), abs=1e-4)
    assert 0.5 < packed.kept < 1


def test_512_tokens_and_144_heads_are_four_megabytes() -> None:
    weights = drawn((12, 12, 512, 512), causal=True)
    packed = pack(weights, causal=True)
    assert len(packed.data) <= 4_000_000
    assert packed.kept > 0.75
    found = unpack(packed, weights.shape)
    assert (found[3, 4].argmax(-1) == weights[3, 4].argmax(-1)).mean() > 0.95


def test_what_cannot_be_packed_is_named() -> None:
    with pytest.raises(ValueError, match="columns, wanted at most 65536"):
        pack(np.zeros((1, 1, 1, 70000)), causal=False)
    with pytest.raises(
        ValueError, match="weights: got 40 rows, wanted fewer: each takes a weight, all at most 41 bytes"
    ):
        pack(drawn((1, 1, 40, 40), causal=False), causal=False, dense=0, sparse=41)


def test_a_row_of_nothing_is_nothing() -> None:
    packed = Packed("sparse", False, bytes([0, 1]) + b"\x01\x00" + b"\xff", 1.0)
    np.testing.assert_allclose(unpack(packed, (1, 1, 2, 2))[0, 0], [[0, 0], [0, 1]])
