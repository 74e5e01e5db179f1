"""The numpy twin of the figure's mathematics: against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from frontier_widgets import (
    compare_routers,
    expert_parallel,
    mutual_information,
    route,
    shuffled_information,
    token_path,
)


@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("capacity_factor", [0.0, 0.5, 1.0, 1.25])
def test_agrees_with_a_loop_over_tokens(top_k: int, capacity_factor: float) -> None:
    scores = np.random.default_rng(top_k).standard_normal((37, 5))
    routing = route(scores, top_k, temperature=1.3, capacity_factor=capacity_factor)
    queue = [0] * 5
    for token, row in enumerate(scores):
        p = [math.exp(z / 1.3) for z in row]
        p = [value / sum(p) for value in p]
        best = sorted(range(5), key=lambda e: -row[e])[:top_k]
        mass = sum(p[e] for e in best)
        for rank, e in enumerate(best):
            room = capacity_factor == 0 or queue[e] < math.ceil(capacity_factor * top_k * 37 / 5)
            assert routing.experts[token, rank] == e
            assert routing.weights[token, rank] == pytest.approx(p[e] / mass, rel=1e-12)
            assert routing.kept[token, rank] == room
            assert routing.slots[token, rank] == (queue[e] if room else -1)
            queue[e] += 1
    assert routing.counts.tolist() == queue
    assert routing.drop_fraction == pytest.approx(1 - routing.kept.mean())


def test_balance_loss_is_1_when_even_and_e_over_k_when_collapsed() -> None:
    even = route(np.tile(np.eye(4), (5, 1)) * 3, 1)
    assert even.balance_loss == pytest.approx(1)
    assert even.cv == pytest.approx(0)
    assert even.entropy == pytest.approx(2)
    collapsed = route(np.tile([60.0, 30.0, 0.0, 0.0], (9, 1)), 2)
    assert collapsed.balance_loss == pytest.approx(4 / 2)


def test_no_tokens_give_zeros() -> None:
    routing = route(np.zeros((0, 4)), 2)
    assert (routing.balance_loss, routing.cv, routing.entropy, routing.drop_fraction) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logits": np.zeros(3), "top_k": 1}, r"logits: got shape \(3,\)"),
        ({"logits": np.zeros((3, 2)), "top_k": 3}, "top_k: got 3, wanted 1 to 2"),
        ({"logits": np.zeros((3, 2)), "top_k": 1, "temperature": 0.0}, "temperature: got 0.0"),
        ({"logits": np.zeros((3, 2)), "top_k": 1, "capacity_factor": -1.0}, "capacity_factor: got -1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        route(**arguments)  # type: ignore[arg-type]


def test_priority_serves_the_surest_first_and_seconds_after_all_firsts() -> None:
    scores = np.array([[0.1, 0.0, -9.0], [0.2, 0.0, -9.0], [3.0, 0.0, -9.0]])
    arrival, sure = (route(scores, 2, capacity_factor=0.5, priority=first) for first in (False, True))
    assert arrival.kept[:, 0].tolist() == [True, False, False]
    assert sure.kept[:, 0].tolist() == [False, False, True]
    assert sure.slots.max() == 0
    assert (arrival.counts == sure.counts).all()


def test_z_loss_is_the_mean_square_of_the_log_sums() -> None:
    scores = np.random.default_rng(1).standard_normal((20, 6)) * 3
    wanted = np.mean(np.log(np.exp(scores).sum(axis=1)) ** 2)
    assert route(scores, 2, temperature=0.5).z_loss == pytest.approx(wanted)


def test_information_is_one_bit_for_two_groups_that_part_and_nothing_for_chance() -> None:
    scores = np.repeat(np.eye(2)[[0, 1]], 50, axis=0)  # the first fifty tokens choose expert 0
    routing = route(scores, 1)
    groups = np.repeat([0, 1], 50)
    assert mutual_information(routing, groups) == pytest.approx(1)
    assert mutual_information(routing, np.tile([0, 1], 50)) == pytest.approx(0, abs=1e-12)
    chance = shuffled_information(routing, groups, 50)
    assert (np.diff(chance) >= 0).all()
    assert chance[-1] < 0.2


def test_devices_compute_every_kept_assignment_and_send_what_is_elsewhere() -> None:
    routing = route(np.random.default_rng(2).standard_normal((40, 8)), 2, capacity_factor=1.0)
    alone, four = expert_parallel(routing, 1), expert_parallel(routing, 4)
    assert alone.load.tolist() == [routing.kept.sum()]
    assert alone.sent.tolist() == [0]
    assert alone.straggler == 1
    assert four.load.sum() == routing.kept.sum()
    home = np.arange(40)[:, None] // 10
    away = (routing.experts // 2 != home) & routing.kept
    assert four.sent.tolist() == [int(away[10 * d : 10 * (d + 1)].sum()) for d in range(4)]
    with pytest.raises(ValueError, match="devices: got 3, wanted a divisor of the 8 experts"):
        expert_parallel(routing, 3)


def test_routers_differ_as_their_papers_say() -> None:
    scores = np.random.default_rng(3).standard_normal((64, 8)) + np.linspace(0, 2, 8)
    by = {each.name: each for each in compare_routers(scores, 1.0)}
    assert by["expert_choice"].counts.tolist() == [16] * 8
    assert by["loss_free"].cv < 0.05 < 0.3 < by["top2"].cv
    assert by["shared"].unserved == 0 < by["switch"].unserved
    assert by["switch"].counts.tolist() == route(scores, 1).counts.tolist()
    assert by["top2"].drop_fraction == pytest.approx(route(scores, 2, capacity_factor=1.0).drop_fraction)
    again = {each.name: each for each in compare_routers(scores, 1.0, seed=1)}
    assert (again["noisy"].counts != by["noisy"].counts).any()
    with pytest.raises(ValueError, match=r"logits: got shape \(3,\)"):
        compare_routers(np.zeros(3))


def test_a_path_is_the_routing_of_one_token_in_every_layer() -> None:
    scores = np.random.default_rng(3).standard_normal((3, 20, 5))
    way = token_path(scores, 7, 2, temperature=0.7)
    for layer in range(3):
        routing = route(scores[layer], 2, temperature=0.7)
        assert (way.experts[layer] == routing.experts[7]).all()
        assert way.weights[layer] == pytest.approx(routing.weights[7])
    first = [tuple(scores[:, token].argmax(-1)) for token in range(20)]
    assert way.alike == first.count(first[7])
    assert token_path(np.repeat(scores[:, :1], 20, axis=1), 0, 2).alike == 20
    with pytest.raises(ValueError, match="token: got 20, wanted 0 to 19"):
        token_path(scores, 20, 2)
    with pytest.raises(ValueError, match=r"logits: got shape \(20, 5\), wanted \[layers, tokens, experts\]"):
        token_path(scores[0], 0, 2)
