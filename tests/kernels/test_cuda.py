"""Routing and experts on the visible GPU; needs torch, pytest and the compiled extension alone."""

from __future__ import annotations

import copy
from typing import Any

import cuda_moe
import pytest
import torch

import frontier_kernels as fk
from frontier_kernels import ops
from frontier_kernels.activations import ACTIVATIONS
from frontier_kernels.ops import library

FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
pytestmark = pytest.mark.skipif(
    not (torch.cuda.is_available() and ops.CUDA), reason="no GPU, or built without CUDA kernels"
)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [*cuda_moe.SHAPES, cuda_moe.LARGE], ids=str)
def test_output_and_every_gradient_equal_the_reference(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool
) -> None:
    cuda_moe.assert_network_equals_reference(library, shape, dtype, activation, bias, -1, "cuda")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(8192, 4, 2, 512, 256), (4096, 8, 2, 1024, 512), (2000, 3, 1, 520, 264)])
def test_a_device_full_of_tiles_equals_the_reference(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    cuda_moe.assert_network_equals_reference(library, shape, dtype, "swiglu", True, -1, "cuda", seeds=1)


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_what_torchs_own_products_take_on_sm90_equals_the_reference(activation: str) -> None:
    shape = (16_384, 2, 2, 512, 512)
    cuda_moe.assert_network_equals_reference(
        library, shape, torch.bfloat16, activation, True, 15_000, "cuda", seeds=1
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("capacity", [0, 3])
def test_dropped_slots_add_nothing(dtype: torch.dtype, capacity: int) -> None:
    cuda_moe.assert_network_equals_reference(
        library, (33, 7, 2, 10, 12), dtype, "swiglu", True, capacity, "cuda"
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("options", cuda_moe.ROUTES, ids=str)
@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(37, 8, 2), (0, 8, 2), (1, 40, 3), (500, 256, 8)])
def test_routing_equals_the_reference(
    tokens: int, experts: int, top_k: int, options: dict[str, Any], dtype: torch.dtype
) -> None:
    cuda_moe.assert_route_equals_reference(library, tokens, experts, top_k, options, dtype, "cuda")


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(5, 1, 1), (9, 6, 6), (9000, 6, 2), (800, 1024, 3)])
def test_routing_takes_one_expert_every_expert_many_blocks_and_a_thousand(
    tokens: int, experts: int, top_k: int
) -> None:
    for options in ({}, {"capacity": 500}):
        cuda_moe.assert_route_equals_reference(
            library, tokens, experts, top_k, options, torch.float32, "cuda"
        )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 3, 4, 6, 32, 300])
@pytest.mark.parametrize("capacity", [-1, 4])
def test_dispatch_and_combine_equal_the_reference(dtype: torch.dtype, width: int, capacity: int) -> None:
    cuda_moe.assert_permutation_equals_reference(library, dtype, width, capacity, "cuda")


def test_nan_logits_choose_valid_experts_and_leave_other_tokens_alone() -> None:
    cuda_moe.assert_nan_logits_choose_valid_experts(library, "cuda")


def test_indices_that_point_outside_are_not_followed() -> None:
    cuda_moe.assert_indices_outside_are_not_followed(library, "cuda")


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_same_input_gives_the_same_bits(dtype: torch.dtype) -> None:
    cuda_moe.assert_the_same_bits_again(library, dtype, "cuda")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(33, 7, 2, 10, 12), (4096, 2, 2, 2048, 2048)], ids=str)
def test_a_gradient_that_is_not_wanted_changes_no_other(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    p = cuda_moe.problem(shape, dtype, "swiglu")
    choices = [
        (True, False, False, False, False),
        (False, True, False, True, True),
        (True, False, True, True, False),
    ]
    cuda_moe.assert_a_gradient_that_is_not_wanted_changes_no_other(library, p, choices, "cuda")


@pytest.mark.parametrize(
    "options", [{}, {"capacity_factor": 1.0, "activation": "swiglu", "shared_experts": 1}]
)
def test_the_layer_gives_what_it_gives_on_the_cpu(options: dict[str, Any]) -> None:
    layer = fk.MoELayer(24, num_experts=4, expert_hidden_size=16, **options).double()
    other = copy.deepcopy(layer).cuda()
    x = torch.randn(3, 11, 24, dtype=torch.float64)
    y, z = layer(x), other(x.cuda())
    torch.testing.assert_close(z.cpu(), y)
    y.square().sum().backward()
    z.square().sum().backward()
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(b.grad.cpu(), a.grad)


def test_the_layer_compiles_without_graph_breaks() -> None:
    torch.compiler.reset()
    layer = fk.MoELayer(12, num_experts=4, expert_hidden_size=6).cuda()
    x = torch.randn(2, 11, 12, device="cuda")
    got = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(got, layer(x))


def test_no_call_waits_for_the_device() -> None:
    layer = fk.MoELayer(64, num_experts=8, expert_hidden_size=32, capacity_factor=1.0).cuda()
    x = torch.randn(100, 64, device="cuda")
    layer(x).sum().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        layer(x).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", FLOATS)
def test_opcheck_of_every_operator(dtype: torch.dtype) -> None:
    p = cuda_moe.problem((9, 4, 2, 5, 3), dtype, "swiglu")
    x, w_in, w_out, b_in, b_out, grad = (
        t.cuda() for t in (p.x, p.w_in, p.w_out, p.b_in, p.b_out, p.grad) if t is not None
    )
    logits = p.logits.cuda()
    routing = fk.route(logits, 2, capacity=3)
    maps = (routing.slot_to_row, routing.row_to_slot)
    weights = routing.weights
    network = (w_in, w_out, b_in, b_out)
    rows = fk.dispatch(x, routing)
    pre = torch.randn(18, 6, device="cuda").to(dtype)
    calls: dict[str, tuple[Any, ...]] = {
        "route": (logits.clone().requires_grad_(), None, 2, "softmax", True, 1, 1, 1.0, 3),
        "route_backward": (weights, logits, routing.experts, "softmax", True, 1.0, False),
        "permute_slots": (routing.experts, 4, 3),
        "dispatch": (x.clone().requires_grad_(), *maps),
        "combine": (rows.clone().requires_grad_(), weights.clone().requires_grad_(), *maps),
        "combine_backward": (grad, rows, weights, *maps),
        "moe_mlp": (
            *(t.clone().requires_grad_() for t in (x, weights, *network)),
            *(routing.offsets, *maps, "swiglu"),
        ),
        "moe_mlp_backward": (grad, x, weights, *network, pre, routing.offsets, *maps, "swiglu"),
    }
    for name, arguments in calls.items():
        torch.library.opcheck(getattr(library, name).default, arguments)


def test_tensors_on_two_devices_are_refused_by_name() -> None:
    logits, x = torch.randn(6, 4, device="cuda"), torch.randn(6, 8)
    routing = fk.route(logits, 2)
    w_in, w_out = torch.randn(4, 5, 8), torch.randn(4, 8, 5)
    with pytest.raises(ValueError, match="routing: got a plan on cuda"):
        fk.dispatch(x, routing)
    with pytest.raises(ValueError, match="expert_bias: got a tensor on cpu, wanted cuda"):
        fk.route(logits, 2, expert_bias=torch.zeros(4))
    with pytest.raises(TypeError, match=r"w_in: got torch\.float32 on cpu"):
        fk.moe_mlp(x.cuda(), routing, w_in, w_out)
    plan = (routing.offsets, routing.slot_to_row, routing.row_to_slot)
    with pytest.raises(RuntimeError, match="w_in: is not on the device of x"):
        library.moe_mlp(x.cuda(), routing.weights, w_in, w_out.cuda(), None, None, *plan, "gelu")


def test_an_index_beyond_two_to_the_thirty_first() -> None:
    free, _ = torch.cuda.mem_get_info()
    if free < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    tokens, width = 2**16 + 8, 2**14
    x = torch.zeros(tokens, width, dtype=torch.bfloat16, device="cuda")
    x[-8:] = torch.randn(8, width, dtype=torch.bfloat16, device="cuda")
    chosen = torch.stack([torch.zeros(tokens), torch.ones(tokens)], 1).long().cuda()
    routing = fk.group_by_expert(chosen, torch.ones(tokens, 2, device="cuda"), 2)
    rows = fk.dispatch(x, routing)
    assert torch.equal(rows[-8:], x[-8:])
    assert torch.equal(fk.combine(rows, routing)[-8:], 2 * x[-8:])


def test_build_info_names_the_cards() -> None:
    info = fk.build_info()
    major, minor = torch.cuda.get_device_capability()
    assert info.cuda.startswith("sm_")
    assert not info.note
    assert major * 10 + minor >= min(int(card.removeprefix("sm_")) for card in info.cuda.split(", "))
