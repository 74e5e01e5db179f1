"""The figure's rules are those of the lab, the landscape is measured, the vectors are packed without loss."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from frontier_widgets.draws import drawn, draws
from frontier_widgets.model_merging.landscape import decode, estimate
from frontier_widgets.model_merging.rules import EMBEDDING, Merge, largest, merge

from frontier_lab.figure_data.task_vectors import packed, unpacked
from frontier_lab.methods import merging

SHAPES = {"model.embed_tokens.weight": (13, 8), "model.layers.0.q.weight": (8, 9), "model.norm.weight": (8,)}
WEIGHTS = (0.9, -0.3, 0.6)


def states(seed: int, count: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    return [
        {name: generator.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
        for _ in range(count)
    ]


def tensors(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values).double() for name, values in state.items()}


def check(found: dict[str, Any], wanted: Any) -> None:
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values.numpy(), rtol=0, atol=1e-6)


BASE, *VECTORS = states(0, 4)
START, OFFSETS = tensors(BASE), [tensors(vector) for vector in VECTORS]


def test_a_sum_is_task_arithmetic() -> None:
    check(merge(BASE, VECTORS, Merge(WEIGHTS)), merging.add(START, OFFSETS, WEIGHTS))


def test_an_average_is_the_weighted_mean_of_the_models() -> None:
    tuned = [merging.add(START, [offset], 1.0) for offset in OFFSETS]
    check(
        merge(BASE, VECTORS, Merge((0.5, 1.0, 1.5), rule="average")), merging.linear(tuned, (0.5, 1.0, 1.5))
    )
    check(merge(BASE, VECTORS, Merge((1.0, 1.0, 1.0), rule="average")), merging.average(tuned))


def test_an_average_without_a_weight_above_zero_is_the_base() -> None:
    check(merge(BASE, VECTORS, Merge((0.0, -1.0, 0.0), rule="average")), START)


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_ties_is_that_of_the_lab_on_weighted_vectors(density: float) -> None:
    weighted = [
        {name: w * tensor for name, tensor in offset.items()}
        for w, offset in zip(WEIGHTS, OFFSETS, strict=True)
    ]
    wanted = merging.add(START, [merging.ties(weighted, density)], 1.0)
    check(merge(BASE, VECTORS, Merge(WEIGHTS, rule="ties", density=density)), wanted)


def test_where_signs_balance_ties_takes_plus_as_the_lab_does() -> None:
    vectors = [{"w": np.array([0.5, -0.25, 0, 0.5], np.float32) * sign} for sign in (1, -1)]
    found = merge({"w": np.zeros(4, np.float32)}, vectors, Merge((1.0, 1.0), rule="ties", density=1.0))["w"]
    assert (
        found.tolist()
        == [0.5, 0.25, 0, 0.5]
        == merging.ties([tensors(v) for v in vectors], 1.0)["w"].tolist()
    )


@pytest.mark.parametrize("pair", [(0, 1), (2, 0)])
def test_nuslerp_is_that_of_the_lab(pair: tuple[int, int]) -> None:
    how = Merge((0.3, 0.9, 0.6), rule="nuslerp", pair=pair)
    one, other = (how.weights[at] for at in pair)
    wanted = merging.nuslerp(START, *(OFFSETS[at] for at in pair), other / (one + other))
    check(merge(BASE, VECTORS, how), wanted)
    alike = [VECTORS[0], {name: 2 * values for name, values in VECTORS[0].items()}, VECTORS[2]]
    check(merge(BASE, alike, Merge((1.0, 1.0, 0.0), rule="nuslerp")), merging.add(START, [OFFSETS[0]], 1.5))


def test_dare_keeps_its_share_scaled_up_and_another_seed_keeps_others() -> None:
    base = {"w": np.zeros((200, 300), np.float32)}
    vectors = [{"w": np.full((200, 300), value, np.float32)} for value in (1, 2, 4)]
    found = merge(base, vectors, Merge((1.0, 0.0, 0.0), rule="dare", density=0.25, seed=1))["w"]
    assert set(np.unique(found)) == {0.0, 4.0}
    assert np.mean(found > 0) == pytest.approx(0.25, abs=0.01)
    again = merge(base, vectors, Merge((1.0, 0.0, 0.0), rule="dare", density=0.25, seed=2))["w"]
    assert np.mean(found == again) < 0.7
    both = merge(base, vectors, Merge((1.0, 1.0, 0.0), rule="dare", density=0.5, seed=1))["w"]
    assert {0.0, 2.0, 4.0, 6.0} == set(np.unique(both)), "each vector drops entries of its own"


@pytest.mark.parametrize("rule", ["sum", "average", "ties", "dare", "nuslerp"])
def test_the_embedding_stays_at_the_base_where_it_is_left_out(rule: str) -> None:
    whole = merge(BASE, VECTORS, Merge(WEIGHTS, rule=rule))
    found = merge(BASE, VECTORS, Merge(WEIGHTS, rule=rule, embedding=False))
    for name in SHAPES:
        assert np.array_equal(found[name], (BASE if EMBEDDING in name else whole)[name])


def test_of_equal_entries_the_first_are_the_largest() -> None:
    kept = largest(np.array([[1, -2, 2], [0, 2, -2]]), 0.5)
    assert kept.tolist() == [[False, True, True], [False, True, False]]
    assert largest(np.zeros(4), 0.01).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rule": "magic"}, "rule: got 'magic', wanted one of sum, average"),
        ({"density": 0.0}, r"density: got 0.0, wanted more than 0"),
    ],
)
def test_a_merge_that_is_none_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Merge((1.0, 1.0, 1.0), **wrong)
    with pytest.raises(ValueError, match="weights: got 2, wanted one for each of 3 vectors"):
        merge(BASE, VECTORS, Merge((1.0, 1.0)))


def test_numbers_drawn_at_once_are_those_drawn_one_by_one() -> None:
    for seed, row in ((0, 0), (99, 113), (7, 5)):
        assert drawn(seed, row, 50).tolist() == list(islice(draws(seed, row), 50))


def test_between_nodes_the_estimate_is_linear_and_beyond_them_constant() -> None:
    axis = (-0.5, 0.0, 1.0)
    plane = np.array([[[[a + 10 * b + 100 * c] for c in axis] for b in axis] for a in axis])
    for weights in ((0.2, -0.1, 0.7), (-0.5, 0.0, 1.0), (0.99, 0.01, -0.49)):
        assert estimate(plane, axis, weights)[0] == pytest.approx(np.dot(weights, (1, 10, 100)))
    assert estimate(plane, axis, (3.0, -2.0, 0.0)) == estimate(plane, axis, (1.0, -0.5, 0.0))


def test_a_grid_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="grid: got 2 bytes, wanted 128 for"):
        decode(b"ab", 1, 2, 3)


def test_packing_keeps_values_to_half_a_step_of_their_row() -> None:
    values = np.random.default_rng(1).standard_normal((6, 50)).astype(np.float32)
    values[3] = 0
    values[4] *= 1e-6
    steps, scales = packed(values)
    assert steps.dtype == np.int8
    assert scales.shape == (6,)
    assert (np.abs(unpacked(steps, scales) - values) <= 0.5001 * scales[:, None]).all()
    assert np.abs(steps).max(1).tolist() == [127, 127, 127, 0, 127, 127]
    flat, one = packed(values[0])
    assert np.array_equal(flat, steps[0])
    assert one.shape == (1,)
