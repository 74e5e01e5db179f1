"""opcheck of the retention operators, torch.compile without graph breaks, and what they refuse themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_retention import FORMS, problem

import frontier_kernels as fk
from frontier_kernels.ops import library

OPERATORS = ("retention", "retention_backward", "retention_step")


def arguments(name: str, dtype: torch.dtype, packed: bool, per_token: bool) -> tuple[Any, ...]:
    """Inputs of one operator, with gradients wanted where it has them."""
    sequences = 3 if packed else 2
    rows = problem((1 if packed else 2, 9, 2, 3, 4), dtype, per_token, sequences)
    cu_seqlens = torch.tensor([0, 2, 2, 9]) if packed else None
    if name == "retention":
        return (*rows, cu_seqlens, 4, 0.5)
    if name == "retention_step":
        q, k, v, g, s = (t.detach() for t in rows)
        return q[:1, 0], k[:1, 0], v[:1, 0], s[:1], g[:1, 0] if per_token else g, 0.5
    grads = (torch.randn_like(rows[2]), torch.randn_like(rows[4]) if per_token else None)
    return (*(t if t is None else t.detach() for t in (*grads, *rows)), cu_seqlens, 4, 0.5, per_token)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("per_token", [False, True])
def test_opcheck(name: str, dtype: torch.dtype, packed: bool, per_token: bool) -> None:
    torch.library.opcheck(getattr(library, name).default, arguments(name, dtype, packed, per_token))


def test_every_registered_operator_is_checked() -> None:
    names = torch._C._dispatch_get_all_op_names()
    assert {n.split("::")[1] for n in names if n.startswith("frontier_kernels::retention")} == set(OPERATORS)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_compiles_without_graph_breaks_forward_and_backward(backend: str, options: dict[str, Any]) -> None:
    torch.compiler.reset()

    def step(*a: torch.Tensor) -> torch.Tensor:
        o, state = fk.retention(*a[:4], initial_state=a[4], return_state=True, **options)  # type: ignore[arg-type]
        assert state is not None
        return (o * 2).square().sum() + state.sum()

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for time in (9, 14):
        inputs = problem((2, time, 2, 3, 4), torch.float32, True)
        got, wanted = compiled(*inputs), step(*inputs)
        torch.testing.assert_close(got, wanted)
        for a, b in zip(torch.autograd.grad(got, inputs), torch.autograd.grad(wanted, inputs), strict=True):
            torch.testing.assert_close(a, b)


def test_a_compiled_graph_refuses_a_growing_state_too() -> None:
    torch.compiler.reset()
    q = torch.randn(1, 8, 2, 4)
    compiled = torch.compile(fk.retention, fullgraph=True, backend="aot_eager")
    with pytest.raises(RuntimeError, match=r"log_decay: got 0\.5.*wanted zero or less"):
        compiled(q, q, q, torch.tensor([0.0, 0.5]))


def test_a_second_derivative_is_refused_and_never_wrong() -> None:
    q, k, v, g, _ = problem((1, 5, 2, 3, 4), torch.float64, False)
    o, _ = fk.retention(q, k, v, g)
    (grad,) = torch.autograd.grad(o.square().sum(), [q], create_graph=True)
    with pytest.raises(NotImplementedError, match="retention: no second derivative"):
        torch.autograd.grad(grad.square().sum(), [q])


@pytest.mark.parametrize(
    ("index", "tensor", "message"),
    [
        (1, torch.randn(2, 9, 2, 4), "k: got 4 in dimension 3, wanted 3"),
        (2, torch.randn(2, 8, 2, 4), "v: got 8 in dimension 1, wanted 9"),
        (2, torch.randn(2, 9, 2, 4).double(), "v: does not have the element type"),
        (3, torch.zeros(3), "log_decay: got 3 in dimension 0, wanted 2"),
        (3, torch.zeros(2).double(), "log_decay: does not have the element type"),
        (4, torch.zeros(2, 2, 3, 3), "initial_state: got 3 in dimension 3, wanted 4"),
    ],
)
def test_the_operator_follows_no_pointer_past_an_end(index: int, tensor: torch.Tensor, message: str) -> None:
    inputs = [*arguments("retention", torch.float32, False, False)]
    inputs[index] = tensor
    with pytest.raises(RuntimeError, match=message):
        library.retention(*inputs)


def test_a_compiled_step_updates_the_state_in_place_too() -> None:
    torch.compiler.reset()
    q, k, v, state, g, _ = arguments("retention_step", torch.float32, False, False)
    other = state.clone()
    compiled = torch.compile(fk.retention_step, fullgraph=True)
    for _ in range(3):
        torch.testing.assert_close(compiled(q, k, v, state, g), fk.retention_step(q, k, v, other, g))
        torch.testing.assert_close(state, other)


def test_a_state_that_a_gradient_needs_is_not_overwritten_unseen() -> None:
    q, k, v, state, g, _ = arguments("retention_step", torch.float32, False, False)
    k = k.requires_grad_()
    o, _ = fk.retention(q[:, None], k[:, None], v[:, None], g.clone().requires_grad_(), initial_state=state)
    with torch.no_grad():
        fk.retention_step(q, k, v, state, g)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        o.sum().backward()
