"""The registered operators: for each, its fake and its gradient next to each other.

Nothing here checks its arguments for users; ``router.py``, ``moe.py`` and ``retention.py`` do.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from frontier_kernels.torch_internals import (
    HAS_BELOW_AUTOGRAD,
    are_transforms_active,
    below_autograd,
    has_kernel,
    has_tangent,
    is_forward_mode_active,
    one_level_function,
)

try:
    # Importing it registers the operators. A from-import would hide why it fails behind a circular import.
    importlib.import_module("frontier_kernels._C")
    NOT_COMPILED = ""
except ImportError as error:
    from frontier_kernels import fallback  # noqa: F401  (so does this)

    NOT_COMPILED = f"no compiled library for this Python and torch ({error})"
"""Why the operators are those of ``fallback.py``; empty where they are compiled."""

CUDA = has_kernel("frontier_kernels::route", "CUDA")
"""Whether the operators take CUDA tensors."""

Backward = tuple[Tensor | None, ...]
Shapes = TypeVar("Shapes", bound=Callable[..., Any])
library = torch.ops.frontier_kernels


def why_no_cuda() -> str:
    """Why the operators take no CUDA tensors, as a phrase; empty if they do."""
    if CUDA or NOT_COMPILED:
        return NOT_COMPILED and "plain PyTorch has none"
    word = library.build_facts().split("\n")[-1]
    if versions := re.fullmatch(r"nvcc_(\d+)_torch_(\d+)", word):
        return f"nvcc is of CUDA {versions[1]} and torch of CUDA {versions[2]}"
    return {
        "torch_without_cuda": "the torch that this was compiled for has no CUDA",
        "no_nvcc": "no nvcc was found when this was compiled",
        "forced_off": "FORCE_CUDA=0 was set when this was compiled",
    }[word]


def sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """What sums and routing weights are kept in: float64 for float64, otherwise float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def fake(operator: str) -> Callable[[Shapes], Shapes]:
    """``torch.library.register_fake`` for one of our operators, which leaves what it decorates typed."""
    return cast(Callable[[Shapes], Shapes], torch.library.register_fake(f"frontier_kernels::{operator}"))


def run(operator: Any, *arguments: Any) -> Any:
    """Call an operator, past autograd's own kernel where no gradient is recorded, which halves a call."""
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if recorded or is_forward_mode_active() or not HAS_BELOW_AUTOGRAD:
        return operator(*arguments)
    with below_autograd():
        return operator(*arguments)


def _refuse_tangents(name: str, arguments: tuple[Any, ...]) -> None:
    """Raise where forward mode wants a derivative: torch alone would say that it is zero."""
    for argument in arguments:
        if isinstance(argument, Tensor) and has_tangent(argument):
            raise NotImplementedError(
                f"frontier_kernels.{name}: no derivative in forward mode (jvp, jacfwd, dual tensors) is "
                "implemented: use reverse mode (vjp, jacrev)"
            )


def _register_gradient(
    name: str, backward: Callable[..., Backward], setup_context: Callable[..., None] | None
) -> Callable[..., Any]:
    """Give an operator its gradient, and return what calls it.

    The gradient is the operator's kernel for autograd: compiled graphs, exported ones and the transforms of
    ``torch.func`` come to it through the dispatcher. Eager calls take the same ``torch.autograd.Function``
    without that detour, which costs a third of the time; that is most of what decoding one token costs.
    """
    operator = getattr(library, name).default
    if not HAS_BELOW_AUTOGRAD:
        torch.library.register_autograd(f"frontier_kernels::{name}", backward, setup_context=setup_context)
        return lambda *arguments: operator(*arguments)

    def forward(ctx: Any, *arguments: Any) -> Any:
        with below_autograd():
            output = operator(*arguments)
        if setup_context is not None:
            setup_context(ctx, arguments, output)
        return output

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function = cast(Any, type(name, (torch.autograd.Function,), methods))
    apply_one_level = one_level_function(function)

    def kernel(*arguments: Any) -> Any:
        if is_forward_mode_active():
            _refuse_tangents(name, arguments)
        if torch.is_grad_enabled():
            for argument in arguments:
                if isinstance(argument, Tensor) and argument.requires_grad:
                    apply = apply_one_level if are_transforms_active() else function.apply
                    return apply(*arguments)
        with below_autograd():
            return operator(*arguments)

    gradients.impl(name, kernel, "Autograd")  # type: ignore[no-untyped-call]

    def call(*arguments: Any) -> Any:
        if torch.compiler.is_compiling() or are_transforms_active():
            return operator(*arguments)
        return kernel(*arguments)

    return call


gradients = torch.library.Library("frontier_kernels", "IMPL")  # type: ignore[no-untyped-call]
"""Keeps the registrations alive."""


def _register_no_gradient(name: str, of: str) -> Callable[..., Any]:
    """Let a derivative of this operator fail, and return what calls it.

    Where there is nothing for autograd, torch warns at most, and goes on with a gradient that lacks a term.
    """

    def refuse(ctx: Any, *grads: Tensor | None) -> Backward:
        raise NotImplementedError(f"frontier_kernels.{of}: no second derivative is implemented")

    return _register_gradient(name, refuse, None)


def _register_inference(name: str) -> None:
    """Let an operator without any derivative say so, where torch would warn, or say that it is zero."""
    operator = getattr(library, name).default
    if not HAS_BELOW_AUTOGRAD:
        return

    def kernel(*arguments: Any) -> Any:
        if is_forward_mode_active():
            _refuse_tangents(name, arguments)
        wanted = (isinstance(argument, Tensor) and argument.requires_grad for argument in arguments)
        if torch.is_grad_enabled() and any(wanted):
            raise NotImplementedError(
                f"frontier_kernels.{name}: no derivative is implemented: use torch.no_grad()"
            )
        with below_autograd():
            return operator(*arguments)

    gradients.impl(name, kernel, "Autograd")  # type: ignore[no-untyped-call]


# ---- route ------------------------------------------------------------------------------------------------


@fake("route")
def _route_fake(
    logits: Tensor,
    expert_bias: Tensor | None,
    top_k: int,
    scoring: str,
    renormalize: bool,
    num_groups: int,
    top_k_groups: int,
    routed_scaling_factor: float,
    capacity: int,
) -> tuple[Tensor, ...]:
    tokens, experts = logits.shape
    chosen = logits.new_empty((tokens, top_k), dtype=torch.int64)
    return (
        logits.new_empty((tokens, top_k), dtype=sum_dtype(logits.dtype)),
        chosen,
        *_permute_slots_fake(chosen, experts, capacity),
        logits.new_empty((tokens, top_k), dtype=torch.bool),
    )


@fake("route_backward")
def _route_backward_fake(
    grad_weights: Tensor,
    logits: Tensor,
    experts: Tensor,
    scoring: str,
    renormalize: bool,
    routed_scaling_factor: float,
    biased: bool,
) -> Tensor:
    return logits.new_empty(logits.shape)


def _route_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    logits, expert_bias, _, scoring, renormalize, _, _, routed_scaling_factor, _ = inputs
    ctx.mark_non_differentiable(*output[1:])
    ctx.options = (scoring, renormalize, routed_scaling_factor, expert_bias is not None)
    ctx.save_for_backward(logits, output[1])


def _route_backward(ctx: Any, grad: Tensor, *_: Tensor | None) -> Backward:
    logits, experts = ctx.saved_tensors
    return route_backward(grad, logits, experts, *ctx.options), *(None,) * 8


route = _register_gradient("route", _route_backward, _route_context)
route_backward = _register_no_gradient("route_backward", "route")


# ---- permute_slots ----------------------------------------------------------------------------------------


@fake("permute_slots")
def _permute_slots_fake(
    experts: Tensor, num_experts: int, capacity: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    tokens, top_k = experts.shape
    return (
        experts.new_empty((num_experts,)),
        experts.new_empty((num_experts,)),
        experts.new_empty((num_experts + 1,)),
        experts.new_empty((tokens, top_k)),
        experts.new_empty((tokens * top_k,)),
    )


# ---- dispatch: gradient is the unweighted combine ---------------------------------------------------------


@fake("dispatch")
def _dispatch_fake(x: Tensor, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    return x.new_empty((row_to_slot.shape[0], x.shape[1]))


def _dispatch_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _dispatch_backward(ctx: Any, grad: Tensor) -> Backward:
    slot_to_row, row_to_slot = ctx.saved_tensors
    return combine(grad, None, slot_to_row, row_to_slot), None, None


dispatch = _register_gradient("dispatch", _dispatch_backward, _dispatch_context)


# ---- combine ----------------------------------------------------------------------------------------------


@fake("combine")
def _combine_fake(ys: Tensor, weights: Tensor | None, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    return ys.new_empty((slot_to_row.shape[0], ys.shape[1]))


@fake("combine_backward")
def _combine_backward_fake(
    grad: Tensor, ys: Tensor, weights: Tensor, slot_to_row: Tensor, row_to_slot: Tensor
) -> tuple[Tensor, Tensor]:
    return ys.new_empty(ys.shape), weights.new_empty(weights.shape)


def _combine_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ys, weights, slot_to_row, row_to_slot = inputs
    ctx.weighted = weights is not None
    saved = (ys, weights) if ctx.weighted else ()
    ctx.save_for_backward(slot_to_row, row_to_slot, *saved)


def _combine_backward(ctx: Any, grad: Tensor) -> Backward:
    slot_to_row, row_to_slot, *saved = ctx.saved_tensors
    if not ctx.weighted:
        return dispatch(grad, slot_to_row, row_to_slot), None, None, None
    grad_ys, grad_weights = combine_backward(grad, *saved, slot_to_row, row_to_slot)
    return grad_ys, grad_weights, None, None


combine = _register_gradient("combine", _combine_backward, _combine_context)
combine_backward = _register_no_gradient("combine_backward", "combine")


# ---- moe_mlp ----------------------------------------------------------------------------------------------


@fake("moe_mlp")
def _moe_mlp_fake(
    x: Tensor,
    weights: Tensor,
    w_in: Tensor,
    w_out: Tensor,
    b_in: Tensor | None,
    b_out: Tensor | None,
    offsets: Tensor,
    slot_to_row: Tensor,
    row_to_slot: Tensor,
    activation: str,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty((row_to_slot.shape[0], w_in.shape[1]))


@fake("moe_mlp_backward")
def _moe_mlp_backward_fake(
    grad: Tensor,
    x: Tensor,
    weights: Tensor,
    w_in: Tensor,
    w_out: Tensor,
    b_in: Tensor | None,
    b_out: Tensor | None,
    pre: Tensor,
    offsets: Tensor,
    slot_to_row: Tensor,
    row_to_slot: Tensor,
    activation: str,
    want_x: bool = True,
    want_w_in: bool = True,
    want_w_out: bool = True,
    want_b_in: bool = True,
    want_b_out: bool = True,
) -> tuple[Tensor, ...]:
    experts, inner, width = w_in.shape
    return (
        x.new_empty((x.shape[0] if want_x else 0, width)),
        weights.new_empty(weights.shape),
        x.new_empty((experts if want_w_in else 0, inner, width)),
        x.new_empty((experts if want_w_out else 0, *w_out.shape[1:])),
        x.new_empty((experts if want_b_in and b_in is not None else 0, inner)),
        x.new_empty((experts if want_b_out and b_out is not None else 0, width)),
    )


def _moe_mlp_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weights, w_in, w_out, b_in, b_out, offsets, slot_to_row, row_to_slot, activation = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.activation, ctx.biased = activation, (b_in is not None, b_out is not None)
    biases = [b for b in (b_in, b_out) if b is not None]
    ctx.save_for_backward(x, weights, w_in, w_out, output[1], offsets, slot_to_row, row_to_slot, *biases)


def _moe_mlp_backward(ctx: Any, grad: Tensor, _: Tensor | None) -> Backward:
    x, weights, w_in, w_out, pre, offsets, slot_to_row, row_to_slot, *biases = ctx.saved_tensors
    has_in, has_out = ctx.biased
    b_in = biases[0] if has_in else None
    b_out = biases[-1] if has_out else None
    wanted = ctx.needs_input_grad[:6]  # x, weights, w_in, w_out, b_in, b_out
    found = moe_mlp_backward(
        grad,
        x,
        weights,
        w_in,
        w_out,
        b_in,
        b_out,
        pre,
        offsets,
        slot_to_row,
        row_to_slot,
        ctx.activation,
        wanted[0],
        *wanted[2:],
    )
    return *(g if want else None for g, want in zip(found, wanted, strict=True)), *(None,) * 4


moe_mlp = _register_gradient("moe_mlp", _moe_mlp_backward, _moe_mlp_context)
moe_mlp_backward = _register_no_gradient("moe_mlp_backward", "moe_mlp")


# ---- packed weights: inference on the CPU, by the compiled library alone ----------------------------------

if not NOT_COMPILED:

    @fake("pack_weights")
    def _pack_weights_fake(w: Tensor) -> Tensor:
        experts, rows, width = w.shape
        size = library.packed_bytes(str(w.dtype).removeprefix("torch."), rows, width)
        return w.new_empty((experts, size), dtype=torch.uint8)

    @fake("moe_mlp_packed")
    def _moe_mlp_packed_fake(x: Tensor, *_: Any) -> Tensor:
        return x.new_empty(x.shape)

    _register_inference("moe_mlp_packed")


# ---- retention --------------------------------------------------------------------------------------------


@fake("retention")
def _retention_fake(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None,
    cu_seqlens: Tensor | None,
    chunk_size: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    sequences = q.shape[0] if cu_seqlens is None else cu_seqlens.shape[0] - 1
    state = (sequences, q.shape[2], q.shape[3], v.shape[3])
    return v.new_empty(v.shape), v.new_empty(state, dtype=sum_dtype(q.dtype))


@fake("retention_backward")
def _retention_backward_fake(
    grad: Tensor | None,
    grad_state: Tensor | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None,
    cu_seqlens: Tensor | None,
    chunk_size: int,
    scale: float,
    decay: bool,
) -> tuple[Tensor, ...]:
    sequences = 0 if initial_state is None else initial_state.shape[0]
    return (
        q.new_empty(q.shape),
        k.new_empty(k.shape),
        v.new_empty(v.shape),
        log_decay.new_empty(log_decay.shape if decay else (0,)),
        log_decay.new_empty((sequences, q.shape[2], q.shape[3], v.shape[3])),
    )


def _retention_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, log_decay, initial_state, cu_seqlens, chunk_size, scale = inputs
    ctx.set_materialize_grads(False)
    ctx.given = (initial_state is not None, cu_seqlens is not None)
    # Backward of single steps would keep the state of every one: chunks give the same gradient.
    ctx.chunk_size, ctx.scale = 64 if chunk_size == 1 else chunk_size, scale
    ctx.save_for_backward(q, k, v, log_decay, *(t for t in (initial_state, cu_seqlens) if t is not None))


def _retention_backward(ctx: Any, grad: Tensor | None, grad_state: Tensor | None) -> Backward:
    if grad is None and grad_state is None:
        return (None,) * 8
    q, k, v, log_decay, *rest = ctx.saved_tensors
    has_state, packed = ctx.given
    dq, dk, dv, dlog_decay, dinitial = retention_backward(
        grad,
        grad_state,
        q,
        k,
        v,
        log_decay,
        rest[0] if has_state else None,
        rest[-1] if packed else None,
        ctx.chunk_size,
        ctx.scale,
        ctx.needs_input_grad[3],
    )
    if not ctx.needs_input_grad[3]:
        dlog_decay = None
    return dq, dk, dv, dlog_decay, dinitial if has_state else None, None, None, None


retention = _register_gradient("retention", _retention_backward, _retention_context)
retention_backward = _register_no_gradient("retention_backward", "retention")


# ---- retention_step: decoding, without a gradient -------------------------------------------------------


@fake("retention_step")
def _retention_step_fake(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor, scale: float
) -> Tensor:
    return v.new_empty(v.shape)


_register_inference("retention_step")
