"""Shapes, element types and options drawn at random: outputs and gradients against the reference in float64.

``FRONTIER_FUZZ=2000`` draws 2,000 examples instead of the 200 of every run. Draws are the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import frontier_kernels as fk
from frontier_kernels import reference
from frontier_kernels.activations import ACTIVATIONS, is_gated
from frontier_kernels.checks import FLOATS
from frontier_kernels.ops import sum_dtype

EXAMPLES = int(os.environ.get("FRONTIER_FUZZ", "200"))
"""Half for each operator."""
fuzz = settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
BOUND = {torch.float64: 1e-11, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
"""Root mean square of the error over that of the truth."""
Truth = Callable[[Sequence[Tensor | None], Tensor], list[Tensor]]


def size(tensor: Tensor) -> float:
    """Root mean square, in float64."""
    return float(tensor.detach().double().square().mean().sqrt()) if tensor.numel() else 0.0


def leaf(data: st.DataObject, *shape: int, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
    """Unit numbers that want a gradient, contiguous or not."""
    tensor = torch.randn(*shape, dtype=torch.float64).mul(scale).to(dtype)
    if len(shape) > 1 and data.draw(st.booleans(), label="strided"):
        tensor = tensor.transpose(0, -1).contiguous().transpose(0, -1)
    return tensor.requires_grad_()


def exact(inputs: Sequence[Tensor | None], rounding: float = 0.0) -> list[Tensor | None]:
    """The same numbers in float64, each off by about ``rounding`` of itself."""

    def widen(tensor: Tensor) -> Tensor:
        wide = tensor.detach().double()
        return wide * (1 + rounding * torch.randn_like(wide)) if rounding else wide

    return [None if t is None else widen(t).requires_grad_() for t in inputs]


def check(
    got: dict[str, Tensor], truth: Truth, inputs: Sequence[Tensor | None], grad: Tensor, dtype: torch.dtype
) -> None:
    """Hold each result to ``BOUND``, or, where terms cancel, to what rounding the inputs alone would do.

    A gradient that is the small difference of large terms cannot be better than the inputs are: there the
    error may be four times the change of the truth when every input moves by its last bit.
    """
    wanted = truth(exact(inputs), grad.double())
    moved: list[Tensor] | None = None
    for index, (name, result) in enumerate(got.items()):
        answer = wanted[index]
        assert result.shape == answer.shape, name
        assert result.isfinite().all(), name
        error = size(result.double() - answer)
        if size(answer) < 1e-12:
            # Nothing to learn here, up to rounding: one expert of k = 1 has weight one whatever its logit.
            assert error <= BOUND[dtype], name
        elif error > BOUND[dtype] * size(answer):
            if moved is None:
                last_bit = torch.finfo(dtype).eps
                moved = truth(
                    exact(inputs, last_bit), grad.double() * (1 + last_bit * torch.randn(grad.shape))
                )
            allowed = 4 * size(moved[index] - answer)
            assert error <= allowed, f"{name}: error {error:.2e} of {size(answer):.2e}, {allowed:.2e} allowed"


def gradient(data: st.DataObject, y: Tensor) -> Tensor:
    """A gradient for ``y``, dense, or one number for many elements as sums and means give it."""
    if data.draw(st.booleans(), label="expanded gradient"):
        return torch.randn((1,) * y.ndim).to(y.dtype).expand_as(y)
    return torch.randn(y.shape).to(y.dtype)


@fuzz
@given(st.data())
def test_moe_equals_the_reference(data: st.DataObject) -> None:
    draw = data.draw
    torch.manual_seed(draw(st.integers(0, 2**31), label="seed"))
    dtype = draw(st.sampled_from(FLOATS), label="dtype")
    tokens, width, hidden = (draw(st.integers(low, 40), label=n) for n, low in (("T", 0), ("D", 1), ("H", 1)))
    groups = draw(st.integers(1, 4), label="groups")
    experts = groups * draw(st.integers(1, 6), label="experts of a group")
    open_groups = draw(st.integers(1, groups), label="open groups")
    top_k = draw(st.integers(1, experts // groups * open_groups), label="top_k")
    shared = draw(st.integers(0, 2), label="shared experts")
    activation = draw(st.sampled_from([*ACTIVATIONS]), label="activation")
    scoring = draw(st.sampled_from(["softmax", "sigmoid"]), label="scoring")
    renormalize = draw(st.booleans(), label="renormalize")
    factor = draw(st.sampled_from([1.0, 2.5]), label="routed_scaling_factor")
    capacity = draw(st.none() | st.integers(0, 12), label="capacity")
    bias = torch.randn(experts) / 10 if draw(st.booleans(), label="expert_bias") else None
    inner, total = 2 * hidden if is_gated(activation) else hidden, experts + shared

    x = leaf(data, tokens, width, dtype=dtype)
    logits = leaf(data, tokens, experts, dtype=dtype)
    w_in = leaf(data, total, inner, width, dtype=dtype, scale=width**-0.5)
    w_out = leaf(data, total, width, hidden, dtype=dtype, scale=hidden**-0.5)
    b_in = leaf(data, total, inner, dtype=dtype) if draw(st.booleans(), label="b_in") else None
    b_out = leaf(data, total, width, dtype=dtype) if draw(st.booleans(), label="b_out") else None
    routing = fk.route(
        logits,
        top_k,
        scoring=scoring,
        renormalize=renormalize,
        expert_bias=bias,
        num_groups=groups,
        top_k_groups=open_groups,
        routed_scaling_factor=factor,
        capacity=capacity,
    )
    plan = fk.with_shared_experts(routing, shared)
    y = fk.moe_mlp(x, plan, w_in, w_out, b_in, b_out, activation)
    grad = gradient(data, y)
    inputs = [x, logits, w_in, w_out, b_in, b_out]
    named = {
        name: t
        for name, t in zip(("x", "logits", "w_in", "w_out", "b_in", "b_out"), inputs, strict=True)
        if t is not None
    }

    # The choice is discrete: it is compared at the precision in which it was made, and then taken as given.
    wide = logits.detach().to(sum_dtype(dtype))
    scores = wide.softmax(-1) if scoring == "softmax" else wide.sigmoid()
    biased = scores if bias is None else scores + bias.to(scores.dtype)
    assert torch.equal(routing.experts, reference.select_experts(biased, top_k, groups, open_groups))
    expected_plan = reference.permute_slots(routing.experts, experts, capacity)
    kept_plan = (routing.counts, routing.demand, routing.offsets, routing.slot_to_row, routing.row_to_slot)
    for ours, theirs in zip(kept_plan, expected_plan, strict=True):
        assert torch.equal(ours, theirs)

    def truth(wide_inputs: Sequence[Tensor | None], wide_grad: Tensor) -> list[Tensor]:
        ex, elogits, *network = wide_inputs
        assert ex is not None
        assert elogits is not None
        scored = elogits.softmax(-1) if scoring == "softmax" else elogits.sigmoid()
        weights = scored.gather(1, routing.experts)
        if renormalize:
            weights = weights / weights.sum(-1, keepdim=True)
        out = reference.moe_mlp(
            ex,
            factor * weights,
            routing.experts,
            routing.dropped,
            *network,  # type: ignore[arg-type]
            activation=activation,
            shared_experts=shared,
        )
        leaves = [t for t in wide_inputs if t is not None]
        gradients = torch.autograd.grad(out, leaves, wide_grad, allow_unused=True, materialize_grads=True)
        return [out.detach(), *gradients]

    gradients = torch.autograd.grad(y, list(named.values()), grad)
    for (name, tensor), g in zip(named.items(), gradients, strict=True):
        assert g.dtype == tensor.dtype, name
    check({"y": y, **dict(zip(named, gradients, strict=True))}, truth, inputs, grad, dtype)


@fuzz
@given(st.data())
def test_retention_equals_the_reference(data: st.DataObject) -> None:
    draw = data.draw
    torch.manual_seed(draw(st.integers(0, 2**31), label="seed"))
    dtype = draw(st.sampled_from(FLOATS), label="dtype")
    packed = draw(st.booleans(), label="packed")
    batch = 1 if packed else draw(st.integers(0, 3), label="B")
    time = draw(st.integers(0, 80), label="T")
    heads = draw(st.integers(1, 3), label="H")
    key, value = draw(st.integers(1, 40), label="K"), draw(st.integers(1, 40), label="V")
    form = draw(st.sampled_from(["chunkwise", "parallel", "recurrent"]), label="form")
    chunk_size = draw(st.none() | st.integers(1, 90), label="chunk_size") if form == "chunkwise" else None
    scale = draw(st.none() | st.sampled_from([1.0, -0.3]), label="scale")
    cuts = sorted(draw(st.lists(st.integers(0, time), max_size=3), label="cuts")) if packed else []
    cu_seqlens = torch.tensor([0, *cuts, time]) if packed else None
    sequences = len(cuts) + 1 if packed else batch

    q, k = (leaf(data, batch, time, heads, key, dtype=dtype) for _ in range(2))
    v = leaf(data, batch, time, heads, value, dtype=dtype)
    fastest = draw(st.sampled_from([0.0, 0.01, 0.3, 2.0]), label="fastest decay")
    rows = (batch, time, heads) if draw(st.booleans(), label="decay of each step") else (heads,)
    log_decay = (-fastest * torch.rand(rows, dtype=sum_dtype(dtype))).requires_grad_()
    initial = None
    if draw(st.booleans(), label="initial state"):
        initial = leaf(data, sequences, heads, key, value, dtype=sum_dtype(dtype))

    o, state = fk.retention(
        q,
        k,
        v,
        log_decay,
        form=form,
        initial_state=initial,
        return_state=True,
        chunk_size=chunk_size,
        cu_seqlens=cu_seqlens,
        scale=scale,
    )
    assert state is not None
    grad, grad_state = gradient(data, o), torch.randn_like(state)
    inputs = [q, k, v, log_decay, initial]
    named = {
        name: t
        for name, t in zip(("q", "k", "v", "log_decay", "initial_state"), inputs, strict=True)
        if t is not None
    }

    def truth(wide_inputs: Sequence[Tensor | None], wide_grad: Tensor) -> list[Tensor]:
        rows, first = wide_inputs[:4], wide_inputs[4]
        out, last = reference.retention(
            *rows,  # type: ignore[arg-type]
            first,
            cu_seqlens,
            scale,
        )
        leaves = [t for t in wide_inputs if t is not None]
        # Without any steps a result may depend on no input.
        pairs = [(r, g) for r, g in ((out, wide_grad), (last, grad_state.double())) if r.requires_grad]
        results, grads = [r for r, _ in pairs], [g for _, g in pairs]
        gradients: Any = torch.autograd.grad(
            results, leaves, grads, allow_unused=True, materialize_grads=True
        )
        return [out.detach(), last.detach(), *gradients]

    gradients = torch.autograd.grad([o, state], list(named.values()), [grad, grad_state])
    for (name, tensor), g in zip(named.items(), gradients, strict=True):
        assert g.dtype == tensor.dtype, name
    results = {"o": o, "state": state, **dict(zip(named, gradients, strict=True))}
    check(results, truth, inputs, grad, dtype)


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-3])
def test_the_check_refuses_a_result_that_is_off_by_a_thousandth(factor: float) -> None:
    x = torch.randn(30, 4, requires_grad=True)
    grad = torch.randn(30, 4)

    def truth(inputs: Sequence[Tensor | None], wide_grad: Tensor) -> list[Tensor]:
        (wide,) = inputs
        assert wide is not None
        return [wide * wide_grad]

    result = {"product": factor * x * grad}
    if factor == 1:
        check(result, truth, [x], grad, torch.float32)
    else:
        with pytest.raises(AssertionError, match="product"):
            check(result, truth, [x], grad, torch.float32)
