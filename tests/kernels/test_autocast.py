"""Under torch.autocast our products cast as torch's own do, and what is no product stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from numerics import relative_error
from torch import Tensor, nn

import frontier_kernels as fk

HALVES = [torch.bfloat16, torch.float16]
BOUND = {torch.bfloat16: 0.03, torch.float16: 0.004}

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "MoELayer": lambda: fk.MoELayer(16, 4, 2, 8),
    "MoELayer, all options": lambda: fk.MoELayer(
        16, 4, 2, 8, activation="swiglu", shared_experts=1, expert_bias=True, capacity_factor=1.0
    ),
    "RetentionLayer": lambda: fk.RetentionLayer(16, 2),
    "RetentionLayer, all options": lambda: fk.RetentionLayer(
        16, 2, normalize_scores=True, xpos_scale_base=2.0
    ),
}


def steps(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Output and gradients; the backward pass runs outside of autocast, as torch asks."""
    y = model(x)
    with torch.autocast("cpu", enabled=False):
        grads = torch.autograd.grad(y.float().square().mean(), [x, *model.parameters()])
    return [y, *grads]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_train_under_autocast(name: str, dtype: torch.dtype, first: bool, compiled: bool) -> None:
    torch.compiler.reset()
    layer = LAYERS[name]()
    # A layer before it hands over halves, the start of a model float32.
    model = nn.Sequential(nn.Linear(16, 16), layer) if first else layer
    x = torch.randn(2, 9, 16, requires_grad=True)
    wanted = steps(model, x)
    running = torch.compile(model, backend="aot_eager", fullgraph=True) if compiled else model
    with torch.autocast("cpu", dtype):
        got = steps(running, x)
    assert got[0].dtype == dtype
    assert all(g.dtype == torch.float32 for g in got[1:])
    if isinstance(layer, fk.MoELayer) and not first:
        assert relative_error(got[0], wanted[0]) <= BOUND[dtype]
        for g, w in zip(got[1:], wanted[1:], strict=True):
            assert relative_error(g, w) <= 2 * BOUND[dtype]
    else:
        # A router behind another layer in halves may choose otherwise; the norm widens what was rounded.
        assert got[0].isfinite().all()
        assert all(g.isfinite().all() for g in got[1:])
    if isinstance(layer, fk.RetentionLayer):
        assert relative_error(got[0], wanted[0]) <= 4 * BOUND[dtype]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("compiled", [False, True])
def test_the_router_keeps_its_own_type(dtype: torch.dtype, compiled: bool) -> None:
    torch.compiler.reset()
    layer = fk.MoELayer(16, 32, 2, 8)
    x = torch.randn(5000, 16)
    layer(x)
    assert layer.routing is not None
    assert layer.router_logits is not None
    wanted, logits = layer.routing.experts, layer.router_logits
    with torch.autocast("cpu", dtype):
        torch.compile(layer, backend="aot_eager", fullgraph=True)(x) if compiled else layer(x)
    assert layer.router_logits.dtype == layer.routing.weights.dtype == torch.float32
    torch.testing.assert_close(layer.router_logits, logits)
    assert torch.equal(layer.routing.experts, wanted)
    # In halves some of them would have been others: this test can fail.
    rounded = fk.route(nn.functional.linear(x.to(dtype), layer.gate.weight.to(dtype)), 2).experts
    assert not torch.equal(rounded, wanted)


def moe_arguments() -> dict[str, Any]:
    return {
        "x": torch.randn(6, 5),
        "routing": fk.route(torch.randn(6, 4), 2),
        "w_in": torch.randn(4, 3, 5),
        "w_out": torch.randn(4, 5, 3),
        "b_in": torch.randn(4, 3),
        "b_out": torch.randn(4, 5),
    }


def cast(arguments: dict[str, Any], names: str, dtype: torch.dtype) -> dict[str, Any]:
    return {name: t.to(dtype) if name in names.split() else t for name, t in arguments.items()}


@pytest.mark.parametrize("dtype", HALVES)
def test_the_experts_give_what_casts_by_hand_give(dtype: torch.dtype) -> None:
    arguments = moe_arguments()
    wanted = fk.moe_mlp(**cast(arguments, "x w_in w_out b_in b_out", dtype))
    for mixed in (arguments, cast(arguments, "x", dtype), cast(arguments, "w_out b_in", torch.bfloat16)):
        with torch.autocast("cpu", dtype):
            got = fk.moe_mlp(**mixed)
        assert got.dtype == dtype
        if mixed is arguments:
            assert torch.equal(got, wanted)


@pytest.mark.parametrize("normalize_scores", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
def test_retention_and_its_step_give_what_casts_by_hand_give(
    dtype: torch.dtype, normalize_scores: bool
) -> None:
    q, k, v, decay = torch.randn(1, 5, 2, 3), torch.randn(1, 5, 2, 3), torch.randn(1, 5, 2, 4), -torch.rand(2)
    options: dict[str, Any] = {"return_state": True, "normalize_scores": normalize_scores}
    wanted, state = fk.retention(q.to(dtype), k.to(dtype), v.to(dtype), decay, **options)
    with torch.autocast("cpu", dtype):
        got, last = fk.retention(q, k.to(dtype), v, decay, **options)
    assert last is not None
    assert state is not None
    assert (got.dtype, last.dtype) == (dtype, torch.float32)
    assert torch.equal(got, wanted)
    assert torch.equal(last, state)
    step = fk.retention_step(
        *(t[:, 0].to(dtype) for t in (q, k, v)), state, decay, normalize_scores=normalize_scores
    )
    with torch.autocast("cpu", dtype):
        again = fk.retention_step(
            *(t[:, 0] for t in (q, k, v)), last, decay, normalize_scores=normalize_scores
        )
    assert torch.equal(again, step)
    assert torch.equal(last, state)


def test_what_is_no_product_is_not_cast() -> None:
    x, logits = torch.randn(6, 5), torch.randn(6, 4)
    plan = fk.route(logits, 2)
    with torch.autocast("cpu", torch.bfloat16):
        for got, wanted in zip(fk.route(logits, 2), plan, strict=True):
            assert torch.equal(got, wanted)
        rows = fk.dispatch(x, plan)
        assert rows.dtype == torch.float32
        assert torch.equal(fk.combine(rows, plan), fk.combine(fk.dispatch(x, plan), plan))
        assert fk.load_balancing_loss(logits, plan.experts).dtype == torch.float32
        assert fk.router_z_loss(logits).dtype == torch.float32


@pytest.mark.parametrize("name", LAYERS)
def test_float64_is_left_alone(name: str) -> None:
    layer, x = LAYERS[name]().double(), torch.randn(2, 9, 16, dtype=torch.float64)
    wanted = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        got = layer(x)
        with pytest.raises(TypeError, match=r"^x: got torch\.float32, wanted torch\.float64"):
            layer(x.float())
    assert torch.equal(got, wanted)


@pytest.mark.parametrize("name", LAYERS)
def test_outside_of_autocast_and_where_it_is_disabled_nothing_is_cast(name: str) -> None:
    layer, x = LAYERS[name](), torch.randn(2, 9, 16)
    with pytest.raises(TypeError, match=r"^x: got torch\.bfloat16, wanted torch\.float32"):
        layer(x.bfloat16())
    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autocast("cpu", enabled=False),
        pytest.raises(TypeError, match=r"^x: got torch\.bfloat16, wanted torch\.float32"),
    ):
        layer(x.bfloat16())
    with torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_available()):
        assert layer(x).dtype == torch.float32


def test_a_layer_in_halves_takes_float32_under_autocast() -> None:
    layer, x = fk.MoELayer(16, 4, 2, 8).bfloat16(), torch.randn(6, 16)
    wanted = layer(x.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), wanted)
