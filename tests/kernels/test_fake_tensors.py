"""Dry runs: in FakeTensorMode and on the meta device everything gives shapes and dtypes, gradients too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import frontier_kernels as fk


@contextmanager
def on_meta() -> Iterator[None]:
    with torch.device("meta"):
        yield


def retain(**options: Any) -> list[Tensor | None]:
    q, v = torch.ones(1, 7, 2, 3, requires_grad=True), torch.ones(1, 7, 2, 4)
    decay = -torch.ones(1, 7, 2)
    o, state = fk.retention(q, q, v, decay, return_state=True, **options)
    return [o, state, *torch.autograd.grad(o.sum(), [q])]


def decode() -> list[Tensor]:
    q, v, state = torch.ones(2, 3, 4), torch.ones(2, 3, 5), torch.ones(2, 3, 4, 5)
    with torch.no_grad():
        return [fk.retention_step(q, q, v, state, -torch.ones(3)), state]


def experts() -> list[Tensor]:
    logits, x = torch.ones(6, 4, requires_grad=True), torch.ones(6, 5, requires_grad=True)
    plan = fk.route(logits, 2, capacity=3, expert_bias=torch.zeros(4), num_groups=2)
    y = fk.moe_mlp(x, plan, torch.ones(4, 3, 5), torch.ones(4, 5, 3))
    z = fk.combine(fk.dispatch(x, plan), plan)
    regrouped = fk.group_by_expert(plan.experts, plan.weights.detach(), 4)
    losses = fk.load_balancing_loss(logits, plan.experts) + fk.router_z_loss(logits)
    losses = losses + fk.sequence_balance_loss(logits[None], plan.experts[None], mask=torch.ones(1, 6))
    bias = fk.update_expert_bias(torch.zeros(4), plan.demand)
    total = y.sum() + z.sum() + losses
    return [*plan, *regrouped, y, z, bias, total, *torch.autograd.grad(total, [logits, x])]


def layer(build: Callable[[], torch.nn.Module]) -> list[Tensor]:
    module, x = build(), torch.ones(2, 9, 16, requires_grad=True)
    y = module(x)
    grads = torch.autograd.grad(y.sum(), [x, *module.parameters()])
    if isinstance(module, fk.MoELayer):
        module.update_expert_bias()
    with torch.no_grad():
        return [y, module(x), *grads]


PROGRAMS: dict[str, Callable[[], list[Any]]] = {
    "retention": retain,
    "packed sequences": lambda: retain(cu_seqlens=torch.tensor([0, 3, 7])),
    "normalized": lambda: retain(normalize_scores=True, form="recurrent"),
    "step": decode,
    "experts": experts,
    "MoELayer": lambda: layer(
        lambda: fk.MoELayer(16, 4, 2, 8, shared_experts=1, expert_bias=True, pack_weights=True)
    ),
    "RetentionLayer": lambda: layer(
        lambda: fk.RetentionLayer(16, 2, normalize_scores=True, xpos_scale_base=1.0, log_decay=-0.1)
    ),
}


@pytest.mark.parametrize("dry", [FakeTensorMode, on_meta])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_dry_run_gives_the_shapes_of_a_real_one(
    name: str, dry: Callable[[], AbstractContextManager[Any]]
) -> None:
    wanted = PROGRAMS[name]()
    with dry():
        got = PROGRAMS[name]()
    for dried, real in zip(got, wanted, strict=True):
        assert (dried.shape, dried.dtype) == (real.shape, real.dtype)
        assert dried.is_meta or dried.fake_mode is not None


def test_values_are_still_checked_where_there_are_some() -> None:
    q = torch.randn(1, 7, 2, 3)
    with pytest.raises(ValueError, match="log_decay: got 1"):
        fk.retention(q, q, q, torch.ones(2))
    with pytest.raises(ValueError, match="experts: got index 7"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.full((5, 2), 7))
    # Inside a transform there are values, but only the operator sees them.
    with pytest.raises(RuntimeError, match=r"log_decay: got 1(\.0)?, wanted zero or less"):
        torch.func.vmap(lambda decay: fk.retention(q, q, q, decay)[0])(torch.ones(3, 2))
