"""The CUDA kernels of retention, compiled for the CPU, against the readable recurrence."""

from __future__ import annotations

from typing import Any

import emulated_kernels
import pytest
import torch
from cuda_retention_properties import DTYPES, RetentionProperties, assert_equals_reference, call, run


@pytest.fixture(scope="module")
def library() -> Any:
    return emulated_kernels.load("retention")


class TestEmulated(RetentionProperties):
    @pytest.fixture
    def ops(self, library: Any) -> Any:
        return library


@pytest.mark.parametrize("arch", [75, 86, 90])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [(8, 8), (128, 96), (256, 256)], ids=str)
def test_every_device_has_a_kernel_for_every_width(
    library: Any, arch: int, dtype: torch.dtype, widths: tuple[int, int]
) -> None:
    with emulated_kernels.device(arch):
        assert_equals_reference(library, call((1, 70, 1, *widths), dtype, per_token=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arch", [75, 80])
@pytest.mark.parametrize("shape", [(2, 150, 2, 24, 40), (1, 330, 1, 8, 8)], ids=str)
def test_no_barrier_is_missing(library: Any, dtype: torch.dtype, arch: int, shape: tuple[int, ...]) -> None:
    c = call(shape, dtype, per_token=True)
    results = []
    for order in ("forward", "reverse"):
        with emulated_kernels.device(arch, order):
            results.append(run(library, c))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
