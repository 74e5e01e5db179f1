"""The CPU's stand-in for CUDA computes what a device does, and refuses what a device leaves undefined."""

from __future__ import annotations

from typing import Any

import emulated_kernels
import pytest
import torch

NAMES = [
    "barriers",
    "missing",
    "lanes",
    "unwritten",
    "race",
    "outside",
    "unwaited",
    "misaligned",
    "vector",
    "too_much",
]
SCHEMAS = [
    "self_test_tile(Tensor a, Tensor b) -> Tensor",
    "self_test_sum(Tensor x, int threads) -> Tensor",
    "self_test_mistake(Tensor x, int mistake) -> Tensor",
]


@pytest.fixture(scope="module")
def ops() -> Any:
    library = torch.library.Library(emulated_kernels.NAMESPACE, "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    source = emulated_kernels.EMULATOR / "self_test.cu"
    torch.ops.load_library(str(emulated_kernels.compile_library(source)))
    yield torch.ops.frontier_kernels_emulated
    library._destroy()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_tile_on_tensor_cores_is_a_matrix_product(ops: Any, dtype: torch.dtype) -> None:
    a, b = torch.randn(16, 16, dtype=dtype), torch.randn(16, 8, dtype=dtype)
    torch.testing.assert_close(ops.self_test_tile(a, b), a.float() @ b.float())


def test_tf32_keeps_ten_bits_of_the_mantissa(ops: Any) -> None:
    a, b = torch.randn(16, 8), torch.randn(8, 8)
    short = [(t.view(torch.int32) & ~0x1FFF).view(torch.float32) for t in (a, b)]
    torch.testing.assert_close(ops.self_test_tile(a, b), short[0] @ short[1])
    assert (ops.self_test_tile(a, b) - a @ b).abs().max() > 1e-4


@pytest.mark.parametrize("threads", [32, 64, 96, 1024])
def test_a_block_sums_through_shuffles_and_shared_memory(ops: Any, threads: int) -> None:
    x = torch.randn(threads - 3)
    torch.testing.assert_close(ops.self_test_sum(x, threads), x.sum().expand(2))


def test_bfloat16_has_no_tensor_core_on_sm75(ops: Any) -> None:
    a = torch.ones(16, 16, dtype=torch.bfloat16)
    with emulated_kernels.device(75), pytest.raises(RuntimeError, match="no product of this type"):
        ops.self_test_tile(a, a[:, :8].contiguous())


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("barriers", r"divergent barriers: __syncthreads at self_test\.cu:\d+ and __syncthreads at"),
        ("missing", "deadlock in block .* thread 0 waits in __shfl_sync .* thread 8 waits in __syncthreads"),
        ("lanes", "divergent warp: __shfl_sync at .* and __shfl_xor_sync at"),
        ("outside", "a block wrote outside its shared memory"),
        ("misaligned", "cp.async: an address not aligned to 16"),
        ("vector", r"self_test\.cu:\d+: an address not aligned to 16"),
        ("too_much", "1048576 bytes of shared memory, wanted at most 166912"),
    ],
)
def test_what_a_device_leaves_undefined_is_an_error(ops: Any, mistake: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        ops.self_test_mistake(torch.ones(64), NAMES.index(mistake))
    # And the next kernel runs as if nothing had been.
    torch.testing.assert_close(ops.self_test_sum(torch.ones(40), 64), torch.full((2,), 40.0))


@pytest.mark.parametrize("mistake", ["unwritten", "unwaited"])
def test_shared_memory_that_nobody_wrote_is_nan(ops: Any, mistake: str) -> None:
    assert ops.self_test_mistake(torch.ones(64), NAMES.index(mistake)).isnan().all()


def test_a_missing_barrier_shows_in_one_order_of_the_threads(ops: Any) -> None:
    results = []
    for order in ("forward", "reverse"):
        with emulated_kernels.device(order=order):
            results.append(ops.self_test_mistake(torch.ones(64), NAMES.index("race")))
    assert results[0].isnan().any()
    assert not torch.equal(results[0], results[1])
