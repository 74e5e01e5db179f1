"""opcheck of every operator, torch.compile without graph breaks, and what build_info says."""

from __future__ import annotations

import itertools
import platform
import re

import pytest
import torch

import frontier_kernels as fk
from frontier_kernels import ops
from frontier_kernels.activations import ACTIVATIONS, Activation, is_gated
from frontier_kernels.ops import library

OPERATORS = (
    "route",
    "route_backward",
    "permute_slots",
    "dispatch",
    "combine",
    "combine_backward",
    "moe_mlp",
    "moe_mlp_backward",
    *(() if ops.NOT_COMPILED else ("moe_mlp_packed", "pack_weights")),
)
ELSEWHERE = ("retention", "retention_backward", "retention_step")
"""Checked in test_retention_registration.py."""
FACTS = ("activations", "build_facts", "dot_rows", "gemm_peak", "packed_bytes")
"""Operators of no tensor, which the compiled library alone has."""


def arguments(
    name: str, dtype: torch.dtype, capacity: int | None, activation: str = "swiglu"
) -> tuple[object, ...]:
    """Inputs of one operator, with gradients wanted where it has them."""
    tokens, experts, top_k, width, hidden = 9, 4, 2, 5, 3
    routing = fk.route(torch.randn(tokens, experts), top_k, capacity=capacity)
    maps = (routing.slot_to_row, routing.row_to_slot)
    inner = 2 * hidden if is_gated(activation) else hidden

    differentiable = not name.endswith(("_backward", "_packed", "_weights"))

    def leaf(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=dtype, requires_grad=differentiable)

    weights = routing.weights.detach().to(torch.float64 if dtype == torch.float64 else torch.float32)
    weights.requires_grad_(differentiable)
    x, ys, grad = leaf(tokens, width), leaf(tokens * top_k, width), leaf(tokens, width)
    network = (
        leaf(experts, inner, width),
        leaf(experts, width, hidden),
        leaf(experts, inner),
        leaf(experts, width),
    )
    panels = map(library.pack_weights, network[:2]) if name == "moe_mlp_packed" else ()
    plan = (routing.offsets, *maps, activation)
    limit = -1 if capacity is None else capacity
    return {
        "route": (leaf(tokens, experts), torch.randn(experts), top_k, "sigmoid", True, 2, 1, 2.5, limit),
        "route_backward": (weights, leaf(tokens, experts), routing.experts, "softmax", True, 2.5, False),
        "permute_slots": (routing.experts, experts, limit),
        "dispatch": (x, *maps),
        "combine": (ys, weights, *maps),
        "combine_backward": (grad, ys, weights, *maps),
        "moe_mlp": (x, weights, *network, *plan),
        "moe_mlp_backward": (grad, x, weights, *network, leaf(tokens * top_k, inner), *plan),
        "moe_mlp_packed": (x, weights, *network[:2], *panels, *network[2:], *plan),
        "pack_weights": network[:1],
    }[name]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("capacity", [None, 2])
def test_opcheck(name: str, dtype: torch.dtype, capacity: int | None) -> None:
    torch.library.opcheck(getattr(library, name).default, arguments(name, dtype, capacity))


@pytest.mark.parametrize("name", [name for name in OPERATORS if name.startswith("moe_mlp")])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_opcheck_of_every_activation(name: str, activation: str) -> None:
    torch.library.opcheck(getattr(library, name).default, arguments(name, torch.float32, 2, activation))


@pytest.mark.parametrize("wanted", [*itertools.product((False, True), repeat=5)], ids=str)
def test_opcheck_of_every_choice_of_gradients(wanted: tuple[bool, ...]) -> None:
    inputs = arguments("moe_mlp_backward", torch.float32, 2)
    torch.library.opcheck(library.moe_mlp_backward.default, (*inputs, *wanted))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_compiles_without_graph_breaks(activation: Activation) -> None:
    torch.compiler.reset()
    layer = fk.MoELayer(12, num_experts=4, expert_hidden_size=6, activation=activation)
    x = torch.randn(2, 11, 12)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    got, wanted = (torch.autograd.grad(f(x).square().sum(), layer.w_in) for f in (compiled, layer))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_every_registered_operator_is_checked() -> None:
    registered = {
        n.split("::")[1] for n in torch._C._dispatch_get_all_op_names() if n.startswith("frontier_kernels::")
    }
    assert registered == {*OPERATORS, *ELSEWHERE, *FACTS}


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("capacity_factor", [None, 1.0])
def test_layer_compiles_without_graph_breaks(backend: str, capacity_factor: float | None) -> None:
    torch.compiler.reset()
    layer = fk.MoELayer(12, num_experts=4, expert_hidden_size=6, capacity_factor=capacity_factor)
    x = torch.randn(2, 11, 12)
    wanted = layer(x)
    wanted.square().sum().backward()
    gradients = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    layer.zero_grad()
    got = torch.compile(layer, fullgraph=True, backend=backend)(x)
    got.square().sum().backward()
    torch.testing.assert_close(got, wanted)
    for g, p in zip(gradients, layer.parameters(), strict=True):
        torch.testing.assert_close(p.grad, g, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize(
    "frozen", [("w_out", "b_out"), ("w_in", "w_out"), ("w_in", "w_out", "b_in", "b_out")]
)
def test_a_partly_frozen_layer_compiles_to_the_same_gradients(backend: str, frozen: tuple[str, ...]) -> None:
    torch.compiler.reset()
    layer = fk.MoELayer(12, num_experts=4, expert_hidden_size=6)
    for name in frozen:
        getattr(layer, name).requires_grad_(False)
    leaves = [torch.randn(2, 11, 12, requires_grad=True)]
    leaves += [p for p in layer.parameters() if p.requires_grad]
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    got, wanted = (torch.autograd.grad(f(leaves[0]).square().sum(), leaves) for f in (compiled, layer))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_compiled_route_dispatch_combine_and_losses_in_one_graph() -> None:
    torch.compiler.reset()

    def step(x: torch.Tensor, logits: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        routing = fk.route(
            logits, 2, scoring="sigmoid", expert_bias=bias, num_groups=2, top_k_groups=1, capacity=6
        )
        loss = fk.load_balancing_loss(logits, routing.experts) + fk.router_z_loss(logits)
        return fk.combine(fk.dispatch(x, routing) * 2, routing) + loss

    inputs = (torch.randn(16, 4), torch.randn(16, 8), torch.randn(8))
    torch.testing.assert_close(
        torch.compile(step, fullgraph=True, backend="aot_eager")(*inputs), step(*inputs)
    )


@pytest.mark.parametrize("name", ["route", "combine", "moe_mlp"])
def test_a_second_derivative_is_refused_and_never_wrong(name: str) -> None:
    inputs = arguments(name, torch.float64, None)
    out = getattr(library, name)(*inputs)
    first = inputs[0]
    assert isinstance(first, torch.Tensor)
    (grad,) = torch.autograd.grad(
        (out if name == "combine" else out[0]).square().sum(), [first], create_graph=True
    )
    with pytest.raises(NotImplementedError, match=f"frontier_kernels.{name}: no second derivative"):
        torch.autograd.grad(grad.square().sum(), [first])


def test_a_second_derivative_through_the_public_functions_is_refused_too() -> None:
    logits, x = (torch.randn(6, n, dtype=torch.float64, requires_grad=True) for n in (4, 5))
    w_in, w_out = torch.randn(4, 3, 5, dtype=torch.float64), torch.randn(4, 5, 3, dtype=torch.float64)
    routing = fk.route(logits, 2)
    outputs = {
        "route": (routing.weights, logits),
        "combine": (fk.combine(fk.dispatch(x, routing), routing), x),
        "moe_mlp": (fk.moe_mlp(x, routing, w_in, w_out), x),
    }
    for name, (output, leaf) in outputs.items():
        (grad,) = torch.autograd.grad(output.square().sum(), [leaf], create_graph=True)
        with pytest.raises(NotImplementedError, match=f"frontier_kernels.{name}: no second derivative"):
            torch.autograd.grad(grad.square().sum(), [leaf], retain_graph=True)


def test_dispatch_has_derivatives_of_every_order() -> None:
    x, *maps = arguments("dispatch", torch.float64, 2)
    assert torch.autograd.gradgradcheck(lambda x: library.dispatch(x, *maps).square(), (x,))


def test_build_info_says_what_was_compiled() -> None:
    info = fk.build_info()
    assert re.fullmatch(r"(gcc|clang|msvc) \d+.*", info.compiler)
    assert info.standard == "C++20"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", info.headers)
    assert info.oldest_torch == "2.10"
    assert info.torch == torch.__version__
    machine = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
    assert f"compiled for {machine[platform.machine().lower()]} with" in info.cpu
    if ops.CUDA:
        assert re.fullmatch(r"sm_\d+(, sm_\d+)*", info.cuda)
        assert info.note == ""
    else:
        assert info.cuda == "none"
        assert re.fullmatch(r"No CUDA kernels: .+; CUDA tensors are refused\.", info.note)


def test_build_info_lists_the_element_types_that_operators_take() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64):
        x = torch.ones(3, 2).to(dtype)
        routing = fk.route(torch.randn(3, 4), 1)
        if str(dtype).removeprefix("torch.") in fk.build_info().dtypes:
            assert fk.dispatch(x, routing).dtype == dtype
        else:
            with pytest.raises(RuntimeError, match="must be float32, float64, bfloat16 or float16"):
                library.dispatch(x, routing.slot_to_row, routing.row_to_slot)


def test_every_fact_is_one_line() -> None:
    facts = library.build_facts().split("\n")
    assert len(facts) == 7
    assert all(fact.strip() for fact in facts)
