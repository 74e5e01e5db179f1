"""The operators in plain torch, for where the compiled library is missing: importing this registers them.

They have the schemas of the compiled ones, and ``ops.py`` adds the same fakes and gradients, so that all
that stands on them is the same. What they compute is ``reference.py`` where that does no needless work;
backward is written out, because autograd does not see what happens inside an operator. Sums are kept in
float32 (float64 for float64). Shapes are checked by the functions that users call, and by torch on the way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from frontier_kernels import reference
from frontier_kernels.activations import ACTIVATIONS, check_activation

operators = torch.library.Library("frontier_kernels", "DEF")  # type: ignore[no-untyped-call]
"""Keeps the registrations alive."""


def _register(schema: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Define an operator with what is decorated as its kernel."""

    def define(kernel: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(kernel)
        def as_called(*arguments: object) -> object:
            # A compiled kernel computes in the types that it was called with, and so does this one.
            with torch.autocast("cpu", enabled=False):
                return kernel(*arguments)

        operators.define(schema)  # type: ignore[no-untyped-call]
        operators.impl(schema.partition("(")[0], as_called, "CPU")  # type: ignore[no-untyped-call]
        return kernel

    return define


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


# ---- routing ----------------------------------------------------------------------------------------------


SMALLEST_SUM = 1e-20
"""Added to a sum of weights that may be zero, as DeepSeek-V3's released code adds it."""


def _scores(logits: Tensor, scoring: str) -> Tensor:
    return _wide(logits).softmax(-1) if scoring == "softmax" else _wide(logits).sigmoid()


def _divisor(chosen: Tensor, scoring: str, renormalize: bool, biased: bool) -> Tensor | float:
    """What a token's chosen scores ``[T, k]`` are divided by, ``[T, 1]``."""
    if not renormalize:
        return 1.0
    total = chosen.sum(-1, keepdim=True)
    return total if scoring == "softmax" and not biased else total + SMALLEST_SUM


@_register(
    "route(Tensor logits, Tensor? expert_bias, int top_k, str scoring, bool renormalize, int num_groups, "
    "int top_k_groups, float routed_scaling_factor, int capacity) -> (Tensor weights, Tensor experts, "
    "Tensor counts, Tensor demand, Tensor offsets, Tensor slot_to_row, Tensor row_to_slot, Tensor dropped)"
)
def _route(
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
    scores = _scores(logits, scoring)
    biased = scores if expert_bias is None else scores + expert_bias.to(scores.dtype)
    experts = reference.select_experts(biased, top_k, num_groups, top_k_groups).contiguous()  # [T, k]
    chosen = scores.gather(1, experts)
    weights = chosen / _divisor(chosen, scoring, renormalize, expert_bias is not None) * routed_scaling_factor
    plan = _plan(experts, logits.shape[1], capacity)
    return weights, experts, *plan, plan[3] < 0


@_register(
    "route_backward(Tensor grad_weights, Tensor logits, Tensor experts, str scoring, bool renormalize, "
    "float routed_scaling_factor, bool biased) -> Tensor"
)
def _route_backward(
    grad_weights: Tensor,
    logits: Tensor,
    experts: Tensor,
    scoring: str,
    renormalize: bool,
    routed_scaling_factor: float,
    biased: bool,
) -> Tensor:
    scores = _scores(logits, scoring)
    chosen = scores.gather(1, experts)
    divisor = _divisor(chosen, scoring, renormalize, biased)
    back = routed_scaling_factor * grad_weights
    if renormalize:
        back = (back - (back * chosen).sum(-1, keepdim=True) / divisor) / divisor
    dscores = torch.zeros_like(scores).scatter(1, experts, back)
    if scoring == "sigmoid":
        return (dscores * scores * (1 - scores)).to(logits.dtype)
    return (scores * (dscores - (dscores * scores).sum(-1, keepdim=True))).to(logits.dtype)


@_register(
    "permute_slots(Tensor experts, int num_experts, int capacity) -> (Tensor counts, Tensor demand, Tensor "
    "offsets, Tensor slot_to_row, Tensor row_to_slot)"
)
def _permute_slots(
    experts: Tensor, num_experts: int, capacity: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    wrong = experts[(experts < -1) | (experts >= num_experts)]
    if wrong.numel():
        raise RuntimeError(
            f"experts: got index {wrong[0].item()}, wanted 0 to {num_experts - 1}, or -1 for none"
        )
    return _plan(experts, num_experts, capacity)


def _plan(experts: Tensor, num_experts: int, capacity: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``reference.permute_slots`` with one number for each expert, where that has a list.

    A number of experts that no memory holds is refused by the first of these tensors, and not by the machine.
    """
    slots = experts.numel()
    flat = experts.flatten()
    flat = flat.masked_fill(flat == -1, num_experts)  # one expert more, which serves nobody
    demand = torch.zeros(num_experts + 1, dtype=torch.int64).scatter_add(
        0, flat, torch.ones(slots, dtype=torch.int64)
    )
    counts = demand.clamp_max(slots if capacity < 0 else capacity)
    counts[num_experts] = 0
    offsets = torch.zeros(num_experts + 1, dtype=torch.int64)
    torch.cumsum(counts[:-1], 0, out=offsets[1:])
    chosen, order = flat.sort(stable=True)  # slots by expert, and in token order within one
    rank = torch.arange(slots) - (demand.cumsum(0) - demand)[chosen]
    row = torch.where(rank < counts[chosen], offsets[chosen] + rank, -1)
    slot_to_row = torch.empty(slots, dtype=torch.int64).scatter(0, order, row)
    row_to_slot = torch.full((slots,), -1)
    row_to_slot[row[row >= 0]] = order[row >= 0]
    counts, demand = counts[:-1].clone(), demand[:-1].clone()
    return counts, demand, offsets, slot_to_row.reshape(experts.shape), row_to_slot


# ---- dispatch and combine ---------------------------------------------------------------------------------


def _check_maps(slot_to_row: Tensor, row_to_slot: Tensor) -> None:
    """Raise unless the maps are inverse to each other where they do not hold -1.

    torch would count an index below zero from the end, and give numbers for a plan that is none.
    """
    for name, this, other in (
        ("slot_to_row", slot_to_row.flatten(), row_to_slot),
        ("row_to_slot", row_to_slot, slot_to_row.flatten()),
    ):
        slots = torch.arange(len(other))
        wrong = this[(this < -1) | (this >= len(other))]
        if wrong.numel():
            raise RuntimeError(f"{name}: got {wrong[0].item()}, wanted -1 to {len(other) - 1}")
        if len(this) != len(other) or (this[other.clamp_min(0)] != slots)[other >= 0].any():
            raise RuntimeError(f"{name}: is not the inverse of the other map of slots and rows")


def _rows(x: Tensor, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    """Each row's token, ``[T, D]`` to ``[T k, D]``; zero in the rows that no slot uses."""
    _check_maps(slot_to_row, row_to_slot)
    token = row_to_slot.clamp_min(0) // slot_to_row.shape[1]
    return x[token].masked_fill((row_to_slot < 0)[:, None], 0)


def _slots(ys: Tensor, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    """Each slot's row, ``[T k, D]`` to ``[T, k, D]``; zero where the slot was dropped."""
    _check_maps(slot_to_row, row_to_slot)
    return ys[slot_to_row.clamp_min(0)].masked_fill((slot_to_row < 0)[..., None], 0)


def _kept(weights: Tensor, slot_to_row: Tensor) -> Tensor:
    """Weights by slot, ``[T, k, 1]``; zero where the slot was dropped, even if its weight is NaN."""
    return weights.masked_fill(slot_to_row < 0, 0)[..., None]


def _row_weights(weights: Tensor, row_to_slot: Tensor) -> Tensor:
    """Each row's routing weight, ``[T, k]`` to ``[T k, 1]``; zero in the rows that no slot uses."""
    return weights.flatten()[row_to_slot.clamp_min(0)].masked_fill(row_to_slot < 0, 0)[:, None]


@_register("dispatch(Tensor x, Tensor slot_to_row, Tensor row_to_slot) -> Tensor")
def _dispatch(x: Tensor, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    return _rows(x, slot_to_row, row_to_slot)


@_register("combine(Tensor ys, Tensor? weights, Tensor slot_to_row, Tensor row_to_slot) -> Tensor")
def _combine(ys: Tensor, weights: Tensor | None, slot_to_row: Tensor, row_to_slot: Tensor) -> Tensor:
    parts = _slots(_wide(ys), slot_to_row, row_to_slot)  # [T, k, D]
    return (parts if weights is None else parts * _kept(weights, slot_to_row)).sum(1).to(ys.dtype)


@_register(
    "combine_backward(Tensor grad, Tensor ys, Tensor weights, Tensor slot_to_row, Tensor row_to_slot) -> "
    "(Tensor, Tensor)"
)
def _combine_backward(
    grad: Tensor, ys: Tensor, weights: Tensor, slot_to_row: Tensor, row_to_slot: Tensor
) -> tuple[Tensor, Tensor]:
    g = _rows(_wide(grad), slot_to_row, row_to_slot)  # [T k, D]
    parts = _slots(_wide(ys), slot_to_row, row_to_slot)  # [T, k, D]
    return (g * _row_weights(weights, row_to_slot)).to(ys.dtype), (parts * _wide(grad)[:, None]).sum(-1)


# ---- moe_mlp ----------------------------------------------------------------------------------------------


@_register(
    "moe_mlp(Tensor x, Tensor weights, Tensor w_in, Tensor w_out, Tensor? b_in, Tensor? b_out, Tensor "
    "offsets, Tensor slot_to_row, Tensor row_to_slot, str activation) -> (Tensor y, Tensor pre)"
)
def _moe_mlp(
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
    xs = _rows(x, slot_to_row, row_to_slot)
    pre = x.new_zeros(xs.shape[0], w_in.shape[1])
    ys = _wide(xs.new_zeros(xs.shape))
    bounds = offsets.tolist()
    for e, part in enumerate(slice(*pair) for pair in pairwise(bounds)):
        up = F.linear(_wide(xs[part]), _wide(w_in[e]), None if b_in is None else _wide(b_in[e]))
        pre[part] = up.to(x.dtype)
        hidden = reference.activate(_wide(pre[part]), activation)  # [n, H]
        ys[part] = F.linear(hidden, _wide(w_out[e]), None if b_out is None else _wide(b_out[e]))
    y = (_slots(ys, slot_to_row, row_to_slot) * _kept(weights, slot_to_row)).sum(1)  # [T, D]
    return y.to(x.dtype), pre


@_register(
    "moe_mlp_backward(Tensor grad, Tensor x, Tensor weights, Tensor w_in, Tensor w_out, Tensor? b_in, "
    "Tensor? b_out, Tensor pre, Tensor offsets, Tensor slot_to_row, Tensor row_to_slot, str activation, "
    "bool want_x=True, bool want_w_in=True, bool want_w_out=True, bool want_b_in=True, "
    "bool want_b_out=True) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
def _moe_mlp_backward(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    activate_backward = ACTIVATIONS[check_activation(activation)].backward
    maps = (slot_to_row, row_to_slot)
    xs, gs = _rows(_wide(x), *maps), _rows(_wide(grad), *maps)  # [T k, D]
    row_weights = _row_weights(weights, row_to_slot)
    experts, inner, width = w_in.shape
    dxs, drows = torch.zeros_like(xs), torch.zeros_like(row_weights)
    dw_in = xs.new_zeros(experts if want_w_in else 0, inner, width)
    dw_out = xs.new_zeros(experts if want_w_out else 0, *w_out.shape[1:])
    db_in = xs.new_zeros(experts if want_b_in and b_in is not None else 0, inner)
    db_out = xs.new_zeros(experts if want_b_out and b_out is not None else 0, width)
    bounds = offsets.tolist()
    for e, part in enumerate(slice(*pair) for pair in pairwise(bounds)):
        kept = _wide(pre[part])  # [n, H or 2H]
        hidden = reference.activate(kept, activation)  # [n, H]
        back = gs[part] @ _wide(w_out[e])  # [n, H]
        weighted = row_weights[part] * gs[part]  # [n, D]
        dpre = activate_backward(row_weights[part] * back, kept)
        drows[part] = (back * hidden).sum(-1, keepdim=True)
        if b_out is not None:
            drows[part] += (gs[part] @ _wide(b_out[e]))[:, None]
        if want_x:
            dxs[part] = dpre @ _wide(w_in[e])
        if want_w_in:
            dw_in[e] = dpre.T @ xs[part]
        if want_w_out:
            dw_out[e] = weighted.T @ hidden
        if len(db_in):
            db_in[e] = dpre.sum(0)
        if len(db_out):
            db_out[e] = weighted.sum(0)
    dx, dweights = _slots(dxs, *maps).sum(1), _slots(drows, *maps).squeeze(-1)
    narrow = (t.to(x.dtype) for t in (dw_in, dw_out, db_in, db_out))
    return (dx if want_x else dx[:0]).to(x.dtype), dweights, *narrow  # type: ignore[return-value]


# ---- retention --------------------------------------------------------------------------------------------


def _check_values(log_decay: Tensor, cu_seqlens: Tensor | None, time: int) -> None:
    """Raise what a compiled graph cannot check before it calls the operator."""
    wrong = log_decay[~(log_decay <= 0)]
    if wrong.numel():
        raise RuntimeError(
            f"log_decay: got {wrong[0].item()}, wanted zero or less: "
            "it is the logarithm of a factor of at most one"
        )
    if cu_seqlens is not None:
        bounds = cu_seqlens.tolist()
        if bounds[0] != 0 or bounds[-1] != time or bounds != sorted(bounds):
            raise RuntimeError(f"cu_seqlens: got {bounds}, wanted it to rise from 0 to {time}")


@_register(
    "retention(Tensor q, Tensor k, Tensor v, Tensor log_decay, Tensor? initial_state, Tensor? cu_seqlens, "
    "int chunk_size, float scale) -> (Tensor, Tensor)"
)
def _retention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None,
    cu_seqlens: Tensor | None,
    chunk_size: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    _check_values(log_decay, cu_seqlens, q.shape[1])
    if initial_state is None:
        sequences = q.shape[0] if cu_seqlens is None else len(cu_seqlens) - 1
        initial_state = _wide(q).new_zeros(sequences, q.shape[2], q.shape[3], v.shape[3])
    if cu_seqlens is not None and len(cu_seqlens) == 1:
        return torch.zeros_like(v, memory_format=torch.contiguous_format), initial_state
    o, state = reference.retention(q, k, v, log_decay, initial_state, cu_seqlens, scale)
    return o.contiguous(), state.contiguous()


@_register(
    "retention_backward(Tensor? grad, Tensor? grad_state, Tensor q, Tensor k, Tensor v, Tensor log_decay, "
    "Tensor? initial_state, Tensor? cu_seqlens, int chunk_size, float scale, bool decay) -> (Tensor, Tensor, "
    "Tensor, Tensor, Tensor)"
)
def _retention_backward(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, time, heads, key = q.shape
    _check_values(log_decay, cu_seqlens, time)
    spans = [(slice(None), slice(None))]  # of the states, and of time
    if cu_seqlens is not None:
        spans = [(slice(n, n + 1), slice(*pair)) for n, pair in enumerate(pairwise(cu_seqlens.tolist()))]
    sequences = batch if cu_seqlens is None else len(spans)
    zero = _wide(q).new_zeros(sequences, heads, key, v.shape[3])
    first = zero if initial_state is None else initial_state
    last = zero if grad_state is None else grad_state
    do = torch.zeros_like(v) if grad is None else grad
    rows = [_wide(t) for t in (do, q, k, v, log_decay.expand(batch, time, heads))]
    dq, dk, dv, dg = (t.new_empty(t.shape) for t in rows[1:])
    dfirst = torch.empty_like(zero)
    for state, steps in spans:
        o, *inputs = (t[:, steps] for t in rows)
        found = reference.retention_backward((o, last[state]), inputs, first[state], scale)
        dq[:, steps], dk[:, steps], dv[:, steps], dg[:, steps], dfirst[state] = found
    return (
        dq.to(q.dtype),
        dk.to(q.dtype),
        dv.to(q.dtype),
        dg.flatten()[:0] if not decay else dg.sum((0, 1)) if log_decay.ndim == 1 else dg,
        dfirst[:0] if initial_state is None else dfirst,
    )


@_register(
    "retention_step(Tensor q, Tensor k, Tensor v, Tensor(a!) state, Tensor log_decay, float scale) -> Tensor"
)
def _retention_step(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor, scale: float
) -> Tensor:
    _check_values(log_decay, None, 1)
    o, last = reference.retention(
        q[:, None], k[:, None], v[:, None], log_decay.expand(q.shape[:2])[:, None], state, None, scale
    )
    state.copy_(last)
    return o[:, 0].contiguous()
