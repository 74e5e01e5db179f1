"""Routing: selection, permutation, capacity, groups, bias, against the readable reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import frontier_kernels as fk
from frontier_kernels import reference


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 40), st.integers(1, 17))
def test_the_plan_equals_the_reference(data: st.DataObject, tokens: int, experts: int) -> None:
    top_k = data.draw(st.integers(1, experts))
    capacity = data.draw(st.none() | st.integers(0, 12))
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    logits = torch.randint(-3, 3, (tokens, experts)).float()  # many ties on purpose
    routing = fk.route(logits, top_k, capacity=capacity)
    chosen = reference.select_experts(logits.softmax(-1), top_k)
    assert torch.equal(routing.experts, chosen)
    plan = reference.permute_slots(chosen, experts, capacity)
    got = (routing.counts, routing.demand, routing.offsets, routing.slot_to_row, routing.row_to_slot)
    for ours, wanted in zip(got, plan, strict=True):
        assert torch.equal(ours, wanted)


def test_rows_of_an_expert_keep_the_order_of_the_tokens() -> None:
    routing = fk.route(torch.randn(200, 8), 2)
    for e in range(8):
        slots = routing.row_to_slot[routing.offsets[e] : routing.offsets[e + 1]]
        assert torch.equal(slots, slots.sort().values)
        assert (routing.experts.reshape(-1)[slots] == e).all()


def test_weights_sum_to_one_and_carry_the_gradient_of_softmax() -> None:
    logits = torch.randn(31, 6, dtype=torch.float64, requires_grad=True)

    def weights(z: torch.Tensor) -> torch.Tensor:
        return fk.route(z, 3).weights

    torch.testing.assert_close(weights(logits).sum(-1), torch.ones(31, dtype=torch.float64))
    assert torch.autograd.gradcheck(weights, (logits,))


def test_without_renormalisation_the_weights_are_the_probabilities() -> None:
    logits = torch.randn(9, 5)
    routing = fk.route(logits, 2, renormalize=False)
    torch.testing.assert_close(routing.weights, logits.softmax(-1).topk(2).values)


def test_sigmoid_scores_choose_as_sigmoid_does() -> None:
    logits = torch.randn(9, 5)
    routing = fk.route(logits, 2, scoring="sigmoid", renormalize=False)
    torch.testing.assert_close(routing.weights, logits.sigmoid().topk(2).values)


def test_expert_bias_moves_the_choice_and_leaves_the_weights() -> None:
    logits = torch.randn(64, 4)
    bias = torch.tensor([10.0, 0, 0, 0])
    routing = fk.route(logits, 1, expert_bias=bias, renormalize=False)
    assert (routing.experts == 0).all()
    torch.testing.assert_close(routing.weights[:, 0], logits.softmax(-1)[:, 0])


@pytest.mark.parametrize(("groups", "open_groups"), [(4, 2), (2, 1), (8, 5), (3, 3)])
def test_groups_limit_the_choice_to_the_best_of_them(groups: int, open_groups: int) -> None:
    experts = 24
    logits = torch.randn(80, experts)
    routing = fk.route(logits, 2, num_groups=groups, top_k_groups=open_groups)
    assert torch.equal(routing.experts, reference.select_experts(logits.softmax(-1), 2, groups, open_groups))


def test_capacity_drops_late_tokens_and_reports_them() -> None:
    logits = torch.zeros(10, 4)
    logits[:, 1] = 5
    routing = fk.route(logits, 1, capacity=3)
    assert routing.dropped[:, 0].tolist() == [False] * 3 + [True] * 7
    assert routing.counts.tolist() == [0, 3, 0, 0]
    assert routing.demand.tolist() == [0, 10, 0, 0]


def test_expert_capacity_rounds_up() -> None:
    assert fk.expert_capacity(num_tokens=10, num_experts=4, top_k=2, capacity_factor=1.25) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k: got 0, wanted 1 to 4"),
        ({"top_k": 5}, "top_k: got 5"),
        ({"top_k": 2, "scoring": "relu"}, "scoring: got 'relu'"),
        ({"top_k": 2, "capacity": -1}, "capacity: got -1"),
        ({"top_k": 2, "expert_bias": torch.zeros(3)}, r"expert_bias: got shape \(3,\), wanted \[4\]"),
        ({"top_k": 2, "num_groups": 3}, "num_groups: got 3, wanted a divisor of 4"),
        ({"top_k": 2, "top_k_groups": 1}, "top_k_groups: got 1 without num_groups"),
        (
            {"top_k": 3, "num_groups": 2, "top_k_groups": 1},
            r"top_k_groups: got 1 groups of 2 experts, wanted at least top_k = 3",
        ),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fk.route(torch.randn(6, 4), **arguments)  # type: ignore[arg-type]


def test_bad_logits_are_named() -> None:
    with pytest.raises(TypeError, match=r"logits: got torch\.float16"):
        fk.route(torch.randn(6, 4).half(), 2)
    with pytest.raises(TypeError, match=r"expert_bias: got torch\.int64, wanted a float dtype"):
        fk.route(torch.randn(6, 4), 2, expert_bias=torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"logits: got shape \(4,\)"):
        fk.route(torch.randn(4), 2)
    with pytest.raises(ValueError, match="wanted cpu"):
        fk.route(torch.empty(6, 4, device="meta"), 2)
