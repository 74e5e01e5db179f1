"""What the CUDA kernels of routing and experts have to do, on a real device and on the emulated one alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from numerics import relative_error
from torch import Tensor

from frontier_kernels import reference
from frontier_kernels.activations import is_gated
from frontier_kernels.ops import sum_dtype

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
SEEDS = 3
"""Errors of all seeds are measured together: four numbers alone may all round the same way."""
SHAPES = [
    (1, 1, 1, 4, 3),
    (0, 4, 2, 6, 5),
    (33, 7, 2, 10, 12),
    (50, 5, 5, 9, 3),
    (64, 8, 2, 16, 24),
    (20, 64, 1, 8, 40),
    (90, 2, 1, 72, 136),
    (300, 2, 1, 33, 70),
]
"""Tokens, experts, top_k, width, hidden: few and many rows for each expert, widths that copies of 16 bytes
fit and do not fit, empty experts, no tokens, one expert, every expert."""
TENSOR_CORE_SHAPES = [SHAPES[2], SHAPES[6], SHAPES[7]]
"""Few rows, many, and widths that copies of 16 bytes do not fit: what the others add, no type changes."""
LARGE = (640, 2, 1, 136, 264)
"""Enough rows and columns for the largest tiles."""
ROUTES: list[dict[str, Any]] = [
    {},
    {"renormalize": False, "capacity": 3},
    {"scoring": "sigmoid", "bias": True, "num_groups": 4, "top_k_groups": 2, "factor": 2.5},
    {"scoring": "sigmoid", "renormalize": False, "bias": True, "capacity": 0},
    {"bias": True, "capacity": 5},
    {"num_groups": 8, "top_k_groups": 5},
]


@dataclass
class Problem:
    """Inputs of routing and experts, and the gradient of what comes out, on the CPU."""

    logits: Tensor  # [T, E]
    x: Tensor  # [T, D]
    w_in: Tensor  # [E, H or 2H, D]
    w_out: Tensor  # [E, D, H]
    b_in: Tensor | None
    b_out: Tensor | None
    grad: Tensor  # [T, D]
    top_k: int
    capacity: int
    activation: str


def problem(
    shape: tuple[int, ...], dtype: torch.dtype, activation: str, bias: bool = True, capacity: int = -1
) -> Problem:
    """Unit-scale inputs."""
    tokens, experts, top_k, width, hidden = shape
    inner = 2 * hidden if is_gated(activation) else hidden
    return Problem(
        torch.randn(tokens, experts, dtype=dtype),
        torch.randn(tokens, width, dtype=dtype),
        torch.randn(experts, inner, width, dtype=dtype) / width**0.5,
        torch.randn(experts, width, hidden, dtype=dtype) / hidden**0.5,
        torch.randn(experts, inner, dtype=dtype) if bias else None,
        torch.randn(experts, width, dtype=dtype) if bias else None,
        torch.randn(tokens, width, dtype=dtype),
        top_k,
        capacity,
        activation,
    )


def there(tensor: Tensor | None, device: str) -> Tensor | None:
    return None if tensor is None else tensor.to(device)


def run(ops: Any, p: Problem, device: str = "cpu") -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Output and every gradient by the operators, the chosen experts, and which slots were dropped."""
    logits, x, w_in, w_out, b_in, b_out, grad = (
        there(t, device) for t in (p.logits, p.x, p.w_in, p.w_out, p.b_in, p.b_out, p.grad)
    )
    plan = ops.route(logits, None, p.top_k, "softmax", True, 1, 1, 1.0, p.capacity)
    weights, experts, _, _, offsets, slot_to_row, row_to_slot, dropped = plan
    network = (w_in, w_out, b_in, b_out)
    maps = (offsets, slot_to_row, row_to_slot, p.activation)
    y, pre = ops.moe_mlp(x, weights, *network, *maps)
    dx, dweights, *rest = ops.moe_mlp_backward(grad, x, weights, *network, pre, *maps)
    dlogits = ops.route_backward(dweights, logits, experts, "softmax", True, 1.0, False)
    names = ("y", "x", "logits", "w_in", "w_out", "b_in", "b_out")
    found = dict(zip(names, (y, dx, dlogits, *rest), strict=True))
    assert not pre[int(offsets[-1]) :].any(), "pre-activations of unused rows"
    return {name: t.cpu() for name, t in found.items()}, experts.cpu(), dropped.cpu()


def assert_a_gradient_that_is_not_wanted_changes_no_other(
    ops: Any, p: Problem, choices: Iterable[tuple[bool, ...]], device: str = "cpu"
) -> None:
    """Those that are left out have no rows, and the others the bits that they have with all of them."""
    logits, x, grad = (there(t, device) for t in (p.logits, p.x, p.grad))
    network = tuple(there(t, device) for t in (p.w_in, p.w_out, p.b_in, p.b_out))
    plan = ops.route(logits, None, p.top_k, "softmax", True, 1, 1, 1.0, p.capacity)
    maps = (plan[4], plan[5], plan[6], p.activation)
    _, pre = ops.moe_mlp(x, plan[0], *network, *maps)
    inputs = (grad, x, plan[0], *network, pre, *maps)
    whole = ops.moe_mlp_backward(*inputs)
    for want_x, *want in choices:
        found = ops.moe_mlp_backward(*inputs, want_x, *want)
        for g, full, wanted in zip(found, whole, (want_x, True, *want), strict=True):
            assert torch.equal(g, full if wanted else full[:0])
            assert g.dtype == full.dtype


def truth(p: Problem, experts: Tensor, dropped: Tensor) -> dict[str, Tensor]:
    """The same in float64 from the readable reference, for this choice of experts."""
    given = {"x": p.x, "logits": p.logits, "w_in": p.w_in, "w_out": p.w_out, "b_in": p.b_in, "b_out": p.b_out}
    exact = {name: t.double().requires_grad_() for name, t in given.items() if t is not None}
    chosen = exact["logits"].softmax(-1).gather(1, experts)
    y = reference.moe_mlp(
        exact["x"],
        chosen / chosen.sum(-1, keepdim=True),
        experts,
        dropped,
        exact["w_in"],
        exact["w_out"],
        exact.get("b_in"),
        exact.get("b_out"),
        p.activation,
    )
    grads = torch.autograd.grad(
        y, list(exact.values()), p.grad.double(), allow_unused=True, materialize_grads=True
    )
    return {"y": y.detach(), **dict(zip(exact, grads, strict=True))}


def assert_network_equals_reference(
    ops: Any,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    activation: str,
    bias: bool,
    capacity: int,
    device: str = "cpu",
    seeds: int = SEEDS,
) -> None:
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for seed in range(seeds):
        torch.manual_seed(seed)
        p = problem(shape, dtype, activation, bias, capacity)
        got, experts, dropped = run(ops, p, device)
        for name, wanted in truth(p, experts, dropped).items():
            found.setdefault(name, []).append((got[name].flatten(), wanted.flatten()))
            assert got[name].dtype == dtype
            assert got[name].shape == wanted.shape, name
    for name, pairs in found.items():
        g, t = (torch.cat(side) for side in zip(*pairs, strict=True))
        if t.numel() and t.abs().max() > 1e-12:
            error = relative_error(g, t)
            assert error <= BOUND[dtype], f"{name}: {error:.2e}"
        else:
            # Nothing to learn here, up to rounding: one expert of k = 1 has weight one whatever its logit.
            assert g.numel() == 0 or g.abs().max() <= BOUND[dtype], name


def route_options(options: dict[str, Any], experts: int) -> tuple[Any, ...]:
    """The operator's arguments after ``top_k``."""
    return (
        options.get("scoring", "softmax"),
        options.get("renormalize", True),
        options.get("num_groups", 1),
        options.get("top_k_groups", 1),
        options.get("factor", 1.0),
        options.get("capacity", -1),
    )


def assert_route_equals_reference(
    ops: Any,
    tokens: int,
    experts: int,
    top_k: int,
    options: dict[str, Any],
    dtype: torch.dtype,
    device: str = "cpu",
) -> None:
    """Choice, weights, plan and gradient of routing; scores with many ties, which the lower index wins."""
    logits = torch.randint(-3, 4, (tokens, experts)).to(dtype)
    bias = torch.randint(-2, 3, (experts,)) / 4 if options.get("bias") else None  # exact in every float type
    scoring, renormalize, groups, open_groups, factor, capacity = route_options(options, experts)
    there_logits, there_bias = there(logits, device), there(bias, device)
    got = ops.route(
        there_logits, there_bias, top_k, scoring, renormalize, groups, open_groups, factor, capacity
    )
    weights, chosen, *plan, dropped = (t.cpu() for t in got)
    exact = logits.double().requires_grad_()
    scores = exact.softmax(-1) if scoring == "softmax" else exact.sigmoid()
    # Equal logits give equal scores in any type; sums with a bias only tie in the type they are made in.
    rounded = scores.detach() if bias is None else scores.detach().to(sum_dtype(dtype)) + bias
    wanted = reference.select_experts(rounded, top_k, groups, open_groups)
    if bias is None:
        assert torch.equal(chosen, wanted)
    else:
        best = rounded.gather(1, chosen)  # as good a choice, where rounding orders equals another way
        torch.testing.assert_close(best, rounded.gather(1, wanted), rtol=1e-5, atol=1e-6)
    picked = scores.gather(1, chosen)
    if renormalize:
        picked = picked / picked.sum(-1, keepdim=True)
    picked = picked * factor
    assert weights.dtype == sum_dtype(dtype)
    bound = BOUND[sum_dtype(dtype)]
    assert relative_error(weights, picked) <= bound
    for a, b in zip(
        plan, reference.permute_slots(chosen, experts, None if capacity < 0 else capacity), strict=True
    ):
        assert torch.equal(a, b)
    assert torch.equal(dropped, plan[3] < 0)
    grad = torch.randn(tokens, top_k, dtype=sum_dtype(dtype))
    slope = ops.route_backward(
        there(grad, device),
        there_logits,
        there(chosen, device),
        scoring,
        renormalize,
        factor,
        bias is not None,
    )
    (exact_slope,) = torch.autograd.grad(picked, exact, grad.double())
    assert slope.dtype == dtype
    if tokens and exact_slope.abs().max() > 1e-12:
        assert relative_error(slope.cpu(), exact_slope) <= BOUND[dtype]
    else:
        assert not tokens or slope.abs().max() <= bound


def assert_permutation_equals_reference(
    ops: Any, dtype: torch.dtype, width: int, capacity: int, device: str = "cpu"
) -> None:
    """dispatch, combine and the gradient of combine, with rows of any width."""
    tokens, experts, top_k = 40, 6, 3
    chosen = torch.stack([torch.randperm(experts)[:top_k] for _ in range(tokens)])
    chosen[torch.rand(tokens, top_k) < 0.2] = -1  # slots that are not used
    plan = ops.permute_slots(there(chosen, device), experts, capacity)
    for a, b in zip(
        plan, reference.permute_slots(chosen, experts, None if capacity < 0 else capacity), strict=True
    ):
        assert torch.equal(a.cpu(), b)
    slot_to_row, row_to_slot = plan[3:]
    x, ys = torch.randn(tokens, width).to(dtype), torch.randn(tokens * top_k, width).to(dtype)
    weights = torch.rand(tokens, top_k, dtype=sum_dtype(dtype))
    xs = ops.dispatch(there(x, device), slot_to_row, row_to_slot).cpu()
    rows, slots = slot_to_row.cpu(), row_to_slot.cpu()
    assert torch.equal(xs, x[slots.clamp_min(0) // top_k].masked_fill((slots < 0)[:, None], 0))
    parts = ys.double()[rows.clamp_min(0)].masked_fill((rows < 0)[..., None], 0)  # [T, k, D]
    for w in (weights, None):
        y = ops.combine(there(ys, device), there(w, device), slot_to_row, row_to_slot)
        assert y.dtype == dtype
        wanted = (parts if w is None else parts * w.double()[..., None]).sum(1)
        assert relative_error(y.cpu(), wanted) <= BOUND[dtype]
    grad = torch.randn(tokens, width).to(dtype)
    dys, dweights = ops.combine_backward(
        there(grad, device), there(ys, device), there(weights, device), slot_to_row, row_to_slot
    )
    of_row = (weights.double()[..., None] * grad.double()[:, None]).flatten(0, 1)[slots.clamp_min(0)]
    assert relative_error(dys.cpu(), of_row.masked_fill((slots < 0)[:, None], 0)) <= BOUND[dtype]
    wanted = (parts * grad.double()[:, None]).sum(-1)
    assert relative_error(dweights.cpu(), wanted) <= BOUND[sum_dtype(dtype)]


def assert_nan_logits_choose_valid_experts(ops: Any, device: str = "cpu") -> None:
    logits = torch.randn(9, 8)
    clean = logits.clone()
    logits[2], logits[5, 3], logits[7] = float("nan"), float("nan"), float("inf")
    for scoring in ("softmax", "sigmoid"):
        for groups, open_groups in ((1, 1), (4, 2)):
            options = (None, 3, scoring, True, groups, open_groups, 1.0, -1)
            weights, chosen, *_ = (t.cpu() for t in ops.route(there(logits, device), *options))
            assert ((chosen >= 0) & (chosen < 8)).all()
            assert all(len(set(row)) == 3 for row in chosen.tolist())
            assert weights[[2, 5]].isnan().any(-1).all()
            others = [0, 1, 3, 4, 6, 8]
            for a, b in zip((weights, chosen), ops.route(there(clean, device), *options)[:2], strict=True):
                assert torch.equal(a[others], b.cpu()[others])


def assert_indices_outside_are_not_followed(ops: Any, device: str = "cpu") -> None:
    """A plan that does not fit gives some numbers or others, but touches nothing foreign."""
    far = 2**40
    p = problem((12, 4, 2, 8, 6), torch.float32, "gelu")
    logits, x, w_in, w_out, grad = (there(t, device) for t in (p.logits, p.x, p.w_in, p.w_out, p.grad))
    plan = ops.route(logits, None, 2, "softmax", True, 1, 1, 1.0, -1)
    weights, experts, _, _, offsets, slot_to_row, row_to_slot, _ = plan

    def put(tensor: Tensor, index: int, value: int) -> Tensor:
        changed = tensor.clone()
        changed.view(-1)[index] = value
        return changed

    for value in (far, -far, -1, 24):
        maps = [(put(slot_to_row, 3, value), row_to_slot), (slot_to_row, put(row_to_slot, 5, value))]
        for s, r in maps:
            xs = ops.dispatch(x, s, r)
            ops.combine(xs, weights, s, r)
            ops.combine_backward(grad, xs, weights, s, r)
        starts = [put(offsets, i, value) for i in range(5)]
        for start, (s, r) in [(offsets, m) for m in maps] + [(o, (slot_to_row, row_to_slot)) for o in starts]:
            y, pre = ops.moe_mlp(x, weights, w_in, w_out, None, None, start, s, r, "gelu")
            ops.moe_mlp_backward(grad, x, weights, w_in, w_out, None, None, pre, start, s, r, "gelu")
            assert y.shape == x.shape
        chosen = put(experts, 7, value)
        counts, demand, offsets_of, rows, slots = ops.permute_slots(chosen, 4, -1)
        assert rows.view(-1)[7] == -1
        assert int(counts.sum()) == int(demand.sum()) == int(offsets_of[-1]) == 23
        assert int((slots == -1).sum()) == 1
        ops.route_backward(weights, logits, chosen, "softmax", True, 1.0, False)
    if device != "cpu":
        torch.cuda.synchronize()


def assert_the_same_bits_again(ops: Any, dtype: torch.dtype, device: str = "cpu") -> list[Tensor]:
    torch.manual_seed(1)
    p = problem((130, 5, 2, 24, 40), dtype, "swiglu", capacity=40)
    first, second = (run(ops, p, device) for _ in range(2))
    for name, tensor in first[0].items():
        assert torch.equal(tensor, second[0][name]), name
    return list(first[0].values())
