"""The CUDA kernels of routing and experts, run on the CPU by ``cuda_emulator``, against the reference."""

from __future__ import annotations

import itertools
from typing import Any

import cuda_moe
import emulated_kernels
import pytest
import torch

from frontier_kernels.activations import ACTIVATIONS

FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.fixture(scope="module")
def ops() -> Any:
    emulated_kernels.load("router")
    emulated_kernels.load("permute")
    types = ("grouped_float", "grouped_double", "grouped_half", "grouped_bfloat16")
    return emulated_kernels.load("moe", "grouped_torch", *types)


CASES = [
    *itertools.product([torch.float32, torch.float64], cuda_moe.SHAPES),
    *itertools.product([torch.bfloat16, torch.float16], cuda_moe.TENSOR_CORE_SHAPES),
]


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "shape"), CASES, ids=str)
def test_output_and_every_gradient_equal_the_reference(
    ops: Any, shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool
) -> None:
    cuda_moe.assert_network_equals_reference(ops, shape, dtype, activation, bias, -1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_equals_the_reference(ops: Any, dtype: torch.dtype, activation: str) -> None:
    cuda_moe.assert_network_equals_reference(ops, (33, 7, 2, 10, 12), dtype, activation, True, -1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("capacity", [0, 3])
def test_dropped_slots_add_nothing(ops: Any, dtype: torch.dtype, capacity: int) -> None:
    cuda_moe.assert_network_equals_reference(ops, (33, 7, 2, 10, 12), dtype, "swiglu", True, capacity)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_the_largest_tiles_equal_the_reference(ops: Any, dtype: torch.dtype, activation: str) -> None:
    cuda_moe.assert_network_equals_reference(ops, cuda_moe.LARGE, dtype, activation, True, -1, seeds=1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("arch", [75, 86, 90])
def test_every_generation_of_tensor_cores_equals_the_reference(
    ops: Any, dtype: torch.dtype, arch: int
) -> None:
    with emulated_kernels.device(arch):
        for shape in ((20, 4, 2, 24, 40), (90, 2, 1, 72, 136), (90, 2, 1, 71, 30), cuda_moe.LARGE):
            cuda_moe.assert_network_equals_reference(ops, shape, dtype, "swiglu", True, -1, seeds=1)


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
@pytest.mark.parametrize("bias", [False, True])
def test_torchs_own_products_on_sm90_equal_the_reference(ops: Any, activation: str, bias: bool) -> None:
    with emulated_kernels.device(90), torch.profiler.profile() as profile:
        shape, dtype = (520, 2, 2, 264, 256), torch.bfloat16
        cuda_moe.assert_network_equals_reference(ops, shape, dtype, activation, bias, 300, seeds=1)
    calls = [event.count for event in profile.key_averages() if event.key == "aten::_grouped_mm"]
    assert calls == [6]


@pytest.mark.parametrize(
    ("choice", "products"),
    # dy w_out, and one for each of the gradients of x, w_in and w_out; a bias needs none.
    [
        ((True, False, False, False, False), 2),
        ((False, True, False, True, True), 2),
        ((True, True, False, True, False), 3),
    ],
)
def test_torchs_own_products_of_gradients_that_are_not_wanted_do_not_run(
    ops: Any, choice: tuple[bool, ...], products: int
) -> None:
    with emulated_kernels.device(90):
        p = cuda_moe.problem((520, 2, 2, 264, 256), torch.bfloat16, "swiglu", True, 300)
        with torch.profiler.profile() as profile:
            cuda_moe.assert_a_gradient_that_is_not_wanted_changes_no_other(ops, p, [choice])
    calls = [event.count for event in profile.key_averages() if event.key == "aten::_grouped_mm"]
    assert calls == [6 + products]  # after a forward pass and a whole backward one


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bias", [False, True])
def test_a_gradient_that_is_not_wanted_changes_no_other(ops: Any, dtype: torch.dtype, bias: bool) -> None:
    p = cuda_moe.problem((33, 7, 2, 10, 12), dtype, "swiglu", bias, 5)
    choices = itertools.product((False, True), repeat=5)
    cuda_moe.assert_a_gradient_that_is_not_wanted_changes_no_other(ops, p, choices)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("options", cuda_moe.ROUTES, ids=str)
@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(37, 8, 2), (0, 8, 2), (1, 40, 3), (70, 256, 5)])
def test_routing_equals_the_reference(
    ops: Any, tokens: int, experts: int, top_k: int, options: dict[str, Any], dtype: torch.dtype
) -> None:
    cuda_moe.assert_route_equals_reference(ops, tokens, experts, top_k, options, dtype)


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(5, 1, 1), (9, 6, 6), (3000, 6, 2), (300, 1024, 3)])
def test_routing_takes_one_expert_every_expert_many_blocks_and_a_thousand(
    ops: Any, tokens: int, experts: int, top_k: int
) -> None:
    for options in ({}, {"capacity": 500}):
        cuda_moe.assert_route_equals_reference(ops, tokens, experts, top_k, options, torch.float32)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 3, 4, 6, 32, 300])
@pytest.mark.parametrize("capacity", [-1, 4])
def test_dispatch_and_combine_equal_the_reference(
    ops: Any, dtype: torch.dtype, width: int, capacity: int
) -> None:
    cuda_moe.assert_permutation_equals_reference(ops, dtype, width, capacity)


def test_nan_logits_choose_valid_experts_and_leave_other_tokens_alone(ops: Any) -> None:
    cuda_moe.assert_nan_logits_choose_valid_experts(ops)


def test_indices_that_point_outside_are_not_followed(ops: Any) -> None:
    cuda_moe.assert_indices_outside_are_not_followed(ops)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_same_input_gives_the_same_bits_in_any_order_of_the_threads(ops: Any, dtype: torch.dtype) -> None:
    results = []
    for order in ("forward", "reverse"):
        with emulated_kernels.device(order=order):
            results.append(cuda_moe.assert_the_same_bits_again(ops, dtype))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_empty_experts_get_gradients_of_exactly_zero(ops: Any) -> None:
    p = cuda_moe.problem((10, 5, 1, 3, 4), torch.float32, "gelu")
    p.logits[:] = 0
    p.logits[:, 2] = 9
    got, *_ = cuda_moe.run(ops, p)
    for name in ("w_in", "w_out", "b_in", "b_out"):
        assert not got[name][[0, 1, 3, 4]].any()
        assert got[name][2].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_that_begin_anywhere_in_memory_and_with_any_strides_are_taken(
    ops: Any, dtype: torch.dtype
) -> None:
    p = cuda_moe.problem((40, 3, 2, 16, 24), dtype, "gelu")
    wanted, *_ = cuda_moe.run(ops, p)

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        shifted = torch.empty(tensor.numel() + 1, dtype=dtype)[1:].view(tensor.shape)
        return shifted.copy_(tensor)

    names = ("x", "w_in", "w_out", "b_in", "b_out", "grad")
    got, *_ = cuda_moe.run(ops, cuda_moe.Problem(**{**vars(p), **{n: moved(getattr(p, n)) for n in names}}))
    p.x, p.w_in, p.grad = (t.transpose(0, -1).contiguous().transpose(0, -1) for t in (p.x, p.w_in, p.grad))
    strided, *_ = cuda_moe.run(ops, p)
    for name, tensor in wanted.items():
        assert torch.equal(got[name], tensor), name
        assert torch.equal(strided[name], tensor), name


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("x", torch.zeros(5, 8), "x: got 5 in dimension 0, wanted 12"),
        ("x", torch.zeros(12, 8).int(), "must be float32, float64, bfloat16 or float16"),
        ("weights", torch.zeros(12, 2).double(), "expected scalar type Float but found Double"),
        ("w_in", torch.zeros(4, 6, 7), "w_in: got 7 in dimension 2, wanted 8"),
        ("w_out", torch.zeros(8, 6), "w_out: got 2 dimensions, wanted 3"),
        ("b_out", torch.zeros(3, 8), "b_out: got 3 in dimension 0, wanted 4"),
        ("offsets", torch.zeros(4).long(), r"offsets: wanted \[5\], one more than experts"),
        ("offsets", torch.zeros(5), "expected scalar type Long but found Float"),
        ("slot_to_row", torch.zeros(24).long(), "slot_to_row: got 1 dimensions"),
        ("row_to_slot", torch.zeros(23).long(), r"row_to_slot: wanted \[24\], one element for each slot"),
        ("slot_to_row", torch.zeros(12, 2).int(), "expected scalar type Long but found Int"),
        ("activation", "no-such", "activation: got 'no-such', wanted 'gelu', 'gelu_tanh', "),
    ],
)
def test_wrong_shapes_and_types_are_refused_by_name(
    ops: Any, argument: str, value: object, message: str
) -> None:
    p = cuda_moe.problem((12, 4, 2, 8, 6), torch.float32, "gelu")
    plan = ops.route(p.logits, None, 2, "softmax", True, 1, 1, 1.0, -1)
    arguments: dict[str, object] = {
        **{"x": p.x, "weights": plan[0], "w_in": p.w_in, "w_out": p.w_out, "b_in": p.b_in, "b_out": p.b_out},
        **{"offsets": plan[4], "slot_to_row": plan[5], "row_to_slot": plan[6], "activation": "gelu"},
    }
    ops.moe_mlp(*arguments.values())
    arguments[argument] = value
    with pytest.raises(RuntimeError, match=message):
        ops.moe_mlp(*arguments.values())
