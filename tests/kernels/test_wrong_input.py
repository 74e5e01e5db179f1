"""A tensor of the wrong rank, element type or device is refused by its name, whichever argument it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import frontier_kernels as fk

Arguments = dict[str, Any]


def moe() -> Arguments:
    """Arguments of ``moe_mlp`` for 6 tokens of width 4 and 3 experts of width 5."""
    return {
        "x": torch.randn(6, 4),
        "routing": fk.route(torch.randn(6, 3), 2),
        "w_in": torch.randn(3, 5, 4),
        "w_out": torch.randn(3, 4, 5),
        "b_in": torch.randn(3, 5),
        "b_out": torch.randn(3, 4),
    }


def retention() -> Arguments:
    """Arguments of ``retention`` for two packed sequences of 7 steps together."""
    return {
        "q": torch.randn(1, 7, 2, 3),
        "k": torch.randn(1, 7, 2, 3),
        "v": torch.randn(1, 7, 2, 4),
        "log_decay": -torch.rand(2),
        "initial_state": torch.randn(2, 2, 3, 4),
        "cu_seqlens": torch.tensor([0, 3, 7]),
    }


def step() -> Arguments:
    """Arguments of ``retention_step`` for a batch of 2."""
    return {
        "q": torch.randn(2, 3, 4),
        "k": torch.randn(2, 3, 4),
        "v": torch.randn(2, 3, 5),
        "state": torch.randn(2, 3, 4, 5),
        "log_decay": -torch.rand(3),
    }


def chosen(*tokens: int) -> Arguments:
    """Arguments of a balance loss of 3 experts."""
    return {
        "logits": torch.randn(*tokens, 3),
        "experts": torch.randint(3, (*tokens, 2)),
        "mask": torch.ones(tokens),
    }


def layer_step() -> Arguments:
    return {"x": torch.randn(2, 5, 8), "state": torch.randn(2, 2, 4, 4)}


CALLS: dict[str, tuple[Callable[..., Any], Callable[[], Arguments]]] = {
    "route": (fk.route, lambda: {"logits": torch.randn(6, 4), "top_k": 2, "expert_bias": torch.zeros(4)}),
    "group_by_expert": (
        fk.group_by_expert,
        lambda: {"experts": torch.ones(6, 2).long(), "weights": torch.rand(6, 2), "num_experts": 3},
    ),
    "dispatch": (fk.dispatch, lambda: {k: v for k, v in moe().items() if k in ("x", "routing")}),
    "combine": (fk.combine, lambda: {"ys": torch.randn(12, 4), "routing": moe()["routing"]}),
    "moe_mlp": (fk.moe_mlp, moe),
    "load_balancing_loss": (fk.load_balancing_loss, lambda: chosen(6)),
    "sequence_balance_loss": (fk.sequence_balance_loss, lambda: chosen(2, 6)),
    "router_z_loss": (fk.router_z_loss, lambda: {"logits": torch.randn(6, 4)}),
    "update_expert_bias": (
        fk.update_expert_bias,
        lambda: {"expert_bias": torch.zeros(3), "demand": torch.tensor([1, 2, 3])},
    ),
    "retention": (fk.retention, retention),
    "retention_step": (fk.retention_step, step),
    "MoELayer": (fk.MoELayer(4, 3, 2, 5), lambda: {"x": torch.randn(6, 4)}),
    "RetentionLayer": (fk.RetentionLayer(8, 2).chunkwise_forward, layer_step),
}
CASES = [
    (call, name)
    for call, (_, arguments) in CALLS.items()
    for name, value in arguments().items()
    if isinstance(value, torch.Tensor)
]
ANY_RANK = {("MoELayer", "x")}
ANY_TYPE = {
    ("load_balancing_loss", "mask"),
    ("sequence_balance_loss", "mask"),
    ("update_expert_bias", "demand"),
}
ANY_DEVICE = {("router_z_loss", "logits")}
"""Plain torch with one argument, on whatever device it is."""
FIRST = {
    ("load_balancing_loss", "logits"),
    ("sequence_balance_loss", "logits"),
    ("update_expert_bias", "expert_bias"),
    ("route", "logits"),
    ("group_by_expert", "experts"),
    ("dispatch", "x"),
    ("combine", "ys"),
    ("moe_mlp", "x"),
    ("retention", "q"),
    ("retention_step", "q"),
}
"""The next argument, which has to be where this one is, is the one that the error names."""
ANY_FLOAT = {
    # The other arguments have to be like these.
    *((call, "q") for call in ("retention", "retention_step")),
    *((call, "log_decay") for call in ("retention", "retention_step")),
    ("group_by_expert", "weights"),
    ("route", "logits"),
    ("route", "expert_bias"),
    ("update_expert_bias", "expert_bias"),
    ("update_expert_bias", "demand"),
    *((call, "logits") for call in CALLS),
    *((call, name) for call in ("dispatch", "combine", "moe_mlp") for name in ("x", "ys")),
}


def refused(call: str, name: str, value: torch.Tensor) -> None:
    """Call with one argument replaced and look for its name at the start of the error."""
    function, arguments = CALLS[call]
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: "):
        function(**{**arguments(), name: value})


@pytest.mark.parametrize("call", CALLS)
def test_the_arguments_are_right_before_one_is_made_wrong(call: str) -> None:
    function, arguments = CALLS[call]
    with torch.no_grad():
        function(**arguments())


def test_every_public_function_is_here() -> None:
    without_tensors = {"expert_capacity", "with_shared_experts", "build_info", "BuildInfo", "Routing"}
    checked_by_moe_mlp = {"PackedWeights"}
    assert set(fk.__all__) - without_tensors - checked_by_moe_mlp == set(CALLS)


@pytest.mark.parametrize(("call", "name"), [case for case in CASES if case not in ANY_RANK], ids=str)
@pytest.mark.parametrize("more", [False, True])
def test_a_wrong_rank_is_refused(call: str, name: str, more: bool) -> None:
    value = CALLS[call][1]()[name]
    with torch.no_grad():
        refused(call, name, value[None] if more else value[0])


@pytest.mark.parametrize(("call", "name"), [case for case in CASES if case not in ANY_TYPE], ids=str)
def test_a_wrong_element_type_is_refused(call: str, name: str) -> None:
    value = CALLS[call][1]()[name]
    with torch.no_grad():
        refused(call, name, value.cfloat())
        refused(call, name, value.float() if value.dtype == torch.int64 else value.long())


@pytest.mark.parametrize(
    ("call", "name"), [case for case in CASES if case not in ANY_FLOAT | ANY_TYPE], ids=str
)
def test_float64_among_float32_is_refused(call: str, name: str) -> None:
    with torch.no_grad():
        refused(call, name, CALLS[call][1]()[name].double())


@pytest.mark.parametrize(
    ("call", "name"), [case for case in CASES if case not in ANY_DEVICE | FIRST], ids=str
)
def test_a_tensor_on_another_device_is_refused(call: str, name: str) -> None:
    with torch.no_grad():
        refused(call, name, CALLS[call][1]()[name].to("meta"))


@pytest.mark.parametrize(("call", "name"), sorted(FIRST), ids=str)
def test_arguments_on_two_devices_are_refused(call: str, name: str) -> None:
    function, arguments = CALLS[call]
    second = "experts|demand|weights|expert_bias|routing|k"
    with (
        torch.no_grad(),
        pytest.raises(ValueError, match=rf"^({second}): got a (tensor|plan) on cpu, wanted meta"),
    ):
        function(**{**arguments(), name: arguments()[name].to("meta")})


@pytest.mark.parametrize("call", ["dispatch", "combine", "moe_mlp"])
def test_a_plan_on_another_device_is_refused(call: str) -> None:
    function, arguments = CALLS[call]
    plan = fk.Routing(*(t.to("meta") for t in arguments()["routing"]))
    with pytest.raises(ValueError, match=r"^routing: got a plan on meta, wanted cpu"):
        function(**{**arguments(), "routing": plan})


OPTIONAL = {
    "expert_bias",
    "b_in",
    "b_out",
    "mask",
    "initial_state",
    "cu_seqlens",
    ("RetentionLayer", "state"),
}
"""May be ``None``."""


@pytest.mark.parametrize(
    ("call", "name", "wrong"),
    [
        (call, name, wrong)
        for call, name in CASES
        for wrong in ([[1.0, 2.0]], None, 1.5, "x")
        if wrong is not None or OPTIONAL.isdisjoint({name, (call, name)}) or call == "update_expert_bias"
    ],
    ids=str,
)
def test_what_is_no_tensor_is_refused(call: str, name: str, wrong: Any) -> None:
    function, arguments = CALLS[call]
    came = {"list": "list", "str": "str"}.get(type(wrong).__name__, repr(wrong))
    with torch.no_grad(), pytest.raises(TypeError, match=rf"^{name}: got {came}, wanted a tensor$"):
        function(**{**arguments(), name: wrong})


@pytest.mark.parametrize("call", ["dispatch", "combine", "moe_mlp"])
def test_what_is_no_plan_is_refused(call: str) -> None:
    function, arguments = CALLS[call]
    for wrong in (None, tuple(arguments()["routing"]), torch.ones(6, 2)):
        with pytest.raises(TypeError, match=rf"^routing: got {type(wrong).__name__}, wanted a Routing"):
            function(**{**arguments(), "routing": wrong})
    with pytest.raises(TypeError, match=r"^routing: got list, wanted a Routing"):
        fk.with_shared_experts([], 1)  # type: ignore[arg-type]


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "top_k": lambda n: fk.route(torch.randn(6, 4), n),
    "num_groups": lambda n: fk.route(torch.randn(6, 4), 2, num_groups=n, top_k_groups=1),
    "top_k_groups": lambda n: fk.route(torch.randn(6, 4), 2, num_groups=2, top_k_groups=n),
    "capacity": lambda n: fk.route(torch.randn(6, 4), 2, capacity=n),
    "num_experts": lambda n: fk.group_by_expert(torch.zeros(6, 2).long(), torch.rand(6, 2), n),
    "shared_experts": lambda n: fk.with_shared_experts(fk.route(torch.randn(6, 4), 2), n),
    "chunk_size": lambda n: fk.retention(**retention(), chunk_size=n),
    "position": lambda n: fk.RetentionLayer(8, 2).chunkwise_forward(torch.randn(1, 2, 8), None, n),
    "hidden_size": lambda n: fk.MoELayer(n),
    "expert_hidden_size": lambda n: fk.MoELayer(4, expert_hidden_size=n),
    "d_model": lambda n: fk.RetentionLayer(n, 2),
    "num_heads": lambda n: fk.RetentionLayer(8, n),
    "value_dim": lambda n: fk.RetentionLayer(8, 2, value_dim=n),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_no_int_is_refused(name: str) -> None:
    for wrong, came in ((2.0, r"2\.0"), ("2", "str"), (torch.ones(2), "Tensor")):
        with pytest.raises(TypeError, match=rf"^{name}: got {came}, wanted an int$"):
            NUMBERS[name](wrong)
    with pytest.raises(ValueError, match=rf"^{name}: got 9223372036854775808, wanted a number that int64"):
        NUMBERS[name](2**63)


@pytest.mark.parametrize("name", ["top_k", "num_groups", "capacity", "num_experts", "chunk_size", "position"])
def test_a_whole_number_of_numpy_is_taken(name: str) -> None:
    NUMBERS[name](np.int32(2))


def test_int32_indices_give_what_int64_ones_give() -> None:
    experts, weights, logits = torch.randint(4, (6, 2)), torch.rand(6, 2), torch.randn(6, 4)
    for got, wanted in zip(
        fk.group_by_expert(experts.int(), weights, 4), fk.group_by_expert(experts, weights, 4), strict=True
    ):
        assert got.dtype == wanted.dtype
        assert torch.equal(got, wanted)
    assert fk.load_balancing_loss(logits, experts.int()) == fk.load_balancing_loss(logits, experts)
    assert fk.sequence_balance_loss(logits[None], experts[None].int()) == fk.sequence_balance_loss(
        logits[None], experts[None]
    )
    packed = retention()
    wanted, _ = fk.retention(**packed)
    got, _ = fk.retention(**{**packed, "cu_seqlens": packed["cu_seqlens"].int()})
    assert torch.equal(got, wanted)
