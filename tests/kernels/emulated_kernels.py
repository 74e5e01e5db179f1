"""The CUDA kernels compiled for the CPU: ``torch.ops.frontier_kernels_emulated``, on CPU tensors.

Each file of ``csrc/cuda`` becomes a shared library with ``cuda_emulator/emulator.h`` in place of CUDA; its
operators take the schemas of ``torch.ops.frontier_kernels``. Libraries are kept under ``build/`` by a hash of
all that goes into them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils import cpp_extension

import frontier_kernels  # noqa: F401  (registers the schemas)

ROOT = Path(__file__).resolve().parents[2]
CUDA = ROOT / "src/frontier_kernels/csrc/cuda"
EMULATOR = Path(__file__).resolve().parent / "cuda_emulator"
BUILT = ROOT / "build" / "cuda_emulator"
NAMESPACE = "frontier_kernels_emulated"
FLAGS = [
    *("-O1", "-std=c++20", "-fPIC", "-fvisibility=hidden", "-fsanitize=alignment"),
    *("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unknown-pragmas", "-Wno-unused-function", "-Werror"),
    *("-DFRONTIER_EMULATED", "-DTORCH_TARGET_VERSION=0x020a000000000000"),
]

_library = torch.library.Library(NAMESPACE, "DEF")
_defined: set[str] = set()


def _define_schemas() -> None:
    """Give the emulated namespace every operator that the real one has by now."""
    for name in torch._C._dispatch_get_all_op_names():
        namespace, operator = name.split("::")
        if namespace == "frontier_kernels" and operator not in _defined:
            schema = str(getattr(torch.ops.frontier_kernels, operator).default._schema)
            _library.define(schema.split("::", 1)[1])
            _defined.add(operator)


def compile_library(source: Path, *more: Path) -> Path:
    """Compile one kernel file, with those that it calls, unless the same text was compiled before."""
    headers = sorted([*CUDA.parent.rglob("*.h"), *CUDA.parent.rglob("*.cuh"), *EMULATOR.glob("*.h")])
    text = b"".join(path.read_bytes() for path in (source, *more, *headers))
    facts = f"{torch.__version__} {FLAGS}".encode()
    library = BUILT / f"{source.stem}-{hashlib.sha256(text + facts).hexdigest()[:16]}.so"
    if not library.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        partial = library.with_suffix(f".{os.getpid()}")
        torch_libraries = Path(torch.__file__).parent / "lib"
        includes = [EMULATOR, CUDA, CUDA.parent, *cpp_extension.include_paths()]
        compiler = [os.environ.get("CXX", "g++")]
        flags = [*FLAGS, *(f"-I{path}" for path in includes)]
        objects = [str(partial.with_suffix(f".{path.stem}.o")) for path in (source, *more)]

        def compile_object(path: Path, compiled: str) -> None:
            subprocess.run([*compiler, *flags, "-c", "-x", "c++", str(path), "-o", compiled], check=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_object, (source, *more), objects))
        # In a step of its own, without the sanitizer's library: the emulator answers its calls.
        links = [f"-L{torch_libraries}", "-ltorch_cpu", f"-Wl,-rpath,{torch_libraries}"]
        subprocess.run([*compiler, "-shared", *objects, "-o", str(partial), *links], check=True)
        for compiled in objects:
            Path(compiled).unlink()
        for old in BUILT.glob(f"{source.stem}-*.so"):
            old.unlink(missing_ok=True)
        partial.rename(library)
    return library


@functools.cache
def load(name: str, *more: str) -> Any:
    """Compile and register a file of ``csrc/cuda``, with those that it calls.

    Returns:
        ``torch.ops.frontier_kernels_emulated``.
    """
    _define_schemas()
    torch.ops.load_library(str(compile_library(*(CUDA / f"{each}.cu" for each in (name, *more)))))
    return getattr(torch.ops, NAMESPACE)


@contextmanager
def device(arch: int = 80, order: str = "forward") -> Iterator[None]:
    """Which device is emulated (75, 80, 86, 89, 90), and whether its threads run forward or in reverse."""
    settings = {"FRONTIER_EMULATED_ARCH": str(arch), "FRONTIER_EMULATED_ORDER": order}
    with mock.patch.dict(os.environ, settings):
        yield
