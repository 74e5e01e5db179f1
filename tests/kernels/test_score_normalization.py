"""Retention with normalised scores against the paper's definition with T x T scores, in all three forms."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from numerics import relative_error
from test_retention import BOUND, FORMS, problem

import frontier_kernels as fk
from frontier_kernels import reference

SEEDS = 3


def rows(shape: tuple[int, ...], dtype: torch.dtype, per_token: bool) -> list[torch.Tensor]:
    """q, k, v and log_decay, wanting gradients."""
    return problem(shape, dtype, per_token)[:4]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("shape", [(2, 33, 3, 5, 7), (1, 130, 2, 16, 8), (2, 1, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_output_and_every_gradient_equal_the_definition(
    shape: tuple[int, ...], dtype: torch.dtype, per_token: bool, options: dict[str, Any]
) -> None:
    names = ("o", "q", "k", "v", "log_decay")
    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {name: [] for name in names}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        inputs = rows(shape, dtype, per_token)
        exact = [t.detach().double().requires_grad_() for t in inputs]
        o, _ = fk.retention(*inputs, normalize_scores=True, **options)  # type: ignore[arg-type, misc]
        wanted = reference.normalized_retention(*exact)
        assert o.dtype == dtype
        grad = torch.randn_like(o)
        got = [o, *torch.autograd.grad(o, inputs, grad)]
        truth = [wanted, *torch.autograd.grad(wanted, exact, grad.double())]
        for name, leaf, g, t in zip(names, [o, *inputs], got, truth, strict=True):
            assert (g.dtype, g.shape) == (leaf.dtype, leaf.shape)
            found[name].append((g.flatten(), t.flatten()))
    for name, pairs in found.items():
        g, t = (torch.cat(side) for side in zip(*pairs, strict=True))
        if t.any():
            assert relative_error(g, t) <= BOUND[dtype], name
        else:
            assert not g.any(), name  # one step knows no decay


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_gradcheck_in_double(per_token: bool, options: dict[str, Any]) -> None:
    *_, initial = problem((2, 4, 2, 3, 4), torch.float64, True)
    _, state = fk.retention(
        *rows((2, 5, 2, 2, 3), torch.float64, True), return_state=True, normalize_scores=True
    )
    assert state is not None
    assert state.shape == initial.shape

    def f(*a: torch.Tensor) -> Any:
        options_ = {"initial_state": a[4], "return_state": True, "normalize_scores": True, **options}
        return fk.retention(*a[:4], **options_)  # type: ignore[arg-type]

    inputs = (*rows((2, 9, 2, 2, 3), torch.float64, per_token), state.detach().requires_grad_())
    assert torch.autograd.gradcheck(f, inputs)


def test_the_definition_normalises_both_ways() -> None:
    # Short rows have sums below one, long rows above: both divisors of the paper are in play above.
    q, k, v, g = rows((2, 33, 3, 5, 7), torch.float64, False)
    sums = fk.retention(q, k, torch.ones_like(v), g)[0][..., 0].abs()
    decays = fk.retention(*[torch.ones_like(q[..., :1])] * 3, g, scale=1.0)[0][..., 0]
    by_scores = (sums > decays.sqrt()).double().mean()
    assert 0.1 < by_scores < 0.9


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_the_state_carries_on_where_a_sequence_was_cut(per_token: bool, options: dict[str, Any]) -> None:
    q, k, v, g = rows((2, 30, 2, 3, 4), torch.float64, per_token)
    wanted = reference.normalized_retention(q, k, v, g)
    whole, last = fk.retention(q, k, v, g, return_state=True, normalize_scores=True, **options)
    state, parts = None, []
    for part in (slice(0, 13), slice(13, 14), slice(14, 14), slice(14, 30)):
        decay = g[:, part] if per_token else g
        o, state = fk.retention(
            q[:, part],
            k[:, part],
            v[:, part],
            decay,
            initial_state=state,
            return_state=True,
            normalize_scores=True,
            **options,
        )
        parts.append(o)
    assert state is not None
    assert last is not None
    assert state.shape == (2, 2, 4, 5)
    torch.testing.assert_close(torch.cat(parts, 1), wanted)
    torch.testing.assert_close(whole, wanted)
    torch.testing.assert_close(state, last)
    grad = torch.randn_like(whole)
    pieces = torch.autograd.grad(torch.cat(parts, 1), [q, k, v, g], grad)
    for a, b in zip(pieces, torch.autograd.grad(wanted, [q, k, v, g], grad), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_packed_sequences_are_normalised_each_by_itself(per_token: bool, options: dict[str, Any]) -> None:
    bounds = [0, 1, 1, 9, 20]
    q, k, v, g = rows((1, 20, 3, 4, 5), torch.float64, per_token)
    o, state = fk.retention(
        q, k, v, g, cu_seqlens=torch.tensor(bounds), return_state=True, normalize_scores=True, **options
    )
    assert state is not None
    assert state.shape == (4, 3, 5, 6)
    for start, stop in pairwise(bounds):
        part = slice(start, stop)
        decay = g[:, part] if per_token else g
        alone = reference.normalized_retention(q[:, part], k[:, part], v[:, part], decay)
        torch.testing.assert_close(o[:, part], alone)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("per_token", [False, True])
def test_steps_give_the_output_and_leave_the_state_of_the_whole(dtype: torch.dtype, per_token: bool) -> None:
    q, k, v, g = (t.detach() for t in rows((2, 21, 3, 5, 7), dtype, per_token))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    state = torch.zeros(2, 3, 6, 8, dtype=wide)
    steps = [
        fk.retention_step(
            q[:, t], k[:, t], v[:, t], state, g[:, t] if per_token else g, normalize_scores=True
        )
        for t in range(21)
    ]
    wanted = reference.normalized_retention(*(t.double() for t in (q, k, v, g)))
    _, last = fk.retention(q, k, v, g, return_state=True, normalize_scores=True)
    assert last is not None
    assert steps[0].dtype == dtype
    assert relative_error(torch.stack(steps, 1), wanted) <= BOUND[dtype]
    assert relative_error(state, last) <= min(BOUND[dtype], 1e-5)


def test_the_corner_of_the_state_is_the_sum_of_the_decays() -> None:
    q, k, v, g = (t.detach() for t in rows((1, 50, 2, 3, 4), torch.float64, False))
    _, state = fk.retention(q, k, v, g, return_state=True, normalize_scores=True)
    assert state is not None
    torch.testing.assert_close(state[0, :, -1, -1], (1 - (50 * g).exp()) / (1 - g.exp()))
    _, plain = fk.retention(q, k, v, g, return_state=True)
    torch.testing.assert_close(state[..., :-1, :-1], plain)


@pytest.mark.parametrize("decay", [0.0, -1e-6, -80.0, -torch.inf])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_no_decay_however_fast_or_slow_overflows(decay: float, options: dict[str, Any]) -> None:
    q, k, v, _ = rows((1, 200, 1, 4, 5), torch.float32, False)
    g = torch.tensor([decay], requires_grad=True)
    o, _ = fk.retention(q, k, v, g, normalize_scores=True, **options)
    wanted = reference.normalized_retention(*(t.detach().double() for t in (q, k, v, g)))
    assert relative_error(o, wanted) <= 1e-5
    assert all(t.isfinite().all() for t in torch.autograd.grad(o.sum(), [q, k, v, g]))


def torchscales_output(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """What the parallel form of the authors' RetNet computes, head by head; no gradient through the sums."""
    time, heads, key = q.shape[1:]
    n = torch.arange(time, dtype=q.dtype)
    outputs = []
    for h in range(heads):
        gamma = 1 - 2.0 ** (-5 - h)
        mask = torch.where(n[:, None] >= n, gamma ** (n[:, None] - n).clamp_min(0), 0.0)
        mask = mask / mask.sum(1, keepdim=True) ** 0.5
        scores = torch.einsum("bnk,bmk->bnm", q[:, :, h], k[:, :, h] * key**-0.5) * mask
        size = scores.detach().sum(2, keepdim=True).abs()
        outputs.append((scores / torch.where(size > 1, size, 1.0)) @ v[:, :, h])
    return torch.stack(outputs, 2)


def test_it_is_what_torchscale_computes_and_differentiates_after_the_norm() -> None:
    q, k, v, _ = rows((2, 40, 3, 8, 10), torch.float64, False)
    g = torch.log1p(-torch.exp2(-5.0 - torch.arange(3, dtype=torch.float64)))
    theirs = torchscales_output(q, k, v)
    ours, _ = fk.retention(q, k, v, g, normalize_scores=True)
    torch.testing.assert_close(ours, theirs)
    # They send no gradient through the sums. The norm that follows makes that the same: it takes every factor
    # of a step's output out again.
    weights = torch.randn(10, dtype=torch.float64)
    losses = [(F.rms_norm(o, (10,), weights, eps=0.0) ** 3).sum() for o in (ours, theirs)]
    for a, b in zip(*(torch.autograd.grad(loss, [q, k, v]) for loss in losses), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_compiles_without_graph_breaks_forward_and_backward(options: dict[str, Any]) -> None:
    torch.compiler.reset()

    def step(*a: torch.Tensor) -> torch.Tensor:
        kept = {"return_state": True, "normalize_scores": True, **options}
        o, state = fk.retention(*a, **kept)  # type: ignore[arg-type]
        assert state is not None
        return (o * 2).square().sum() + state.sum()

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=True)
    for time in (9, 14):
        inputs = rows((2, time, 2, 3, 4), torch.float32, True)
        got, wanted = compiled(*inputs), step(*inputs)
        torch.testing.assert_close(got, wanted)
        for a, b in zip(torch.autograd.grad(got, inputs), torch.autograd.grad(wanted, inputs), strict=True):
            torch.testing.assert_close(a, b)


def test_the_same_input_gives_the_same_bits_on_one_thread_and_on_two() -> None:
    inputs = rows((3, 150, 4, 8, 9), torch.float32, False)

    def run(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        o, _ = fk.retention(*inputs, normalize_scores=True)
        return [o, *torch.autograd.grad(o.square().sum(), inputs)]

    for a, b, c in zip(run(1), run(2), run(2), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(b, c)


@pytest.mark.parametrize("shape", [(3, 0, 2, 4, 5), (0, 9, 2, 4, 5)], ids=str)
def test_nothing_to_do_is_done(shape: tuple[int, ...]) -> None:
    inputs = rows(shape, torch.float32, False)
    o, state = fk.retention(*inputs, return_state=True, normalize_scores=True)
    assert state is not None
    assert o.shape == inputs[2].shape
    assert state.shape == (shape[0], 2, 5, 6)
    assert not any(t.any() for t in torch.autograd.grad(o.sum() + state.sum(), inputs))


def test_a_state_of_plain_retention_is_refused_by_name() -> None:
    q = torch.randn(2, 8, 3, 4)
    state, decay = torch.zeros(2, 3, 4, 4), torch.zeros(3)
    wanted = r"got shape \(2, 3, 4, 4\), wanted \[2, 3, 5, 5\]"
    with pytest.raises(ValueError, match=rf"initial_state: {wanted} \(sequences, heads, K \+ 1, V \+ 1\)"):
        fk.retention(q, q, q, decay, initial_state=state, normalize_scores=True)
    with pytest.raises(ValueError, match=rf"state: {wanted} \(batch, heads, K \+ 1, V \+ 1\)"):
        fk.retention_step(q[:, 0], q[:, 0], q[:, 0], state, decay, normalize_scores=True)
