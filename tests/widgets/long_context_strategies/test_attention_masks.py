"""The patterns of attention against their definitions, and against the models that they are named after."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from frontier_widgets.attention_masks import (
    KINDS,
    Pattern,
    count,
    in_last_row,
    layers_to_see,
    mean_path_length,
    visible,
)
from frontier_widgets.draws import draws

SETTINGS: list[dict[str, Any]] = [
    {},
    {"window": 1, "stride": 1, "dilation": 1, "anchors": 0, "sinks": 0, "random": 0},
    {"window": 7, "dilation": 3, "anchors": 3, "random": 5, "stride": 5, "sinks": 2, "seed": 9},
    {"window": 4, "dilation": 4, "anchors": 40, "random": 40, "stride": 40, "sinks": 40},
]


def patterns() -> list[Pattern]:
    return [
        Pattern(kind, causal=causal, **settings)
        for kind, causal, settings in product(KINDS, (True, False), SETTINGS)
    ]


@pytest.mark.parametrize("pattern", patterns(), ids=str)
def test_the_count_is_that_of_the_mask(pattern: Pattern) -> None:
    for n in (1, 2, 3, 8, 31, 64, 129):
        mask = visible(pattern, n)
        assert count(pattern, n) == mask.sum()
        assert in_last_row(pattern, n) == mask[-1].sum()


@pytest.mark.parametrize("pattern", patterns(), ids=str)
def test_every_token_sees_itself_and_a_causal_one_nothing_later(pattern: Pattern) -> None:
    mask = visible(pattern, 37)
    assert mask.diagonal().all()
    assert pattern.forward == (not np.triu(mask, 1).any()) or pattern.window == 1


def test_a_million_tokens_are_counted_at_once() -> None:
    million = 1 << 20
    assert count(Pattern("full"), million) == million**2
    assert count(Pattern("causal"), million) == million * (million + 1) // 2
    assert count(Pattern("window", window=4096), million) == 4096 * 4097 // 2 + (million - 4096) * 4096
    assert count(Pattern("sinks", window=1000, sinks=4), million) < 1004 * million


def test_each_pattern_is_what_its_paper_says() -> None:
    def row(kind: Any, place: int, **settings: Any) -> list[int]:
        return np.flatnonzero(visible(Pattern(kind, **settings), 24)[place]).tolist()

    assert row("window", 10, window=4) == [7, 8, 9, 10]
    assert row("window", 10, window=4, causal=False) == row("window", 10, window=5, causal=False)
    assert row("window", 10, window=5, causal=False) == [8, 9, 10, 11, 12]
    assert row("dilated", 10, window=4, dilation=3) == [1, 4, 7, 10]
    assert row("global", 10, window=2, anchors=2) == [0, 1, 9, 10]
    assert row("global", 1, window=2, anchors=2, causal=False) == list(range(24))
    assert row("strided", 10, stride=4) == [2, 6, 7, 8, 9, 10]
    assert row("sinks", 10, window=2, sinks=3) == [0, 1, 2, 9, 10]
    drawn = row("random", 20, window=2, anchors=1, random=3)
    assert len(drawn) == 6
    assert {0, 19, 20} < set(drawn)


def test_the_causal_window_is_the_one_of_mistral() -> None:
    # Longformer's attention_window counts both sides without the token itself, Mistral's the token too.
    from transformers.masking_utils import sliding_window_overlay

    overlay = sliding_window_overlay(4)
    mask = visible(Pattern("window", window=4), 16)
    for query, key in product(range(16), range(16)):
        theirs = bool(overlay(0, 0, np.int64(query), np.int64(key))) and key <= query  # type: ignore[arg-type]
        assert mask[query, key] == theirs


def test_random_tokens_are_drawn_evenly_and_by_the_seed() -> None:
    pattern = Pattern("random", causal=False, window=1, anchors=0, random=4)
    mask = visible(pattern, 200)
    assert (mask.sum(1) == 5).all()
    assert not np.array_equal(mask, visible(Pattern("random", False, 1, 2, 0, 4, seed=1), 200))
    seen = mask.sum(0) - 1
    assert abs(seen.mean() - 4) < 1e-9
    assert 1.5 < seen.std() < 2.5  # binomial: the square root of 4
    assert np.mean([next(draws(3, row)) for row in range(2000)]) == pytest.approx(0.5, abs=0.02)


def test_layers_to_see_are_those_of_matrix_powers() -> None:
    for pattern in patterns():
        mask = visible(pattern, 29).astype(np.int64)
        found = layers_to_see(mask.astype(bool))
        reached = np.eye(29, dtype=np.int64)
        for layer in range(30):
            seen = reached[-1] > 0
            assert np.array_equal(seen, (found >= 0) & (found <= layer))
            reached = np.minimum(reached @ mask, 1)


def test_a_window_needs_as_many_layers_as_it_takes_to_walk_back() -> None:
    assert layers_to_see(visible(Pattern("causal"), 100))[0] == 1
    assert layers_to_see(visible(Pattern("window", window=12), 100))[0] == 9  # 99 tokens by steps of 11
    assert layers_to_see(visible(Pattern("sinks", window=12), 100))[0] == 1
    assert layers_to_see(visible(Pattern("strided", stride=10), 100))[0] == 2
    assert layers_to_see(visible(Pattern("dilated", window=2, dilation=2), 100))[0] == -1  # only odd tokens


def test_a_few_random_tokens_shorten_the_paths() -> None:
    window = mean_path_length(visible(Pattern("window", causal=False, window=5), 128))
    random = mean_path_length(visible(Pattern("random", False, 5, anchors=0, random=2), 128))
    assert window[1] == random[1] == 1.0
    # By steps of two, two tokens at a distance uniform in the line are a sixth of it in steps apart.
    assert window[0] == pytest.approx(128 / 6, rel=0.05)
    assert random[0] < 5
    assert mean_path_length(visible(Pattern("causal"), 10)) == (1.0, 0.5)
    assert mean_path_length(np.eye(3, dtype=bool)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "wide"}, "kind: got 'wide', wanted one of full"),
        ({"kind": "window", "window": 0}, "window: got 0, wanted 1 or more"),
        ({"kind": "sinks", "sinks": -1}, "sinks: got -1, wanted 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pattern(**settings)
    for function in (visible, count):
        with pytest.raises(ValueError, match="n: got 0, wanted 1 or more"):
            function(Pattern("full"), 0)  # type: ignore[operator]
