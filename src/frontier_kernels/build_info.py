"""What was compiled, and which path a call takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from frontier_kernels.checks import FLOATS
from frontier_kernels.ops import CUDA, NOT_COMPILED, library, why_no_cuda

PATHS = {
    "scalar": "products in portable C++",
    "avx2": "products for AVX2 with FMA",
    "avx512": "products for AVX-512",
    "avx512bf16": "products for AVX-512, those of bfloat16 for AVX-512-BF16",
}
"""Paths of the products of all types but float64, by the names that ``FRONTIER_KERNELS_ISA`` takes."""


@dataclass(frozen=True)
class BuildInfo:
    """Facts about the extension that is loaded, ``"none"`` where there is none.

    Attributes:
        compiled: whether there is one; if not, the operators run as plain PyTorch.
        compiler: that built it, with its version.
        standard: C++ standard it was compiled as.
        headers: torch whose headers it was compiled against.
        oldest_torch: oldest torch that may load it: the target of the stable ABI.
        torch: version that is running.
        dtypes: element types that the operators take.
        cpu: the path of CPU tensors: chosen for this processor when the first call was made.
        cuda: the cards that CUDA kernels were compiled for, such as ``"sm_80, sm_90"``, or ``"none"``.
        note: why something is missing, in one sentence; empty if nothing is.
    """

    compiled: bool
    compiler: str
    standard: str
    headers: str
    oldest_torch: str
    torch: str
    dtypes: tuple[str, ...]
    cpu: str
    cuda: str
    note: str


def build_info() -> BuildInfo:
    """Describe the loaded extension, from what it says about itself, or why there is none."""
    dtypes = tuple(str(dtype).removeprefix("torch.") for dtype in FLOATS)
    if NOT_COMPILED:
        return BuildInfo(
            compiled=False,
            compiler="none",
            standard="none",
            headers="none",
            oldest_torch="none",
            torch=str(torch.__version__),
            dtypes=dtypes,
            cpu="plain PyTorch",
            cuda="none",
            note=f"Plain PyTorch: {NOT_COMPILED}.",
        )
    facts = library.build_facts().split("\n")
    compiler, standard, instructions, headers, oldest_torch, path, word = facts
    return BuildInfo(
        compiled=True,
        compiler=compiler,
        standard=standard,
        headers=headers,
        oldest_torch=oldest_torch,
        torch=str(torch.__version__),
        dtypes=dtypes,
        cpu=f"{PATHS[path]}, the rest compiled for {instructions}",
        cuda=word.replace("_", ", sm_").removeprefix("sm, ") if CUDA else "none",
        note="" if CUDA else f"No CUDA kernels: {why_no_cuda()}; CUDA tensors are refused.",
    )
