"""What the CUDA kernels of retention have to do, for a real device and for the emulated one alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from numerics import relative_error

from frontier_kernels import reference

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-3}
NAMES = ("output", "state", "q", "k", "v", "log_decay", "initial_state")


@dataclass
class Call:
    """Arguments of ``retention`` and the gradients of its two results, on the CPU."""

    q: torch.Tensor  # [B, T, H, K]
    k: torch.Tensor
    v: torch.Tensor  # [B, T, H, V]
    log_decay: torch.Tensor  # [H] or [B, T, H]
    initial: torch.Tensor | None
    cu_seqlens: torch.Tensor | None
    scale: float
    grad: torch.Tensor | None
    grad_state: torch.Tensor | None


def call(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    per_token: bool = False,
    bounds: list[int] | None = None,
    strength: float = 0.25,
) -> Call:
    """Unit-scale inputs ``(B, T, H, K, V)``, decays uniform between 0 and minus ``strength``."""
    batch, time, heads, key, value = shape
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    states = (batch if bounds is None else len(bounds) - 1, heads, key, value)
    return Call(
        torch.randn(batch, time, heads, key, dtype=dtype),
        torch.randn(batch, time, heads, key, dtype=dtype),
        torch.randn(batch, time, heads, value, dtype=dtype),
        -strength * torch.rand((batch, time, heads) if per_token else (heads,), dtype=wide),
        torch.randn(states, dtype=wide),
        None if bounds is None else torch.tensor(bounds),
        key**-0.5,
        torch.randn(batch, time, heads, value, dtype=dtype),
        torch.randn(states, dtype=wide),
    )


def run(ops: Any, c: Call, chunk_size: int = 64, device: str = "cpu") -> list[torch.Tensor]:
    """Output, last state and the five gradients, by the operators themselves."""

    def there(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return None if tensor is None else tensor.to(device)

    rows = [there(t) for t in (c.q, c.k, c.v, c.log_decay, c.initial, c.cu_seqlens)]
    o, state = ops.retention(*rows, chunk_size, c.scale)
    gradients = ops.retention_backward(there(c.grad), there(c.grad_state), *rows, chunk_size, c.scale, True)
    *others, none, initial = ops.retention_backward(
        there(c.grad), there(c.grad_state), *rows, chunk_size, c.scale, False
    )
    assert none.numel() == 0
    for a, b in zip((*others, initial), (*gradients[:3], gradients[4]), strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num()), (
            "the decay's gradient is asked for, and others change"
        )
    return [t.cpu() for t in (o, state, *gradients)]


@dataclass
class Truth:
    """What ``run`` should give, in float64, and the decay's gradient of each token, ``[B, T, H]``."""

    results: list[torch.Tensor]
    token_decays: torch.Tensor


def truth(c: Call) -> Truth:
    """The same as ``run`` from ``reference.py``."""
    decay = c.log_decay.double().expand(c.q.shape[:3]).clone()
    inputs = [t.double().requires_grad_() for t in (c.q, c.k, c.v, decay)]
    initial = None if c.initial is None else c.initial.double().requires_grad_()
    o, state = reference.retention(*inputs, initial, c.cu_seqlens, c.scale)
    results = [(r, g) for r, g in ((o, c.grad), (state, c.grad_state)) if g is not None and r.requires_grad]
    leaves = inputs if initial is None else [*inputs, initial]
    if results:
        outputs, grads = zip(*results, strict=True)
        gradients = torch.autograd.grad(
            outputs, leaves, [g.double() for g in grads], allow_unused=True, materialize_grads=True
        )
    else:
        gradients = tuple(torch.zeros_like(leaf) for leaf in leaves)
    missing = [] if initial is not None else [state.new_zeros(0, *state.shape[1:])]
    dq, dk, dv, token_decays, *rest = gradients
    dlog_decay = token_decays if c.log_decay.ndim == 3 else token_decays.sum((0, 1))
    return Truth([o.detach(), state.detach(), dq, dk, dv, dlog_decay, *rest, *missing], token_decays)


def errors(got: list[torch.Tensor], wanted: Truth) -> dict[str, float]:
    """Relative RMS of each result.

    In half precision a head's decay gradient is measured by the sum of its tokens' magnitudes: it is one
    number, the sum of many of both signs, and may come out as small as chance has it.
    """
    found = {}
    for name, a, b in zip(NAMES, got, wanted.results, strict=True):
        assert a.shape == b.shape, name
        found[name] = relative_error(a, b)
        if name == "log_decay" and a.ndim == 1 and got[0].dtype in (torch.bfloat16, torch.float16):
            magnitude = wanted.token_decays.abs().sum((0, 1))  # [H]
            found[name] = relative_error(a.double() - b + magnitude, magnitude)
    return found


def assert_close(got: list[torch.Tensor], wanted: Truth, dtype: torch.dtype) -> None:
    """Within the type's bound; states do not lose precision to inputs in half precision."""
    for name, error in errors(got, wanted).items():
        bound = min(BOUND[dtype], 1e-5) if name == "state" else BOUND[dtype]
        assert error <= bound, f"{name}: {error:.2e}"


def assert_equals_reference(ops: Any, c: Call, chunk_size: int = 64, device: str = "cpu") -> None:
    assert_close(run(ops, c, chunk_size, device), truth(c), c.q.dtype)


DTYPES = list(BOUND)
SHAPES = [
    (2, 33, 3, 5, 7),
    (1, 1, 1, 1, 1),
    (1, 130, 2, 16, 8),
    (2, 64, 2, 3, 4),
    (3, 0, 2, 4, 5),
    (0, 9, 2, 4, 5),
]
WIDTHS = [(8, 8), (60, 60), (64, 64), (128, 128), (256, 256), (100, 36), (64, 256), (256, 64), (33, 129)]
BOUNDS = [[0, 70], [0, 1, 1, 66, 70], [0, 0, 13, 70, 70]]


class RetentionProperties:
    """The tests; a subclass says where the operators are and which device they run on."""

    device = "cpu"

    @pytest.fixture
    def ops(self) -> Any:
        raise NotImplementedError

    def equals_reference(self, ops: Any, c: Call, chunk_size: int = 64) -> None:
        assert_equals_reference(ops, c, chunk_size, self.device)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("per_token", [False, True])
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_output_state_and_every_gradient_equal_the_reference(
        self, ops: Any, shape: tuple[int, ...], dtype: torch.dtype, per_token: bool
    ) -> None:
        self.equals_reference(ops, call(shape, dtype, per_token))

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("widths", WIDTHS, ids=str)
    def test_every_width_of_a_head(self, ops: Any, dtype: torch.dtype, widths: tuple[int, int]) -> None:
        self.equals_reference(ops, call((1, 67, 2, *widths), dtype, per_token=True))

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("per_token", [False, True])
    @pytest.mark.parametrize("bounds", BOUNDS, ids=str)
    def test_packed_sequences_do_not_see_each_other(
        self, ops: Any, dtype: torch.dtype, per_token: bool, bounds: list[int]
    ) -> None:
        self.equals_reference(ops, call((1, 70, 2, 12, 9), dtype, per_token, bounds))

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("bounds", [None, [0, 1, 330, 330, 400]], ids=str)
    def test_a_long_sequence_cut_into_segments(
        self, ops: Any, dtype: torch.dtype, bounds: list[int] | None
    ) -> None:
        c = call((1, 400, 1, 8, 16), dtype, True, bounds)
        self.equals_reference(ops, c)

    @pytest.mark.parametrize("chunk_size", [0, 1, 7])
    def test_the_forms_compute_the_same(self, ops: Any, chunk_size: int) -> None:
        self.equals_reference(ops, call((1, 40, 2, 4, 5), torch.float64), chunk_size)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize(
        "missing", [["initial"], ["grad"], ["grad_state"], ["initial", "grad_state"]], ids=str
    )
    def test_what_is_not_given_counts_as_zero(self, ops: Any, dtype: torch.dtype, missing: list[str]) -> None:
        self.equals_reference(ops, replace(call((2, 70, 2, 8, 5), dtype), **dict.fromkeys(missing)))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_scale_is_taken(self, ops: Any, dtype: torch.dtype) -> None:
        self.equals_reference(ops, replace(call((1, 70, 2, 8, 5), dtype), scale=-1.7))

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("decay", [0.0, -1e-6, -1.0, -80.0, -1e30, -torch.inf])
    def test_no_decay_however_fast_or_slow_overflows(
        self, ops: Any, dtype: torch.dtype, decay: float
    ) -> None:
        c = call((1, 150, 2, 8, 5), dtype)
        c.log_decay.fill_(decay)
        got, wanted = run(ops, c, device=self.device), truth(c)
        assert all(t.isfinite().all() for t in got)
        for name, error in errors(got, wanted).items():
            # Where nothing is left to decay the last two gradients are below what the type can hold.
            if decay < -50 and name in ("log_decay", "initial_state"):
                continue
            assert error <= BOUND[dtype], f"{name}: {error:.2e}"

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_a_weak_decay_after_strong_ones_stays_exact(self, ops: Any, dtype: torch.dtype) -> None:
        # Sums of logarithms in float32 would leave an error of 0.004 in the exponent here.
        c = call((1, 128, 2, 4, 5), dtype, per_token=True)
        c.log_decay[:, ::2] = -900.0
        c.log_decay[:, 1::2] = -0.01
        self.equals_reference(ops, c)

    # Without float16, whose smallest normal number is 6e-5.
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    def test_the_decays_gradient_is_exact_where_it_is_small(self, ops: Any, dtype: torch.dtype) -> None:
        c = call((1, 100, 2, 4, 5), dtype, per_token=True)
        c.log_decay -= 12
        self.equals_reference(ops, c)

    def test_a_long_memory_does_not_drift(self, ops: Any) -> None:
        c = call((1, 40_000, 2, 4, 4), torch.float32)
        c.log_decay = torch.tensor([-3.3e-7, -2.7e-5])
        tensors = ("q", "k", "v", "log_decay", "initial", "grad", "grad_state")
        wanted = run(
            ops, replace(c, **{name: getattr(c, name).double() for name in tensors}), 64, self.device
        )
        for name, a, b in zip(NAMES, run(ops, c, device=self.device), wanted, strict=True):
            assert relative_error(a, b) <= 5e-6, name

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_inputs_of_any_strides_and_alignment(self, ops: Any, dtype: torch.dtype) -> None:
        c = call((2, 70, 3, 16, 8), dtype, per_token=True)
        c.q = torch.randn(1 + c.q.numel(), dtype=dtype)[1:].view(c.q.shape)  # not aligned to 16 bytes
        c.k = torch.randn(2, 3, 70, 16, dtype=dtype).transpose(1, 2)
        c.v = torch.randn(2, 140, 3, 16, dtype=dtype)[:, ::2, :, ::2]
        c.grad = torch.randn(1, dtype=dtype).expand(c.v.shape)
        self.equals_reference(ops, c)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("per_token", [False, True])
    def test_the_same_input_gives_the_same_bits(self, ops: Any, dtype: torch.dtype, per_token: bool) -> None:
        c = call((1, 200, 2, 24, 40), dtype, per_token)
        for a, b in zip(run(ops, c, device=self.device), run(ops, c, device=self.device), strict=True):
            assert torch.equal(a, b)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_a_step_does_not_see_later_ones_even_if_they_are_nan(self, ops: Any, dtype: torch.dtype) -> None:
        c = call((1, 90, 2, 16, 20), dtype)
        clean = run(ops, c, device=self.device)[0]
        for t in (c.q, c.k, c.v):
            t[:, 75:] = torch.nan
        dirty = run(ops, c, device=self.device)[0]
        assert torch.equal(dirty[:, :75], clean[:, :75])
        assert dirty[:, 75:].isnan().all()

    @pytest.mark.parametrize("wrong", [0.5, torch.nan])
    def test_what_is_no_decay_makes_nan_of_what_follows(self, ops: Any, wrong: float) -> None:
        c = call((1, 90, 1, 4, 5), torch.float32, per_token=True)
        clean = run(ops, c, device=self.device)[0]
        c.log_decay[:, 70] = wrong
        dirty, state = run(ops, c, device=self.device)[:2]
        torch.testing.assert_close(dirty[:, :70], clean[:, :70])
        assert dirty[:, 70:].isnan().all()
        assert state.isnan().all()

    @pytest.mark.parametrize("bounds", [[0, 30, 20, 70], [-5, 200], [70, 0]], ids=str)
    def test_bounds_out_of_order_follow_no_pointer_past_an_end(self, ops: Any, bounds: list[int]) -> None:
        # Values on a device cannot be looked at without waiting for it: no error, but no foreign memory.
        run(ops, call((1, 70, 2, 8, 8), torch.float32, bounds=bounds), device=self.device)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("per_token", [False, True])
    @pytest.mark.parametrize(
        "shape",
        [(2, 21, 3, 5, 7), (1, 3, 1, 1, 1), (3, 4, 6, 64, 64), (1, 3, 2, 256, 200), (0, 2, 2, 4, 5)],
        ids=str,
    )
    def test_decoding_gives_the_output_and_leaves_the_state_of_the_whole(
        self, ops: Any, shape: tuple[int, ...], dtype: torch.dtype, per_token: bool
    ) -> None:
        c = call(shape, dtype, per_token)
        assert c.initial is not None
        q, k, v, g, state = (t.to(self.device) for t in (c.q, c.k, c.v, c.log_decay, c.initial.clone()))
        steps = [
            ops.retention_step(q[:, t], k[:, t], v[:, t], state, g[:, t] if per_token else g, c.scale)
            for t in range(shape[1])
        ]
        wanted, last = truth(c).results[:2]
        assert relative_error(torch.stack(steps, 1).cpu(), wanted) <= BOUND[dtype]
        assert relative_error(state.cpu(), last) <= min(BOUND[dtype], 1e-5)

    def test_decoding_with_a_decay_of_zero_forgets_everything(self, ops: Any) -> None:
        q, k, v = torch.randn(3, 2, 3, 4, device=self.device)
        state = torch.randn(2, 3, 4, 4, device=self.device)
        decay = torch.full((3,), -torch.inf, device=self.device)
        o = ops.retention_step(q, k, v, state, decay, 2.0)
        torch.testing.assert_close(state, k[..., :, None] * v[..., None, :])
        torch.testing.assert_close(o, 2 * (q * k).sum(-1, keepdim=True) * v)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"k": torch.randn(2, 9, 2, 4)}, "k: got 4 in dimension 3, wanted 3"),
            ({"v": torch.randn(2, 8, 2, 4)}, "v: got 8 in dimension 1, wanted 9"),
            ({"v": torch.randn(2, 9, 2, 4).double()}, "v: does not have the element type"),
            ({"v": torch.randn(2, 9, 2, 257)}, "v: got a width of 257, wanted 1 to 256"),
            ({"log_decay": torch.zeros(3)}, "log_decay: got 3 in dimension 0, wanted 2"),
            ({"log_decay": torch.zeros(2).double()}, "log_decay: does not have the element type"),
            ({"initial": torch.zeros(2, 2, 3, 3)}, "initial_state: got 3 in dimension 3, wanted 4"),
            ({"cu_seqlens": torch.tensor([0, 9])}, "cu_seqlens: got a batch of 2, wanted 1"),
        ],
        ids=lambda given: given if isinstance(given, str) else ",".join(given),
    )
    def test_the_operator_follows_no_pointer_past_an_end(
        self, ops: Any, change: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(RuntimeError, match=message):
            run(ops, replace(call((2, 9, 2, 3, 4), torch.float32), **change), device=self.device)
