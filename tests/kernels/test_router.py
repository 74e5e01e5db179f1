"""Routing: selection, permutation, capacity, groups, bias, against the readable reference."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

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
    assert fk.expert_capacity(num_tokens=40, num_experts=4, top_k=1, capacity_factor=1.1) == 11
    assert fk.expert_capacity(num_tokens=0, num_experts=4, top_k=1, capacity_factor=1.1) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k: got 0, wanted 1 to 4"),
        ({"top_k": 5}, "top_k: got 5"),
        ({"top_k": 2, "scoring": "relu"}, "scoring: got 'relu'"),
        ({"top_k": 2, "capacity": -1}, "capacity: got -1"),
        ({"top_k": 2, "expert_bias": torch.zeros(3)}, r"expert_bias: got shape \(3,\), wanted \[4\]"),
        ({"top_k": -1}, "top_k: got -1, wanted 1 to 4"),
        ({"top_k": 2, "expert_bias": torch.zeros(4, device="meta")}, "expert_bias: got a tensor on meta"),
        (
            {"top_k": 2, "routed_scaling_factor": 0.0},
            r"routed_scaling_factor: got 0\.0, wanted a number above",
        ),
        ({"top_k": 2, "routed_scaling_factor": float("nan")}, "routed_scaling_factor: got nan"),
        ({"top_k": 2, "num_groups": 3}, "num_groups: got 3, wanted a divisor of 4"),
        ({"top_k": 2, "num_groups": 2, "top_k_groups": 3}, r"top_k_groups: got 3, wanted 1 to 2"),
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
    with pytest.raises(TypeError, match=r"logits: got torch\.int32"):
        fk.route(torch.ones(6, 4).int(), 2)
    with pytest.raises(TypeError, match=r"expert_bias: got torch\.int64, wanted a float dtype"):
        fk.route(torch.randn(6, 4), 2, expert_bias=torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"logits: got shape \(4,\)"):
        fk.route(torch.randn(4), 2)
    # A device that the operators do not know, whatever this torch was built for.
    with FakeTensorMode(), pytest.raises(ValueError, match="logits: got a tensor on xpu:0, wanted cpu"):
        fk.route(torch.empty(6, 4, device="xpu:0"), 2)
    with pytest.raises(ValueError, match=r"logits: got shape \(6, 0\), wanted \[tokens, experts\]"):
        fk.route(torch.randn(6, 0), 1)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1e-9, float("nan"), float("inf")])
def test_a_capacity_factor_that_does_not_fit_is_named(factor: float) -> None:
    with pytest.raises(ValueError, match="capacity_factor: got"):
        fk.expert_capacity(8, 4, 2, factor)


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("num_groups", [None, 4])
def test_nan_logits_stay_in_their_token(
    scoring: Literal["softmax", "sigmoid"], num_groups: int | None
) -> None:
    logits = torch.randn(9, 8)
    broken = logits.clone()
    broken[3] = torch.nan
    broken[5, 2] = torch.nan
    options = {"num_groups": num_groups, "top_k_groups": num_groups and 2}
    clean = fk.route(logits, 3, scoring=scoring, **options)  # type: ignore[arg-type]
    routing = fk.route(broken, 3, scoring=scoring, **options)  # type: ignore[arg-type]
    assert ((routing.experts >= 0) & (routing.experts < 8)).all()
    assert all(len(set(row)) == 3 for row in routing.experts.tolist())
    assert routing.weights[3].isnan().all()
    others = [0, 1, 2, 4, 6, 7, 8]
    assert torch.equal(routing.weights[others], clean.weights[others])
    assert torch.equal(routing.experts[others], clean.experts[others])
    x, w_in, w_out = torch.randn(9, 5), torch.randn(8, 4, 5), torch.randn(8, 5, 4)
    y = fk.moe_mlp(x, routing, w_in, w_out)
    assert y[3].isnan().all()
    # Close, not equal: without the library torch's product rounds a row by how many rows the expert has.
    torch.testing.assert_close(y[others], fk.moe_mlp(x, clean, w_in, w_out)[others])


def test_an_expert_with_a_logit_of_minus_infinity_weighs_nothing() -> None:
    logits = torch.randn(12, 4)
    logits[:, 1] = -torch.inf
    for scoring in ("softmax", "sigmoid"):
        routing = fk.route(logits, 4, scoring=scoring)  # type: ignore[arg-type]
        assert (routing.experts[:, 3] == 1).all()
        assert not routing.weights[:, 3].any()
        torch.testing.assert_close(routing.weights.sum(-1), torch.ones(12))


def test_sigmoids_that_all_underflow_weigh_nothing_instead_of_nan() -> None:
    logits = torch.full((5, 4), -200.0, requires_grad=True)
    routing = fk.route(logits, 2, scoring="sigmoid")
    routing.weights.sum().backward()
    assert not routing.weights.any()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_scaling_factor_comes_after_renormalisation() -> None:
    logits = torch.randn(20, 6)
    plain = fk.route(logits, 3, scoring="sigmoid")
    scaled = fk.route(logits, 3, scoring="sigmoid", routed_scaling_factor=2.5)
    assert torch.equal(plain.experts, scaled.experts)
    torch.testing.assert_close(scaled.weights, 2.5 * plain.weights)
    torch.testing.assert_close(scaled.weights.sum(-1), torch.full((20,), 2.5))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 30), st.integers(1, 9), st.integers(1, 4))
def test_shared_experts_are_more_rows_of_the_same_plan(
    data: st.DataObject, tokens: int, experts: int, shared: int
) -> None:
    top_k = data.draw(st.integers(1, experts))
    capacity = data.draw(st.none() | st.integers(0, 8))
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    routing = fk.route(torch.randn(tokens, experts), top_k, capacity=capacity)
    plan = fk.with_shared_experts(routing, shared)
    everyone = torch.arange(experts, experts + shared).expand(tokens, shared)
    assert torch.equal(plan.experts, torch.cat([routing.experts, everyone], 1))
    # Without a capacity the plan is that of a router that always chooses the shared experts too. With one,
    # slots are dropped as before, and the others keep their order.
    kept = ~torch.cat([routing.dropped, torch.zeros(tokens, shared, dtype=torch.bool)], 1)
    queues = [
        [
            slot
            for slot, e in enumerate(plan.experts.flatten().tolist())
            if e == expert and kept.flatten()[slot]
        ]
        for expert in range(experts + shared)
    ]
    rows = [slot for queue in queues for slot in queue]
    assert plan.row_to_slot.tolist() == rows + [-1] * (plan.experts.numel() - len(rows))
    assert plan.counts.tolist() == [len(queue) for queue in queues]
    assert plan.offsets.diff().tolist() == plan.counts.tolist()
    assert plan.offsets[0] == 0
    assert plan.demand.tolist() == [*routing.demand.tolist(), *[tokens] * shared]
    assert torch.equal(plan.dropped, ~kept)
    row_of = {slot: row for row, slot in enumerate(rows)}
    assert plan.slot_to_row.flatten().tolist() == [row_of.get(s, -1) for s in range(plan.experts.numel())]
    assert torch.equal(plan.weights, torch.cat([routing.weights, torch.ones(tokens, shared)], 1))
    assert plan.row_to_slot.is_contiguous()


def test_no_shared_experts_leave_the_plan_as_it_is() -> None:
    routing = fk.route(torch.randn(6, 4), 2)
    assert fk.with_shared_experts(routing, 0) is routing
    with pytest.raises(ValueError, match="shared_experts: got -1, wanted 0 or more"):
        fk.with_shared_experts(routing, -1)


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_gradcheck_of_the_weights(
    scoring: Literal["softmax", "sigmoid"], renormalize: bool, biased: bool
) -> None:
    logits = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5) if biased else None

    def weights(logits: torch.Tensor) -> torch.Tensor:
        return fk.route(
            logits,
            2,
            scoring=scoring,
            renormalize=renormalize,
            expert_bias=bias,
            routed_scaling_factor=1.5,
        ).weights

    assert torch.autograd.gradcheck(weights, (logits,))


@pytest.mark.parametrize("capacity", [None, 2])
def test_grouping_a_given_choice_is_the_plan_that_route_makes_of_it(capacity: int | None) -> None:
    routing = fk.route(torch.randn(20, 6, requires_grad=True), 3, capacity=capacity)
    plan = fk.group_by_expert(routing.experts, routing.weights, 6, capacity=capacity)
    for name, ours, theirs in zip(routing._fields, plan, routing, strict=True):
        assert torch.equal(ours, theirs), name
    assert plan.weights.requires_grad


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"experts": torch.zeros(3, 2)}, TypeError, "experts: got torch.float32, wanted torch.int64"),
        ({"experts": torch.zeros(3, dtype=torch.int64)}, ValueError, r"experts: got shape \(3,\)"),
        ({"weights": torch.zeros(3, 2).int()}, TypeError, "weights: got torch.int32"),
        ({"weights": torch.zeros(3, 1)}, ValueError, r"weights: got shape \(3, 1\)"),
        (
            {"weights": torch.zeros(3, 2, device="meta")},
            ValueError,
            "weights: got a tensor on meta, wanted cpu",
        ),
        ({"num_experts": 0}, ValueError, "num_experts: got 0"),
        ({"capacity": -1}, ValueError, "capacity: got -1"),
        ({"num_experts": 1}, RuntimeError, "experts: got index 1, wanted 0 to 0"),
    ],
)
def test_a_choice_that_does_not_fit_is_named(
    change: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments: dict[str, object] = {"experts": torch.ones(3, 2).long(), "weights": torch.rand(3, 2)}
    arguments |= {"num_experts": 4} | change
    with pytest.raises(error, match=message):
        fk.group_by_expert(**arguments)  # type: ignore[arg-type]
