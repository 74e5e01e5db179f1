"""Retention, forward and backward, against the readable recurrence, in all three forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from numerics import relative_error

import frontier_kernels as fk
from frontier_kernels import reference

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
FORMS: list[dict[str, Any]] = [
    {"form": "parallel"},
    {"form": "recurrent"},
    {"form": "chunkwise"},
    {"form": "chunkwise", "chunk_size": 7},
]
SHAPES = [
    (2, 33, 3, 5, 7),
    (1, 1, 1, 1, 1),
    (1, 130, 2, 16, 8),
    (2, 64, 2, 3, 4),
    (3, 0, 2, 4, 5),
    (0, 9, 2, 4, 5),
]


def problem(
    shape: tuple[int, ...], dtype: torch.dtype, per_token: bool, sequences: int | None = None
) -> list[torch.Tensor]:
    """q, k, v, log_decay and initial_state, all wanting gradients."""
    batch, time, heads, key, value = shape
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    tensors = [
        torch.randn(batch, time, heads, key, dtype=dtype),
        torch.randn(batch, time, heads, key, dtype=dtype),
        torch.randn(batch, time, heads, value, dtype=dtype),
        -torch.rand((batch, time, heads) if per_token else (heads,), dtype=wide) / 4,
        torch.randn(batch if sequences is None else sequences, heads, key, value, dtype=wide),
    ]
    return [t.requires_grad_() for t in tensors]


def assert_equals_reference(inputs: list[torch.Tensor], **options: Any) -> None:
    """Output, last state and every gradient, the truth computed in float64 from the same numbers."""
    *rows, initial = inputs
    dtype = rows[0].dtype
    o, state = fk.retention(*rows, initial_state=initial, return_state=True, **options)  # type: ignore[arg-type]
    assert state is not None
    exact = [t.detach().double().requires_grad_() for t in inputs]
    wanted, last = reference.retention(
        *exact[:4], exact[4], cu_seqlens=options.get("cu_seqlens"), scale=options.get("scale")
    )
    assert o.dtype == dtype
    assert state.dtype == initial.dtype
    assert relative_error(o, wanted) <= BOUND[dtype]
    assert relative_error(state, last) <= min(BOUND[dtype], 1e-5)
    grad, grad_state = torch.randn_like(o), torch.randn_like(state)
    got = torch.autograd.grad([o, state], inputs, [grad, grad_state])
    truth = torch.autograd.grad(
        [wanted, last], exact, [grad.double(), grad_state.double()], allow_unused=True, materialize_grads=True
    )
    for name, leaf, g, t in zip(("q", "k", "v", "log_decay", "state"), inputs, got, truth, strict=True):
        assert g.dtype == leaf.dtype
        assert g.shape == leaf.shape
        assert relative_error(g, t) <= BOUND[dtype], name


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_output_state_and_every_gradient_equal_the_reference(
    shape: tuple[int, ...], dtype: torch.dtype, per_token: bool, options: dict[str, Any]
) -> None:
    assert_equals_reference(problem(shape, dtype, per_token), **options)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("seed", range(1, 5))
def test_every_seed_stays_within_the_bound(seed: int, dtype: torch.dtype) -> None:
    torch.manual_seed(seed)
    assert_equals_reference(problem((2, 70, 2, 9, 12), dtype, seed % 2 == 0), chunk_size=16)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(
    "widths",
    [(8, 8), (8, 256), (24, 60), (60, 96), (96, 24), (100, 128), (128, 100), (200, 256), (256, 200)],
    ids=str,
)
@pytest.mark.parametrize("form", ["parallel", "recurrent", "chunkwise"])
def test_head_widths_of_8_to_256_equal_the_reference(
    form: str, widths: tuple[int, int], dtype: torch.dtype
) -> None:
    # More than one chunk, the last one ragged.
    assert_equals_reference(problem((1, 67, 2, *widths), dtype, False), form=form)


@pytest.mark.parametrize("per_token", [False, True])
def test_every_chunk_size_computes_the_same(per_token: bool) -> None:
    inputs = problem((2, 150, 2, 9, 12), torch.float32, per_token)
    grad, grad_state = torch.randn(2, 150, 2, 12), torch.randn(2, 2, 9, 12)

    def run(chunk_size: int | None) -> list[torch.Tensor]:
        q, k, v, g, s = inputs
        o, state = fk.retention(q, k, v, g, initial_state=s, return_state=True, chunk_size=chunk_size)
        assert state is not None
        return [o, state, *torch.autograd.grad([o, state], inputs, [grad, grad_state])]

    wanted = run(None)
    for chunk_size in (1, 2, 15, 16, 17, 64, 75, 128, 150, 151, 1000):
        for a, b in zip(run(chunk_size), wanted, strict=True):
            assert relative_error(a, b) <= 1e-5, chunk_size


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("bounds", [[0, 20], [0, 1, 1, 9, 20], [0, 0, 13, 20, 20]], ids=str)
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_packed_sequences_do_not_see_each_other(
    per_token: bool, bounds: list[int], options: dict[str, Any]
) -> None:
    inputs = problem((1, 20, 3, 4, 5), torch.float64, per_token, len(bounds) - 1)
    assert_equals_reference(inputs, cu_seqlens=torch.tensor(bounds), **options)


def test_scale_is_taken() -> None:
    assert_equals_reference(problem((2, 11, 2, 4, 5), torch.float64, False), chunk_size=4, scale=-1.7)


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_gradcheck_in_double(per_token: bool, options: dict[str, Any]) -> None:
    def f(*a: torch.Tensor) -> Any:
        return fk.retention(*a[:4], initial_state=a[4], return_state=True, **options)  # type: ignore[arg-type]

    assert torch.autograd.gradcheck(f, tuple(problem((1, 9, 2, 2, 3), torch.float64, per_token)))


@pytest.mark.parametrize("part", ["output", "state"])
def test_gradients_from_one_of_the_two_results_alone(part: str) -> None:
    q, k, v, g, s = problem((2, 9, 2, 3, 4), torch.float64, True)
    both = fk.retention(q, k, v, g, initial_state=s, return_state=True, chunk_size=4)
    wanted = reference.retention(q, k, v, g, s)
    index = 0 if part == "output" else 1
    chosen = both[index]
    assert chosen is not None
    got = torch.autograd.grad(chosen.square().sum(), [k, v, g, s])
    truth = torch.autograd.grad(wanted[index].square().sum(), [k, v, g, s])
    for a, b in zip(got, truth, strict=True):
        torch.testing.assert_close(a, b)


def test_the_state_carries_on_where_a_sequence_was_cut() -> None:
    q, k, v, g, s = problem((2, 30, 2, 3, 4), torch.float64, True)
    whole, last = fk.retention(q, k, v, g, initial_state=s, return_state=True)
    first, middle = fk.retention(
        q[:, :13], k[:, :13], v[:, :13], g[:, :13], initial_state=s, return_state=True
    )
    rest, end = fk.retention(
        q[:, 13:], k[:, 13:], v[:, 13:], g[:, 13:], initial_state=middle, return_state=True
    )
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(end, last)


def test_without_a_state_it_starts_from_zero_and_returns_none() -> None:
    q, k, v, g, _ = problem((2, 9, 2, 3, 4), torch.float32, False)
    o, state = fk.retention(q, k, v, g)
    assert state is None
    assert relative_error(o, reference.retention(q, k, v, g)[0]) <= 1e-5
    o.sum().backward()
    assert g.grad is not None


def test_strided_inputs_and_expanded_gradients_are_taken() -> None:
    q = torch.randn(2, 3, 10, 4, dtype=torch.float64).transpose(1, 2).requires_grad_()
    k = torch.randn(4, 10, 3, 2, dtype=torch.float64).permute(3, 1, 2, 0).requires_grad_()
    v = torch.randn(2, 20, 3, 10, dtype=torch.float64)[:, ::2, :, ::2].requires_grad_()
    g = (-torch.rand(1, 10, 1, dtype=torch.float64)).expand(2, 10, 3).requires_grad_()
    s = torch.randn(2, 3, 5, 4, dtype=torch.float64).transpose(2, 3).requires_grad_()
    inputs = [q, k, v, g, s]
    got = torch.autograd.grad(fk.retention(q, k, v, g, initial_state=s, chunk_size=4)[0].sum(), inputs)
    wanted = torch.autograd.grad(reference.retention(q, k, v, g, s)[0].sum(), inputs)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", BOUND)
def test_the_same_input_gives_the_same_bits_on_one_thread_and_on_two(dtype: torch.dtype) -> None:
    inputs = problem((3, 150, 4, 8, 9), dtype, False)

    def run(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        o, state = fk.retention(*inputs[:4], initial_state=inputs[4], return_state=True)  # type: ignore[arg-type]
        assert state is not None
        loss = o.float().square().sum() + state.sum()
        return [o, state, *torch.autograd.grad(loss, inputs)]

    for a, b, c in zip(run(1), run(2), run(2), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(b, c)


@pytest.mark.parametrize("decay", [0.0, -1e-6, -1.0, -80.0, -1e30, -torch.inf])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_no_decay_however_fast_or_slow_overflows(decay: float, options: dict[str, Any]) -> None:
    q, k, v, _, s = problem((1, 300, 1, 4, 5), torch.float32, False)
    g = torch.tensor([decay], requires_grad=True)
    inputs = [q, k, v, g, s]
    o, state = fk.retention(q, k, v, g, initial_state=s, return_state=True, **options)
    wanted, last = reference.retention(q.double(), k.double(), v.double(), g.double(), s.double())
    assert state is not None
    assert relative_error(o, wanted) <= 1e-5
    assert relative_error(state, last) <= 1e-5
    assert all(t.isfinite().all() for t in torch.autograd.grad(o.sum() + state.sum(), inputs))


def test_a_weak_decay_after_strong_ones_stays_exact() -> None:
    # Sums of logarithms in float32 would leave an error of 0.004 in the exponent here.
    inputs = problem((1, 128, 1, 4, 5), torch.float32, True)
    with torch.no_grad():
        inputs[3][:, ::2] = -900.0
        inputs[3][:, 1::2] = -0.01
    assert_equals_reference(inputs, form="parallel")


def test_the_decays_gradient_is_exact_where_it_is_small() -> None:
    inputs = problem((1, 100, 2, 4, 5), torch.float32, True)
    with torch.no_grad():
        inputs[3] -= 12
    assert_equals_reference(inputs)


def test_a_step_does_not_see_later_ones_even_if_they_are_nan() -> None:
    q, k, v, g, _ = (t.detach() for t in problem((1, 20, 2, 4, 5), torch.float32, False))
    clean, _ = fk.retention(q, k, v, g)
    q[:, 11:], k[:, 11:], v[:, 11:] = torch.nan, torch.nan, torch.nan
    for options in FORMS:
        torch.testing.assert_close(fk.retention(q, k, v, g, **options)[0][:, :11], clean[:, :11])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q": torch.randn(2, 8, 3)}, ValueError, r"q: got shape \(2, 8, 3\), wanted \[batch, time, heads, "),
        ({"q": torch.ones(2, 8, 3, 4).int()}, TypeError, "q: got torch.int32"),
        ({"k": torch.randn(2, 8, 3, 5)}, ValueError, r"k: got shape \(2, 8, 3, 5\), wanted \[2, 8, 3, 4\]"),
        ({"k": torch.randn(2, 8, 3, 4).double()}, TypeError, "k: got torch.float64, wanted torch.float32"),
        ({"v": torch.randn(2, 7, 3, 5)}, ValueError, r"v: got shape \(2, 7, 3, 5\), wanted \[2, 8, 3, 5\]"),
        ({"v": torch.randn(2, 8, 3, 0)}, ValueError, r"v: got shape \(2, 8, 3, 0\)"),
        (
            {"log_decay": torch.zeros(2)},
            ValueError,
            r"log_decay: got shape \(2,\), wanted \[3\] \(heads\) or",
        ),
        ({"log_decay": torch.zeros(3).long()}, TypeError, "log_decay: got torch.int64"),
        ({"log_decay": torch.tensor([0, 0.5, 0])}, ValueError, "log_decay: got 0.5, wanted zero or less"),
        ({"log_decay": torch.full((3,), torch.nan)}, ValueError, "log_decay: got nan, wanted zero or less"),
        ({"initial_state": torch.zeros(2, 3, 5, 4)}, ValueError, r"initial_state: got shape \(2, 3, 5, 4\)"),
        ({"initial_state": torch.zeros(2, 3, 4, 5).double()}, TypeError, "initial_state: got torch.float64"),
        ({"form": "scan"}, ValueError, "form: got 'scan'"),
        ({"chunk_size": 0}, ValueError, "chunk_size: got 0, wanted 1 or more"),
        ({"chunk_size": 4, "form": "parallel"}, ValueError, "chunk_size: got 4 with form='parallel'"),
        ({"cu_seqlens": torch.tensor([0, 8])}, ValueError, "cu_seqlens: got a batch of 2, wanted 1"),
        ({"cu_seqlens": torch.tensor([0, 8]).short()}, TypeError, "cu_seqlens: got torch.int16"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {
        "q": torch.randn(2, 8, 3, 4),
        "k": torch.randn(2, 8, 3, 4),
        "v": torch.randn(2, 8, 3, 5),
        "log_decay": torch.zeros(3),
    }
    with pytest.raises(error, match=message):
        fk.retention(**{**arguments, **change})


@pytest.mark.parametrize("bounds", [[0, 7], [1, 8], [0, 5, 4, 8], [0, 9, 8], [8]], ids=str)
def test_bad_bounds_of_packed_sequences_are_named(bounds: list[int]) -> None:
    q = torch.randn(1, 8, 3, 4)
    cu_seqlens = torch.tensor(bounds)
    with pytest.raises(ValueError, match=r"cu_seqlens: got .* wanted it to rise from 0 to 8"):
        fk.retention(q, q, q, torch.zeros(3), cu_seqlens=cu_seqlens)
    with pytest.raises(RuntimeError, match="cu_seqlens: got"):
        torch.ops.frontier_kernels.retention(q, q, q, torch.zeros(3), None, cu_seqlens, 4, 1.0)
