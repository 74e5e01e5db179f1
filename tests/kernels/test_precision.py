"""Routing, its losses, dispatch and combine: outputs and gradients over several seeds, against float64."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from numerics import relative_error
from torch import Tensor

import frontier_kernels as fk
from frontier_kernels.ops import library, sum_dtype

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
SEEDS = 8
Pairs = dict[str, list[tuple[Tensor, Tensor]]]


def compare(
    found: Pairs,
    dtype: torch.dtype,
    inputs: dict[str, Tensor],
    ours: Callable[..., Tensor],
    truth: Callable[..., Tensor],
) -> None:
    """Note the output and every gradient of both on the same numbers, the truth's in float64."""
    leaves = {name: t.to(dtype).requires_grad_() for name, t in inputs.items()}
    exact = [t.detach().double().requires_grad_() for t in leaves.values()]
    got, wanted = ours(*leaves.values()), truth(*exact)
    assert got.shape == wanted.shape
    grad = torch.randn(got.shape).to(got.dtype)
    pairs: Sequence[tuple[Tensor, Tensor]] = zip(  # type: ignore[assignment]
        [got, *torch.autograd.grad(got, list(leaves.values()), grad)],
        [wanted, *torch.autograd.grad(wanted, exact, grad.double())],
        strict=True,
    )
    for name, (a, b) in zip(["output", *leaves], pairs, strict=True):
        assert name == "output" or a.dtype == dtype
        found[name].append((a.flatten(), b.flatten()))


def hold(found: Pairs, bound: float) -> None:
    """The seeds together: one number alone may round either way."""
    for name, pairs in found.items():
        got, wanted = (torch.cat(side) for side in zip(*pairs, strict=True))
        assert relative_error(got, wanted) <= bound, name


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_weights_and_their_gradient(
    dtype: torch.dtype, scoring: Any, renormalize: bool, grouped: bool
) -> None:
    found: Pairs = defaultdict(list)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        options: dict[str, Any] = {"scoring": scoring, "renormalize": renormalize}
        if grouped:
            bias = torch.randn(12) / 10
            options |= {"num_groups": 4, "top_k_groups": 2, "expert_bias": bias, "routed_scaling_factor": 2.5}
        logits = torch.randn(37, 12)
        experts = fk.route(logits.to(dtype), 3, **options).experts

        def ours(logits: Tensor, options: dict[str, Any] = options) -> Tensor:
            weights = fk.route(logits, 3, **options).weights
            assert weights.dtype == sum_dtype(dtype)
            return weights

        def truth(logits: Tensor, experts: Tensor = experts) -> Tensor:
            scores = logits.softmax(-1) if scoring == "softmax" else logits.sigmoid()
            chosen = scores.gather(1, experts)
            if renormalize:
                chosen = chosen / chosen.sum(-1, keepdim=True)
            return chosen * (2.5 if grouped else 1)

        compare(found, dtype, {"logits": logits}, ours, truth)
    hold(found, BOUND[dtype])


def balance(probability: Tensor, experts: Tensor) -> Tensor:
    """E Σ f_i P_i over the first axis, from the chosen experts and each token's shares."""
    num_experts = probability.shape[-1]
    counts = torch.bincount(experts.flatten(), minlength=num_experts).to(probability.dtype)
    return num_experts * (counts / experts.numel() * probability.mean(0)).sum()


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("loss", ["load_balancing_loss", "sequence_balance_loss", "router_z_loss"])
def test_losses_and_their_gradients(loss: str, dtype: torch.dtype) -> None:
    found: Pairs = defaultdict(list)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        logits, experts = torch.randn(3, 21, 9), torch.randint(9, (3, 21, 2))
        functions: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
            "load_balancing_loss": (
                lambda z, e=experts: fk.load_balancing_loss(z.flatten(0, 1), e.flatten(0, 1)),
                lambda z, e=experts: balance(z.flatten(0, 1).softmax(-1), e),
            ),
            "sequence_balance_loss": (
                lambda z, e=experts: fk.sequence_balance_loss(z, e),
                lambda z, e=experts: torch.stack(
                    [balance(s / s.sum(-1, keepdim=True), c) for s, c in zip(z.sigmoid(), e, strict=True)]
                ).mean(),
            ),
            "router_z_loss": (
                lambda z: fk.router_z_loss(z.flatten(0, 1)),
                lambda z: z.exp().sum(-1).log().square().mean(),
            ),
        }
        compare(found, dtype, {"logits": logits}, *functions[loss])
    hold(found, BOUND[dtype])


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("capacity", [None, 5])
def test_dispatch_and_combine_and_their_gradients(dtype: torch.dtype, capacity: int | None) -> None:
    moved: Pairs = defaultdict(list)
    summed: Pairs = defaultdict(list)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        tokens, experts, top_k, width = 33, 7, 3, 10
        routing = fk.route(torch.randn(tokens, experts), top_k, capacity=capacity)
        rows = tokens * top_k
        # One row of this matrix for each row that is dispatched: the token in it.
        matrix = torch.zeros(rows, tokens, dtype=torch.float64)
        used = routing.row_to_slot >= 0
        matrix[torch.arange(rows)[used], routing.row_to_slot[used] // top_k] = 1
        compare(
            moved,
            dtype,
            {"x": torch.randn(tokens, width)},
            lambda x, r=routing: fk.dispatch(x, r),
            lambda x, m=matrix: m @ x,
        )

        def weighted(ys: Tensor, weights: Tensor, r: fk.Routing = routing, m: Tensor = matrix) -> Tensor:
            slots = r.row_to_slot.clamp_min(0)
            return m.T @ (weights.flatten()[slots][:, None] * ys)

        compare(
            summed,
            dtype,
            {"ys": torch.randn(rows, width), "weights": torch.rand(tokens, top_k)},
            lambda ys, w, r=routing: fk.combine(ys, r._replace(weights=w)),
            weighted,
        )
    hold(moved, BOUND[dtype])
    hold(summed, BOUND[dtype])


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("renormalize", [False, True])
def test_gradcheck_of_routing_and_losses(scoring: Any, renormalize: bool) -> None:
    logits = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    experts = torch.randint(6, (2, 4, 2))
    bias = torch.randn(6)

    def weights(z: Tensor) -> Tensor:
        options: Any = {"scoring": scoring, "renormalize": renormalize, "expert_bias": bias}
        return fk.route(z.flatten(0, 1), 3, num_groups=3, top_k_groups=2, **options).weights

    for function in (
        weights,
        lambda z: fk.load_balancing_loss(z.flatten(0, 1), experts.flatten(0, 1)),
        lambda z: fk.sequence_balance_loss(z, experts, scoring=scoring),
        lambda z: fk.router_z_loss(z.flatten(0, 1)),
    ):
        assert torch.autograd.gradcheck(function, (logits,))


def test_dispatch_and_combine_give_the_same_bits_on_one_thread_and_on_two() -> None:
    x, ys, logits = torch.randn(400, 30), torch.randn(1200, 30), torch.randn(400, 9)
    leaves = [t.requires_grad_() for t in (x, ys, logits)]

    def run(threads: int) -> list[Tensor]:
        torch.set_num_threads(threads)
        routing = fk.route(logits, 3)
        results = [fk.dispatch(x, routing), fk.combine(ys, routing)]
        grads = torch.autograd.grad([r.square().sum() for r in results], leaves)
        return [*routing, *results, *grads]

    first = run(1)
    for threads in (1, 2):
        for a, b in zip(first, run(threads), strict=True):
            assert torch.equal(a, b)


def test_memory_that_nobody_wrote_is_nan_in_these_tests() -> None:
    assert torch.empty(5).isnan().all()
    # The operators' own outputs too: rows that no slot uses come as zeros because they are written.
    routing = fk.route(torch.zeros(9, 3), 1, capacity=1)
    assert not library.dispatch(torch.ones(9, 2), routing.slot_to_row, routing.row_to_slot)[1:].any()
