"""What the CUDA kernels of retention have to do, for a real device and for the emulated one alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    gradients = ops.retention_backward(there(c.grad), there(c.grad_state), *rows, chunk_size, c.scale)
    return [t.cpu() for t in (o, state, *gradients)]


def truth(c: Call) -> list[torch.Tensor]:
    """The same from ``reference.py`` in float64."""
    inputs = [t.double().requires_grad_() for t in (c.q, c.k, c.v, c.log_decay)]
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
    return [o.detach(), state.detach(), *gradients, *missing]


def assert_close(got: list[torch.Tensor], wanted: list[torch.Tensor], dtype: torch.dtype) -> None:
    """Relative RMS within the type's bound; states do not lose precision to half-precision inputs."""
    for name, a, b in zip(NAMES, got, wanted, strict=True):
        assert a.shape == b.shape, name
        error = relative_error(a, b)
        assert error <= BOUND[dtype], f"{name}: {error:.2e}"


def assert_equals_reference(ops: Any, c: Call, chunk_size: int = 64, device: str = "cpu") -> None:
    assert_close(run(ops, c, chunk_size, device), truth(c), c.q.dtype)
