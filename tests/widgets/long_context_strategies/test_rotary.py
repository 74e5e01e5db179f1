"""Rotations and ALiBi against transformers, and against what each method promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from frontier_widgets.rotary import (
    METHODS,
    Rotary,
    alibi_slopes,
    alibi_window,
    closest,
    frequencies,
    ntk_base,
    resolution,
    similarity,
    temperature,
    turns,
)
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

SIZES = [
    {"head_dim": 64, "base": 10000.0, "trained": 2048, "factor": 4.0},
    {"head_dim": 28, "base": 10000.0, "trained": 64, "factor": 4.0},
    {"head_dim": 128, "base": 500000.0, "trained": 8192, "factor": 8.0},
    {"head_dim": 4, "base": 100.0, "trained": 100, "factor": 1.5},
]


def build(method: Any, size: dict[str, Any], **more: Any) -> Rotary:
    factors = np.linspace(1, size["factor"], size["head_dim"] // 2).tolist() if method == "longrope" else ()
    return Rotary(method, factors=factors, **size, **more)


def transformers_own(rotary: Rotary, length: int) -> tuple[torch.Tensor, float]:
    config = LlamaConfig(
        hidden_size=rotary.head_dim,
        num_attention_heads=1,
        max_position_embeddings=rotary.trained,
        rope_parameters=rotary.rope_parameters(),
    )
    kind = config.rope_parameters["rope_type"]
    if kind == "default":
        return LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    return ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=length)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["head_dim"]))
@pytest.mark.parametrize("times", [0.5, 1, 2, 8])
def test_every_method_is_that_of_transformers(method: Any, size: dict[str, Any], times: float) -> None:
    length = int(times * size["trained"])
    rotary = build(method, size, length=length)
    theirs, scaling = transformers_own(rotary, length)
    np.testing.assert_allclose(frequencies(rotary), theirs.numpy(), rtol=2e-6)
    assert temperature(rotary) == pytest.approx(scaling)


def test_every_type_that_transformers_has_is_among_the_methods() -> None:
    # "proportional" rotates a part of the pairs and stretches nothing.
    assert set(ROPE_INIT_FUNCTIONS) - set(METHODS) == {"proportional"}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["head_dim"]))
def test_what_each_method_does_to_the_fastest_and_the_slowest_pair(size: dict[str, Any]) -> None:
    plain = frequencies(build("default", size))
    stretch = {method: plain / frequencies(build(method, size)) for method in METHODS}
    s = size["factor"]
    np.testing.assert_allclose(stretch["linear"], s)
    for method in ("ntk", "dynamic", "by_parts", "yarn", "llama3"):
        assert stretch[method][0] == pytest.approx(1)
        assert (np.diff(stretch[method]) >= -1e-9).all()
        assert stretch[method].max() <= s * s  # dynamic goes on to the length, at this factor
    assert stretch["ntk"][-1] == pytest.approx(s)
    for method in ("by_parts", "yarn", "llama3"):
        around = turns(plain, size["trained"])
        np.testing.assert_allclose(stretch[method][around < 0.25], s)


def test_reading_no_more_than_was_trained_leaves_dynamic_and_longrope_alone() -> None:
    size = SIZES[0]
    plain = frequencies(build("default", size))
    for method in ("dynamic", "longrope"):
        for length in (100, size["trained"]):
            assert np.array_equal(frequencies(build(method, size, length=length)), plain)
        assert not np.array_equal(frequencies(build(method, size, length=size["trained"] + 1)), plain)


def test_without_a_factor_every_formula_changes_nothing() -> None:
    size = {**SIZES[0], "factor": 1.0}
    for method in METHODS:
        rotary = build(method, size)
        np.testing.assert_allclose(frequencies(rotary), frequencies(build("default", size)))
        assert temperature(rotary) == 1


def test_interpolating_is_reading_at_positions_in_between() -> None:
    size = SIZES[0]
    linear, plain = (frequencies(build(method, size)) for method in ("linear", "default"))
    places = np.arange(0, 500, 7)
    np.testing.assert_allclose(similarity(linear, places), similarity(plain, places / size["factor"]))
    assert resolution(linear) < resolution(plain) / 3  # of a factor of 4
    assert resolution(frequencies(build("yarn", size))) > 0.95 * resolution(plain)


def test_similarity_starts_at_one_and_wavelengths_come_round() -> None:
    assert similarity([0.3, 0.01], [0])[0] == 1
    assert similarity([2 * math.pi / 50], [50])[0] == pytest.approx(1)
    np.testing.assert_allclose(turns([2 * math.pi / 50, 2 * math.pi], 100), [2, 100])


def test_the_closest_positions_are_found_by_comparing_all() -> None:
    speeds = frequencies(Rotary(head_dim=8, base=20.0, trained=64))
    place, chord = closest(speeds, 200)
    points = np.exp(1j * np.outer(np.arange(200), speeds))
    apart = np.sqrt((np.abs(points[:, None] - points[None, :]) ** 2).mean(-1))
    np.fill_diagonal(apart, np.inf)
    assert chord == pytest.approx(apart.min())
    assert apart[0, place] == pytest.approx(chord)
    assert resolution(speeds) == pytest.approx(apart[0, 1])


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 8, 12, 16, 20, 32, 40, 112])
def test_slopes_are_blooms(heads: int) -> None:
    bias = build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)  # [heads, 1, 2]: slope times place
    np.testing.assert_allclose(alibi_slopes(heads), bias[:, 0, 1].numpy(), rtol=1e-6)
    np.testing.assert_allclose(alibi_window(alibi_slopes(heads), 4) * alibi_slopes(heads), 4)


def test_the_ntk_base_is_the_one_that_the_lab_uses() -> None:
    from frontier_lab.methods.long_context import ntk_theta

    assert ntk_base(1e4, 4, 28) == ntk_theta(1e4, 4, 28)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "wide"}, "method: got 'wide', wanted one of default"),
        ({"head_dim": 7}, "head_dim: got 7, wanted an even number"),
        ({"trained": 1}, "trained: got 1, wanted 2 or more"),
        ({"factor": 0.5}, "factor: got 0.5, wanted 1 or more"),
        ({"base": math.inf}, "base: got inf, wanted 1 or more"),
        ({"beta_slow": 40.0}, "beta_slow: got 40.0, wanted above 0 and below beta_fast"),
        ({"low": 0.0}, "low: got 0.0, wanted above 0 and below high"),
        ({"method": "longrope"}, "factors: got 0 numbers, wanted 32"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rotary(**settings)


def test_arguments_that_cannot_be_are_named() -> None:
    for call, message in (
        (lambda: closest([1.0], 1), "tokens: got 1, wanted 2 or more"),
        (lambda: alibi_slopes(0), "heads: got 0, wanted 1 or more"),
        (lambda: alibi_window([1.0], 0), "nats: got 0, wanted above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
