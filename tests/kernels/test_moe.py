"""Dispatch, combine and the fused expert network, forward and backward, against the readable reference."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any, get_args

import pytest
import torch
from numerics import relative_error
from torch.utils._python_dispatch import TorchDispatchMode

import frontier_kernels as fk
from frontier_kernels import reference
from frontier_kernels.activations import ACTIVATIONS, Activation, is_gated
from frontier_kernels.ops import sum_dtype

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
SEEDS = 6
"""Errors of all seeds are measured together: four numbers alone may all round the same way."""
SHAPES = [
    (1, 1, 1, 4, 3),
    (33, 7, 2, 10, 12),
    (64, 8, 2, 16, 24),
    (50, 5, 5, 9, 3),
    (128, 64, 1, 8, 4),
    (0, 4, 2, 6, 5),
]


def problem(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool
) -> list[torch.Tensor | None]:
    tokens, experts, _, width, hidden = shape
    inner = 2 * hidden if is_gated(activation) else hidden
    tensors: list[torch.Tensor | None] = [
        torch.randn(tokens, width, dtype=dtype),
        torch.randn(tokens, experts, dtype=dtype),
        torch.randn(experts, inner, width, dtype=dtype) / width**0.5,
        torch.randn(experts, width, hidden, dtype=dtype) / hidden**0.5,
        torch.randn(experts, inner, dtype=dtype) if bias else None,
        torch.randn(experts, width, dtype=dtype) if bias else None,
    ]
    return [t if t is None else t.requires_grad_() for t in tensors]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("capacity", [None, 3])
def test_output_and_every_gradient_equal_the_reference(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool, capacity: int | None
) -> None:
    assert_network_equals_reference(shape, dtype, activation, bias, capacity)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(33, 7, 2, 10, 12), (50, 5, 5, 9, 3)], ids=str)
def test_every_activation_equals_the_reference(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str
) -> None:
    assert_network_equals_reference(shape, dtype, activation, True, None)


def assert_network_equals_reference(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool, capacity: int | None
) -> None:
    names = ("y", "x", "logits", "w_in", "w_out", "b_in", "b_out")
    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {name: [] for name in names}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        inputs = problem(shape, dtype, activation, bias)
        x, logits, w_in, w_out, b_in, b_out = inputs
        assert x is not None
        assert logits is not None
        routing = fk.route(logits, shape[2], capacity=capacity)
        y = fk.moe_mlp(x, routing, w_in, w_out, b_in, b_out, activation=activation)  # type: ignore[arg-type]
        # The truth is computed in float64 from the same numbers and the same choice of experts.
        exact = [t if t is None else t.detach().double().requires_grad_() for t in inputs]
        ex, elogits, *eweights = exact
        assert elogits is not None
        chosen = elogits.softmax(-1).gather(1, routing.experts)
        weights = chosen / chosen.sum(-1, keepdim=True)
        wanted = reference.moe_mlp(
            ex, weights, routing.experts, routing.dropped, *eweights, activation=activation
        )  # type: ignore[arg-type]
        found["y"].append((y, wanted))
        grad = torch.randn_like(y)
        leaves = [
            (name, t, e)
            for name, t, e in zip(names[1:], inputs, exact, strict=True)
            if t is not None and e is not None
        ]
        got = torch.autograd.grad(y, [t for _, t, _ in leaves], grad)
        truth = torch.autograd.grad(
            wanted, [e for _, _, e in leaves], grad.double(), allow_unused=True, materialize_grads=True
        )
        for (name, leaf, _), g, t in zip(leaves, got, truth, strict=True):
            assert g.dtype == leaf.dtype
            found[name].append((g, t))
    for name, pairs in found.items():
        if not pairs:
            continue
        g, t = (torch.cat([pair[i].flatten() for pair in pairs]) for i in range(2))
        if t.numel() and t.abs().max() > 1e-12:
            assert relative_error(g, t) <= BOUND[dtype], name
        else:
            # Nothing to learn here, up to rounding: one expert of k = 1 has weight one whatever its logit.
            assert g.numel() == 0 or g.abs().max() <= BOUND[dtype], name


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("capacity", [None, 3])
def test_slots_without_an_expert_add_nothing_and_learn_nothing(
    dtype: torch.dtype, capacity: int | None, compiled: bool
) -> None:
    torch.compiler.reset()
    x, _, *network = problem((60, 5, 3, 16, 12), dtype, "swiglu", True)
    unused = torch.rand(60, 3) < 0.4
    unused[7], unused[8] = True, False
    experts = torch.stack([torch.randperm(5)[:3] for _ in range(60)]).masked_fill(unused, -1)
    weights = torch.rand(60, 3, dtype=sum_dtype(dtype)).masked_fill(unused, torch.nan).requires_grad_()
    leaves = [t for t in (x, weights, *network) if t is not None]

    def run(x: torch.Tensor, weights: torch.Tensor, *network: torch.Tensor) -> torch.Tensor:
        plan = fk.group_by_expert(experts, weights, 5, capacity=capacity)
        return fk.moe_mlp(x, plan, *network, activation="swiglu")

    y = (torch.compile(run, fullgraph=True, backend="aot_eager") if compiled else run)(*leaves)
    grad = torch.randn_like(y)
    got = torch.autograd.grad(y, leaves, grad)
    assert not y[7].any()
    assert not got[0][7].any()
    assert not got[1][unused].any()
    # The truth counts ranks itself: what is unused takes no place of a full expert.
    plan = reference.permute_slots(experts, 5, capacity)
    exact = [t.detach().double().requires_grad_() for t in leaves]
    wanted = reference.moe_mlp(exact[0], exact[1], experts, plan[3] < 0, *exact[2:], activation="swiglu")
    truth = torch.autograd.grad(wanted, exact, grad.double())
    for a, b in zip((y, *got), (wanted, *truth), strict=True):
        assert relative_error(a, b) <= BOUND[dtype]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradcheck_in_double(activation: str) -> None:
    x, logits, w_in, w_out, b_in, b_out = problem((6, 3, 2, 4, 3), torch.float64, activation, True)
    routing = fk.route(logits.detach(), 2)  # type: ignore[union-attr]

    def f(*a: torch.Tensor) -> torch.Tensor:
        return fk.moe_mlp(a[0], routing._replace(weights=a[1]), *a[2:], activation=activation)  # type: ignore[arg-type]

    weights = routing.weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(f, (x, weights, w_in, w_out, b_in, b_out))


class BackwardCalls(TorchDispatchMode):
    """Keeps the shapes of what each call of the backward operator gives."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[tuple[int, ...], ...]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func == fk.ops.library.moe_mlp_backward.default:
            self.shapes.append(tuple(tuple(t.shape) for t in result))
        return result


FREEZABLE = ("x", "w_in", "w_out", "b_in", "b_out")
Grads = dict[str, torch.Tensor | None]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("shape", [(33, 7, 2, 10, 12), (1400, 3, 2, 40, 24)], ids=str)
@pytest.mark.parametrize("capacity", [None, 3])
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(
    shape: tuple[int, ...], dtype: torch.dtype, capacity: int | None, threads: int
) -> None:
    """Every choice of what is frozen, on one block of rows and on several, one expert idle."""
    torch.set_num_threads(threads)
    x, logits, *network = problem(shape, dtype, "swiglu", True)
    assert logits is not None
    logits.detach()[:, -1] = -9
    routing = fk.route(logits.detach(), 2, capacity=capacity)
    leaves = {n: t for n, t in zip(FREEZABLE, (x, *network), strict=True) if t is not None}
    grad = torch.randn_like(leaves["x"])

    def run(frozen: tuple[str, ...]) -> tuple[Grads, dict[str, tuple[int, ...]]]:
        weights = routing.weights.clone().requires_grad_()
        given = {n: t.detach().requires_grad_(n not in frozen) for n, t in leaves.items()}
        x, *network = given.values()
        y = fk.moe_mlp(x, routing._replace(weights=weights), *network, activation="swiglu")
        with BackwardCalls() as calls:
            y.backward(grad)
        (shapes,) = calls.shapes
        order = ("x", "weights", *FREEZABLE[1:])
        return {n: t.grad for n, t in (given | {"weights": weights}).items()}, dict(
            zip(order, shapes, strict=True)
        )

    whole, sizes = run(())
    for count in range(1, len(FREEZABLE) + 1):
        for frozen in combinations(FREEZABLE, count):
            found, shapes = run(frozen)
            for name, full in whole.items():
                got = found[name]
                if name in frozen:
                    assert got is None, (name, frozen)
                    assert shapes[name] == (0, *sizes[name][1:])
                else:
                    assert got is not None
                    assert full is not None
                    assert torch.equal(got, full), (name, frozen)


@pytest.mark.speed
@pytest.mark.parametrize(("tokens", "share"), [(512, 0.75), (4, 0.5)])
def test_a_backward_pass_of_frozen_experts_takes_a_share_of_the_time(tokens: int, share: float) -> None:
    """It has half of the FLOP; of few tokens most of the rest is to write what is not there any more."""
    x, logits, w_in, w_out, *_ = problem((tokens, 8, 2, 256, 512), torch.float32, "swiglu", False)
    routing = fk.route(logits.detach(), 2)  # type: ignore[union-attr]
    least = {True: float("inf"), False: float("inf")}
    for trained in [True, False] * 15:
        given = [w.detach().requires_grad_(trained) for w in (w_in, w_out)]  # type: ignore[union-attr]
        y = fk.moe_mlp(x, routing, *given, activation="swiglu")  # type: ignore[arg-type]
        grad = torch.ones_like(y)
        begun = time.perf_counter()
        y.backward(grad)
        least[trained] = min(least[trained], time.perf_counter() - begun)
    assert least[False] <= share * least[True], least


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("capacity", [None, 2])
def test_dispatch_then_combine_is_the_weighted_sum_of_what_was_kept(
    dtype: torch.dtype, capacity: int | None
) -> None:
    x = torch.randn(40, 9, dtype=dtype, requires_grad=True)
    routing = fk.route(torch.randn(40, 6), 3, capacity=capacity)
    xs = fk.dispatch(x, routing)
    assert not xs[int(routing.counts.sum()) :].any()
    y = fk.combine(xs, routing)
    kept = routing.weights.double().masked_fill(routing.dropped, 0).sum(-1, keepdim=True)
    assert relative_error(y, x * kept) <= BOUND[dtype]
    y.float().sum().backward()
    assert relative_error(x.grad, kept.expand_as(x)) <= BOUND[dtype]  # type: ignore[arg-type]


@pytest.mark.parametrize("capacity", [None, 2])
def test_gradcheck_of_dispatch_and_combine(capacity: int | None) -> None:
    routing = fk.route(torch.randn(7, 4), 2, capacity=capacity)
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    ys = torch.randn(14, 3, dtype=torch.float64, requires_grad=True)
    weights = routing.weights.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: fk.dispatch(x, routing), (x,))
    assert torch.autograd.gradcheck(lambda y, w: fk.combine(y, routing._replace(weights=w)), (ys, weights))


def pointwise(activation: str, gate: torch.Tensor, up: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The activation by one expert whose weights are one, and its gradients: ``[n]`` and ``[n, 1 or 2]``."""
    pre = torch.stack([gate, up], -1) if is_gated(activation) else gate[:, None]
    pre = pre.clone().requires_grad_()  # [T, D], taken to the pre-activations as it is
    w_in, w_out = torch.eye(pre.shape[1], dtype=gate.dtype)[None], torch.zeros(1, pre.shape[1], 1)
    w_out[:, 0] = 1
    routing = fk.route(torch.zeros(len(gate), 1), 1)
    y = fk.moe_mlp(pre, routing, w_in, w_out.to(gate.dtype), activation=activation)[:, 0]  # type: ignore[arg-type]
    (slope,) = torch.autograd.grad(y.sum(), pre)
    return y.detach(), slope


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_hold_over_their_whole_range(activation: str, dtype: torch.dtype) -> None:
    """The float polynomials end nowhere early; limits are where torch's are; nothing far away overflows."""
    gate = torch.linspace(-30, 30, 60_001, dtype=dtype)
    up = torch.linspace(-9, 9, 60_001, dtype=dtype).roll(20_000)
    exact = torch.stack([gate, up], -1).double()[:, : 1 + is_gated(activation)].requires_grad_()
    wanted = reference.activate(exact, activation)[:, 0]
    (wanted_slope,) = torch.autograd.grad(wanted.sum(), exact)
    y, slope = pointwise(activation, gate, up)
    bound = 2e-6 if dtype == torch.float32 else 1e-13
    assert ((y - wanted).abs() <= bound * wanted.abs().clamp_min(1)).all()
    assert ((slope - wanted_slope).abs() <= bound * wanted_slope.abs().clamp_min(1)).all()


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name not in ("gelu", "relu2")])
def test_activations_far_away_are_their_limits(activation: str) -> None:
    # Up to where a cube or an exponential overflows, beyond the line on which formulas are compared closely.
    gate = torch.tensor([-1e30, -1e4, -100.0, -30.0, 0.0, 30.0, 100.0, 1e4, 1e15])
    exact = torch.stack([gate, torch.ones(len(gate))], -1).double()[:, : 1 + is_gated(activation)]
    y, slope = pointwise(activation, gate, torch.ones(len(gate)))
    wanted = reference.activate(exact, activation)[:, 0]
    assert ((y - wanted).abs() <= 1e-6 * wanted.abs().clamp_min(1)).all()
    assert slope.isfinite().all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_token_that_is_no_number_stays_one_alone(activation: str) -> None:
    gate, up = torch.randn(20), torch.randn(20)
    gate[7] = torch.nan
    y, slope = pointwise(activation, gate, up)
    assert y[7].isnan()
    assert (
        slope[7, 0].isnan() or activation == "swiglu_oai"
    )  # whose clamp passes no gradient there, as torch's
    assert not y[torch.arange(20) != 7].isnan().any()


def test_the_two_tables_of_activations_have_the_same_rows() -> None:
    if fk.ops.NOT_COMPILED:
        pytest.skip("no compiled library: there is one table")
    lines = fk.ops.library.activations().split("\n")
    assert lines == [name + " gated" * row.gated for name, row in ACTIVATIONS.items()]
    assert tuple(ACTIVATIONS) == get_args(Activation)


def test_dropped_tokens_keep_their_residual() -> None:
    x = torch.randn(20, 8)
    routing = fk.route(torch.zeros(20, 4), 1, capacity=2)
    y = fk.moe_mlp(x, routing, torch.randn(4, 6, 8), torch.randn(4, 8, 6))
    assert not y[2:].any()
    assert y[:2].any()


def test_the_same_input_gives_the_same_bits_on_one_thread_and_on_two() -> None:
    x, logits, w_in, w_out, *_ = problem((300, 8, 2, 32, 24), torch.float32, "swiglu", False)
    assert x is not None

    def run(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        routing = fk.route(logits, 2)  # type: ignore[arg-type]
        y = fk.moe_mlp(x, routing, w_in, w_out, activation="swiglu")  # type: ignore[arg-type]
        return [y, *torch.autograd.grad(y.square().sum(), [x, logits, w_in, w_out])]  # type: ignore[list-item]

    for a, b in zip(run(1), run(2), strict=True):
        assert torch.equal(a, b)


def test_strided_inputs_and_expanded_gradients_are_taken() -> None:
    tokens, experts, width, hidden = 12, 4, 6, 5
    x = torch.randn(width, tokens, dtype=torch.float64).t().requires_grad_()
    w_in = torch.randn(experts, width, hidden, dtype=torch.float64).transpose(1, 2).requires_grad_()
    w_out = torch.randn(experts, hidden, width, dtype=torch.float64).transpose(1, 2).requires_grad_()
    routing = fk.route(torch.randn(experts, tokens).t(), 2)
    y = fk.moe_mlp(x, routing, w_in, w_out)
    wanted = reference.moe_mlp(x, routing.weights.double(), routing.experts, routing.dropped, w_in, w_out)
    torch.testing.assert_close(y, wanted)
    got = torch.autograd.grad(y.sum(), [x, w_in, w_out])
    for a, b in zip(got, torch.autograd.grad(wanted.sum(), [x, w_in, w_out]), strict=True):
        torch.testing.assert_close(a, b)


def test_empty_experts_get_gradients_of_exactly_zero() -> None:
    logits = torch.zeros(10, 5)
    logits[:, 2] = 9
    w_in, w_out = torch.randn(5, 4, 3, requires_grad=True), torch.randn(5, 3, 4, requires_grad=True)
    fk.moe_mlp(torch.randn(10, 3), fk.route(logits, 1), w_in, w_out).sum().backward()
    idle = [0, 1, 3, 4]
    assert not w_in.grad[idle].any()  # type: ignore[index]
    assert not w_out.grad[idle].any()  # type: ignore[index]
    assert w_in.grad[2].any()  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": torch.randn(5, 6)}, ValueError, r"x: got shape \(5, 6\), wanted \[8, width\]"),
        ({"x": torch.ones(8, 6).int()}, TypeError, "x: got torch.int32"),
        ({"w_in": torch.randn(4, 7, 6)}, ValueError, r"w_in: got shape \(4, 7, 6\), wanted \[4, 5, 6\]"),
        ({"w_out": torch.randn(3, 6, 5)}, ValueError, r"w_out: got shape \(3, 6, 5\)"),
        ({"b_in": torch.randn(4, 6)}, ValueError, "b_in: got shape"),
        (
            {"w_in": torch.randn(4, 5, 6).double()},
            TypeError,
            "w_in: got torch.float64 on cpu, wanted torch.float32",
        ),
        ({"activation": "no-such"}, ValueError, "activation: got 'no-such'"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], error: type[Exception], message: str) -> None:
    arguments: dict[str, object] = {
        "x": torch.randn(8, 6),
        "routing": fk.route(torch.randn(8, 4), 2),
        "w_in": torch.randn(4, 5, 6),
        "w_out": torch.randn(4, 6, 5),
    }
    with pytest.raises(error, match=message):
        fk.moe_mlp(**{**arguments, **change})  # type: ignore[arg-type]
