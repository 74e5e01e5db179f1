"""The numpy twin of the figure's mathematics: against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from frontier_widgets import route


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
        ({"logits": np.zeros(3), "top_k": 1}, r"logits has shape \(3,\)"),
        ({"logits": np.zeros((3, 2)), "top_k": 3}, "top_k is 3, wanted 1 to 2"),
        ({"logits": np.zeros((3, 2)), "top_k": 1, "temperature": 0.0}, "temperature is 0.0"),
        ({"logits": np.zeros((3, 2)), "top_k": 1, "capacity_factor": -1.0}, "capacity_factor is -1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        route(**arguments)  # type: ignore[arg-type]
