"""The CUDA kernels of retention on the visible GPU; needs torch, pytest and the compiled extension alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cuda_retention_properties import (
    RetentionProperties,
    Truth,
    assert_close,
    assert_equals_reference,
    call,
    run,
)

import frontier_kernels  # noqa: F401  (registers the operators)


def kernels_present() -> bool:
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key("frontier_kernels::retention", "CUDA")
    return torch.cuda.is_available() and has_kernel


pytestmark = pytest.mark.skipif(not kernels_present(), reason="no GPU, or built without CUDA")


class TestOnDevice(RetentionProperties):
    device = "cuda"

    @pytest.fixture
    def ops(self) -> Any:
        return torch.ops.frontier_kernels

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    @pytest.mark.parametrize("width", [64, 128, 256])
    def test_a_device_full_of_heads(self, ops: Any, dtype: torch.dtype, width: int) -> None:
        assert_equals_reference(ops, call((4, 300, 16, width, width), dtype, True), device=self.device)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_a_long_sequence_equals_the_cpu_in_double(self, ops: Any, dtype: torch.dtype) -> None:
        c = call((1, 20_000, 4, 32, 32), dtype, True)
        got = run(ops, c, device=self.device)
        for name in ("q", "k", "v", "log_decay", "initial", "grad", "grad_state"):
            setattr(c, name, getattr(c, name).double())
        wanted = run(ops, c)
        assert_close(got, Truth(wanted, wanted[5]), dtype)

    def test_an_index_beyond_two_to_the_thirty_first(self, ops: Any) -> None:
        free, _ = torch.cuda.mem_get_info()
        if free < 16 * 2**30:
            pytest.skip("needs 16 GiB of free GPU memory")
        q = torch.zeros(1, 2**20 + 64, 32, 65, dtype=torch.bfloat16, device="cuda")
        q[:, -64:] = torch.randn(1, 64, 32, 65, dtype=torch.bfloat16, device="cuda")
        decay = torch.full((32,), -0.1, device="cuda")
        o, state = ops.retention(q, q, q, decay, None, None, 64, 1.0)
        tail = q[:, -64:].contiguous()
        wanted, last = ops.retention(tail, tail, tail, decay, None, None, 64, 1.0)
        torch.testing.assert_close(o[:, -64:], wanted)
        torch.testing.assert_close(state, last)

    def test_nothing_waits_for_the_device(self, ops: Any) -> None:
        c = call((1, 300, 2, 16, 16), torch.bfloat16, True, [0, 100, 100, 300])
        run(ops, c, device=self.device)
        tensors = (c.q, c.k, c.v, c.log_decay, c.initial, c.cu_seqlens, c.grad, c.grad_state)
        q, k, v, g, s, bounds, grad, grad_state = (t.cuda() if t is not None else None for t in tensors)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            ops.retention(q, k, v, g, s, bounds, 64, c.scale)
            ops.retention_backward(grad, grad_state, q, k, v, g, s, bounds, 64, c.scale, True)
        finally:
            torch.cuda.set_sync_debug_mode("default")
