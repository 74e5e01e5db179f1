"""What was compiled, and which path a call takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from frontier_kernels.ops import library
from frontier_kernels.router import FLOATS

PATHS = {
    "scalar": "products in portable C++",
    "avx2": "products for AVX2 with FMA",
    "avx512": "products for AVX-512",
}
"""Paths of the float32 and bfloat16 products, by the names that ``FRONTIER_KERNELS_ISA`` takes."""


@dataclass(frozen=True)
class BuildInfo:
    """Facts about the extension that is loaded.

    Attributes:
        compiler: that built it, with its version.
        standard: C++ standard it was compiled as.
        headers: torch whose headers it was compiled against.
        oldest_torch: oldest torch that may load it: the target of the stable ABI.
        torch: version that is running.
        dtypes: element types that the operators take.
        cpu: the path of CPU tensors: chosen for this processor when the first call was made.
        cuda: whether there are CUDA kernels.
        note: why something is missing, in one sentence.
    """

    compiler: str
    standard: str
    headers: str
    oldest_torch: str
    torch: str
    dtypes: tuple[str, ...]
    cpu: str
    cuda: bool
    note: str


def build_info() -> BuildInfo:
    """Describe the loaded extension, from what it says about itself."""
    facts = library.build_facts().split("\n")
    compiler, standard, instructions, headers, oldest_torch, path = facts
    return BuildInfo(
        compiler=compiler,
        standard=standard,
        headers=headers,
        oldest_torch=oldest_torch,
        torch=torch.__version__,
        dtypes=tuple(str(dtype).removeprefix("torch.") for dtype in FLOATS),
        cpu=f"{PATHS[path]}, the rest compiled for {instructions}",
        cuda=False,
        note="No CUDA sources yet: CUDA tensors are refused with an error, never moved silently.",
    )
