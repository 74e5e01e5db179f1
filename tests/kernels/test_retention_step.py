"""Decoding step by step, in place, against the readable recurrence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from numerics import relative_error
from test_retention import BOUND, problem

import frontier_kernels as fk
from frontier_kernels import reference


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize(
    "shape", [(2, 21, 3, 5, 7), (1, 9, 1, 1, 1), (3, 8, 6, 16, 4), (0, 2, 2, 4, 5)], ids=str
)
def test_steps_give_the_output_and_leave_the_state_of_the_whole(
    shape: tuple[int, ...], dtype: torch.dtype, per_token: bool
) -> None:
    q, k, v, g, initial = (t.detach() for t in problem(shape, dtype, per_token))
    state = initial.clone()
    steps = []
    for t in range(shape[1]):
        steps.append(fk.retention_step(q[:, t], k[:, t], v[:, t], state, g[:, t] if per_token else g))
        assert steps[-1].dtype == dtype
    wanted, last = reference.retention(*(t.double() for t in (q, k, v, g, initial)))
    assert relative_error(torch.stack(steps, 1), wanted) <= BOUND[dtype]
    assert relative_error(state, last) <= min(BOUND[dtype], 1e-5)


def test_a_decay_of_zero_forgets_everything() -> None:
    q, k, v = torch.randn(3, 2, 3, 4)
    state = torch.randn(2, 3, 4, 4)
    o = fk.retention_step(q, k, v, state, torch.full((3,), -torch.inf), scale=2.0)
    torch.testing.assert_close(state, k[..., :, None] * v[..., None, :])
    torch.testing.assert_close(o, 2 * (q * k).sum(-1, keepdim=True) * v)


def test_the_same_bits_on_one_thread_and_on_two() -> None:
    q, k, v = torch.randn(3, 4, 8, 16)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        state = torch.ones(4, 8, 16, 16)
        results.append((fk.retention_step(q, k, v, state, -torch.ones(8)), state))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q": torch.randn(2, 4)}, ValueError, r"q: got shape \(2, 4\), wanted \[batch, heads, width\]"),
        ({"k": torch.randn(2, 3, 5)}, ValueError, r"k: got shape \(2, 3, 5\), wanted \[2, 3, 4\]"),
        ({"v": torch.randn(2, 3, 5).double()}, TypeError, "v: got torch.float64"),
        ({"state": torch.zeros(2, 3, 5, 4)}, ValueError, r"state: got shape \(2, 3, 5, 4\)"),
        ({"state": torch.zeros(2, 3, 4, 5).double()}, TypeError, "state: got torch.float64"),
        ({"state": torch.zeros(2, 3, 5, 4).transpose(2, 3)}, ValueError, "state: got strides"),
        ({"state": torch.zeros(1, 3, 4, 5).expand(2, 3, 4, 5)}, ValueError, "state: got strides"),
        ({"q": torch.randn(2, 3, 4, requires_grad=True)}, ValueError, "q: wants a gradient"),
        ({"log_decay": torch.tensor([0, 1.0, 0])}, ValueError, "log_decay: got 1.0, wanted zero or less"),
        ({"log_decay": torch.zeros(2)}, ValueError, r"log_decay: got shape \(2,\)"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {
        "q": torch.randn(2, 3, 4),
        "k": torch.randn(2, 3, 4),
        "v": torch.randn(2, 3, 5),
        "state": torch.zeros(2, 3, 4, 5),
        "log_decay": torch.zeros(3),
    }
    with pytest.raises(error, match=message):
        fk.retention_step(**{**arguments, **change})
