"""An operator that is called directly, past the checks for users: an error by name, never foreign memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import frontier_kernels as fk
from frontier_kernels.ops import library

TOKENS, EXPERTS, TOP_K, WIDTH, HIDDEN = 6, 4, 2, 5, 3
SLOTS = TOKENS * TOP_K
Argument = Tensor | str | bool | None
FAR = 2**40
"""An index that no allocation of this test reaches."""


@pytest.fixture
def inputs() -> dict[str, Argument]:
    """Arguments of every operator, by their names in the schema."""
    routing = fk.route(torch.randn(TOKENS, EXPERTS), TOP_K)
    w_in, w_out = torch.randn(EXPERTS, HIDDEN, WIDTH), torch.randn(EXPERTS, WIDTH, HIDDEN)
    return {
        "x": torch.randn(TOKENS, WIDTH),
        "ys": torch.randn(SLOTS, WIDTH),
        "grad": torch.randn(TOKENS, WIDTH),
        "weights": routing.weights,
        "w_in": w_in,
        "w_out": w_out,
        "packed_in": library.pack_weights(w_in),
        "packed_out": library.pack_weights(w_out),
        "b_in": torch.randn(EXPERTS, HIDDEN),
        "b_out": torch.randn(EXPERTS, WIDTH),
        "pre": torch.randn(SLOTS, HIDDEN),
        "offsets": routing.offsets,
        "slot_to_row": routing.slot_to_row,
        "row_to_slot": routing.row_to_slot,
        "activation": "gelu",
        **{f"want_{name}": True for name in ("x", "w_in", "w_out", "b_in", "b_out")},
    }


def call(name: str, inputs: dict[str, Argument]) -> object:
    """Call an operator with the arguments that its schema names."""
    operator = getattr(library, name).default
    return operator(*(inputs[argument.name] for argument in operator._schema.arguments))


def put(tensor: Tensor, index: int, value: int) -> Tensor:
    """A copy with one element changed."""
    changed = tensor.clone()
    changed.view(-1)[index] = value
    return changed


MAPPED = ("dispatch", "combine", "combine_backward", "moe_mlp", "moe_mlp_backward", "moe_mlp_packed")
NETWORK = ("moe_mlp", "moe_mlp_backward", "moe_mlp_packed")
Change = Callable[[Tensor], object]

WRONG: list[tuple[tuple[str, ...], str, Change, str]] = [
    (MAPPED, "slot_to_row", lambda t: put(t, 3, FAR), f"slot_to_row: got {FAR}, wanted -1 to {SLOTS - 1}"),
    (MAPPED, "slot_to_row", lambda t: put(t, 3, -2), "slot_to_row: got -2, wanted -1"),
    (MAPPED, "slot_to_row", lambda t: t.flatten(), "slot_to_row: got 1 dimensions"),
    (MAPPED, "slot_to_row", lambda t: t[:-1], r"row_to_slot: wanted \[10\], one element for each slot"),
    (MAPPED, "slot_to_row", lambda t: t.int(), "expected scalar type Long but found Int"),
    (MAPPED, "slot_to_row", lambda t: t.roll(1), "row_to_slot: got .* wanted slot"),
    (MAPPED, "row_to_slot", lambda t: put(t, 0, FAR), f"row_to_slot: got {FAR}"),
    (MAPPED, "row_to_slot", lambda t: put(t, 0, -FAR), f"row_to_slot: got -{FAR}"),
    (MAPPED, "row_to_slot", lambda t: t[:5], "row_to_slot: wanted"),
    (MAPPED, "row_to_slot", lambda t: put(t, 0, int(t[1])), r"wanted (slot|row) \d+, which"),
    (MAPPED, "row_to_slot", lambda t: t.double(), "expected scalar type Long but found Double"),
    (NETWORK, "offsets", lambda t: put(t, -1, FAR), f"offsets: got {FAR} after"),
    (NETWORK, "offsets", lambda t: put(t, 0, 1), "offsets: got 1 first, wanted 0"),
    (NETWORK, "offsets", lambda t: put(t, 1, SLOTS), f"after {SLOTS}, wanted them to rise"),
    (NETWORK, "offsets", lambda t: t[:-1], r"offsets: wanted \[5\], one more than experts"),
    (NETWORK, "offsets", lambda t: t.float(), "expected scalar type Long but found Float"),
    (("dispatch", *NETWORK), "x", lambda t: t[:-1], "x: got 5 in dimension 0, wanted 6"),
    (("dispatch", *NETWORK), "x", lambda t: t[0], "x: got 1 dimensions, wanted 2"),
    (("dispatch", *NETWORK), "x", lambda t: torch.tensor(1.0), "x: got 0 dimensions, wanted 2"),
    (("dispatch", *NETWORK), "x", lambda t: t.int(), "must be float32, float64, bfloat16 or float16"),
    (("combine", "combine_backward"), "ys", lambda t: t[:-1], "ys: got 11 in dimension 0, wanted 12"),
    (("combine", "combine_backward"), "ys", lambda t: torch.tensor(1.0), "ys: got 0 dimensions, wanted 2"),
    (
        ("combine_backward", "moe_mlp_backward"),
        "grad",
        lambda t: t[:, :-1],
        "grad: got 4 in dimension 1, wanted 5",
    ),
    (("combine_backward", "moe_mlp_backward"), "grad", lambda t: t.double(), "expected scalar type Float"),
    (MAPPED[1:], "weights", lambda t: t[:, :1], "weights: got 1 in dimension 1, wanted 2"),
    (MAPPED[1:], "weights", lambda t: t.double(), "expected scalar type Float but found Double"),
    (NETWORK, "w_in", lambda t: t[:, :-1], "w_in: got 2 in dimension 1, wanted 3"),
    (NETWORK, "w_in", lambda t: t[:-1], "w_in: got 3 in dimension 0, wanted 4"),
    (NETWORK, "w_in", lambda t: t.bfloat16(), "expected scalar type Float but found BFloat16"),
    (NETWORK, "w_out", lambda t: t[0], "w_out: got 2 dimensions, wanted 3"),
    (NETWORK, "w_out", lambda t: t[:, :-1], "w_out: got 4 in dimension 1, wanted 5"),
    (NETWORK, "w_out", lambda t: torch.tensor(1.0), "w_out: got 0 dimensions, wanted 3"),
    (NETWORK, "b_in", lambda t: t[:, :-1], "b_in: got 2 in dimension 1, wanted 3"),
    (NETWORK, "b_out", lambda t: t[:-1], "b_out: got 3 in dimension 0, wanted 4"),
    (("moe_mlp_backward",), "pre", lambda t: t[:-1], "pre: got 11 in dimension 0, wanted 12"),
    (("moe_mlp_packed",), "packed_in", lambda t: t[:-1], "packed_in: got 3 in dimension 0, wanted 4"),
    (("moe_mlp_packed",), "packed_in", lambda t: t[:, :-4], r"packed_in: got \d+ in dimension 1, wanted \d+"),
    (("moe_mlp_packed",), "packed_out", lambda t: t[0], "packed_out: got 1 dimensions, wanted 2"),
    (("moe_mlp_packed",), "packed_out", lambda t: t.float(), "expected scalar type Byte but found Float"),
    (NETWORK, "activation", lambda t: "no-such", "activation: got 'no-such', wanted 'gelu', 'gelu_tanh', "),
    (NETWORK, "activation", lambda t: "swiglu", "w_in: got 3 in dimension 1, wanted 6"),
]


@pytest.mark.parametrize(
    ("operator", "argument", "change", "message"),
    [
        pytest.param(operator, argument, change, message, id=f"{operator}-{argument}-{number}")
        for number, (operators, argument, change, message) in enumerate(WRONG)
        for operator in operators
    ],
)
def test_wrong_arguments_are_refused_by_name(
    operator: str, argument: str, change: Change, message: str, inputs: dict[str, Argument]
) -> None:
    call(operator, inputs)  # right as it is, so the error is of the change
    value = inputs[argument]
    inputs[argument] = change(value)  # type: ignore[arg-type, assignment]
    with pytest.raises(RuntimeError, match=message):
        call(operator, inputs)


def test_a_row_of_an_expert_must_hold_a_slot(inputs: dict[str, Argument]) -> None:
    routing = fk.route(torch.randn(TOKENS, EXPERTS), TOP_K, capacity=1)
    inputs |= {"slot_to_row": routing.slot_to_row, "row_to_slot": routing.row_to_slot}
    inputs["offsets"] = torch.tensor([0, 3, 6, 9, SLOTS])
    for operator in NETWORK:
        with pytest.raises(RuntimeError, match="row_to_slot: got -1 in row 4, which belongs to an expert"):
            call(operator, inputs)


def route(
    logits: Tensor,
    top_k: int,
    groups: int = 1,
    open_groups: int = 1,
    scoring: str = "softmax",
    bias: Tensor | None = None,
) -> Tensor:
    """The operator itself; gives the chosen experts."""
    return library.route(logits, bias, top_k, scoring, True, groups, open_groups, 1.0, -1)[1]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.rand(4), 1), "logits: got 1 dimensions"),
        ((torch.rand(3, 4), 0), "top_k: got 0, wanted 1 to 4"),
        ((torch.rand(3, 4), 5), "top_k: got 5, wanted 1 to 4"),
        ((torch.rand(3, 4), 3, 2, 1), "top_k: got 3, wanted 1 to 2"),
        ((torch.rand(3, 0), 1), "top_k: got 1, wanted 1 to 0"),
        ((torch.rand(3, 4), 1, 3), "num_groups: got 3, wanted a divisor of 4"),
        ((torch.rand(3, 4), 1, 0), "num_groups: got 0"),
        ((torch.rand(3, 4), 1, 2, 3), "top_k_groups: got 3, wanted 1 to 2"),
        ((torch.ones(3, 4).int(), 1), "must be float32, float64, bfloat16 or float16"),
        ((torch.rand(3, 4), 1, 1, 1, "tanh"), "scoring: got 'tanh', wanted 'softmax' or 'sigmoid'"),
        (
            (torch.rand(3, 4), 1, 1, 1, "sigmoid", torch.rand(3)),
            "expert_bias: got 3 in dimension 0",
        ),
        (
            (torch.rand(3, 4), 1, 1, 1, "sigmoid", torch.ones(4).int()),
            "expert_bias: the element type",
        ),
    ],
)
def test_routing_refuses_what_does_not_fit(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        route(*arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grad_weights": torch.rand(3, 1)}, "grad_weights: got 1 in dimension 1, wanted 2"),
        ({"grad_weights": torch.rand(3, 2).double()}, "expected scalar type Float but found Double"),
        ({"logits": torch.rand(3)}, "logits: got 1 dimensions"),
        ({"logits": torch.rand(3, 0)}, "experts: got index 0, wanted 0 to -1"),
        ({"experts": torch.full((3, 2), FAR)}, f"experts: got index {FAR}, wanted 0 to 3"),
        ({"experts": torch.full((3, 2), -1)}, "experts: got index -1, wanted 0 to 3"),
        ({"experts": torch.zeros(2, 2, dtype=torch.int64)}, "experts: got 2 in dimension 0, wanted 3"),
        ({"scoring": "tanh"}, "scoring: got 'tanh'"),
    ],
)
def test_the_gradient_of_routing_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "grad_weights": torch.rand(3, 2),
        "logits": torch.rand(3, 4),
        "experts": torch.tensor([[0, 1], [3, 2], [1, 0]]),
        "scoring": "softmax",
        "renormalize": True,
        "routed_scaling_factor": 1.0,
        "biased": False,
    }
    library.route_backward(*arguments.values())
    with pytest.raises(RuntimeError, match=message):
        library.route_backward(*(arguments | change).values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(4, dtype=torch.int64), 4, -1), "experts: got 1 dimensions"),
        ((torch.full((3, 2), FAR), 4, -1), f"experts: got index {FAR}, wanted 0 to 3"),
        ((torch.full((3, 2), -2), 4, -1), "experts: got index -2, wanted 0 to 3, or -1 for none"),
        ((torch.full((3, 2), 4), 4, -1), "experts: got index 4"),
        ((torch.zeros(3, 2), 4, -1), "expected scalar type Long but found Float"),
        ((torch.zeros(3, 2, dtype=torch.int64), 0, -1), "num_experts: got 0, wanted at least 1"),
    ],
)
def test_grouping_refuses_what_does_not_fit(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        library.permute_slots(*arguments)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
def test_logits_that_are_not_numbers_still_give_valid_experts(value: float, scoring: str) -> None:
    for groups, open_groups in ((1, 1), (4, 2)):
        chosen = route(torch.full((5, 8), value), 3, groups, open_groups, scoring)
        assert ((chosen >= 0) & (chosen < 8)).all()
        assert all(len(set(row)) == 3 for row in chosen.tolist())
