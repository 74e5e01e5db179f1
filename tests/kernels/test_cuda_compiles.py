"""The CUDA sources: compiled for every generation of cards without a warning, and never waiting for one."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch.utils import cpp_extension

ROOT = Path(__file__).parents[2]
CUDA = ROOT / "src/frontier_kernels/csrc/cuda"
SOURCES = sorted(path.name for path in CUDA.glob("*.cu"))


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    """setup.py as a module, which builds nothing."""
    spec = importlib.util.spec_from_file_location("setup_of_frontier_kernels", ROOT / "setup.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_for_every_card(setup: Any, source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Compile one file for sm_75 to sm_90, quickly rather than well."""
    nvcc = setup.find_nvcc()
    if not nvcc:
        pytest.skip("no nvcc on this machine: CUDA sources are compiled where there is one")
    return subprocess.run(
        [
            *(nvcc[0], "-c", str(source), "-o", str(into), "-std=c++20", "--threads", "2"),
            *("-O1", "-Xcicc", "-O1", "-Xptxas", "-O0", "-Xcompiler", "-Wall,-Wextra,-Wno-unused-parameter"),
            *("-DUSE_CUDA", f"-DTORCH_TARGET_VERSION={setup.TARGET}", f"-I{CUDA.parent}"),
            *(f"-I{path}" for path in cpp_extension.include_paths()),
            *setup.arch_flags(setup.ARCHITECTURES),
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_compiles_for_every_card_without_a_warning(setup: ModuleType, source: str, tmp_path: Path) -> None:
    result = compile_for_every_card(setup, CUDA / source, tmp_path / "object.o")
    assert not result.returncode, result.stderr
    assert not re.search(r"warning", result.stdout + result.stderr), result.stderr
    nm = shutil.which("nm")
    if not nm:
        return
    symbols = subprocess.run(
        [nm, "-u", tmp_path / "object.o"], capture_output=True, text=True, check=True
    ).stdout
    # The stable C interface of torch, CUDA's runtime, and nothing in a namespace of torch.
    assert not re.findall(r"\b_ZN?K?(?:2at|3c10|6caffe2|5torch)\d\w*", symbols)
    names = {line.split()[-1] for line in symbols.splitlines()}
    of_torch = {name for name in names if "torch" in name and not name.startswith("_Z")}
    assert of_torch - allowed(setup) == set()


def allowed(setup: Any) -> set[str]:
    """C functions that the oldest torch has, those of CUDA among them."""
    shims = ("torch/csrc/stable/c/shim.h", "torch/csrc/inductor/aoti_torch/c/shim.h")
    text = subprocess.run(
        [
            *("c++", "-E", "-P", "-x", "c++", "-std=c++20", "-DUSE_CUDA"),
            *(f"-DTORCH_TARGET_VERSION={setup.TARGET}",),
            *(f"-I{path}" for path in cpp_extension.include_paths()),
            "-",
        ],
        input="".join(f"#include <{header}>\n" for header in shims),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(re.findall(r"\b((?:aoti_)?torch_\w+)\s*\(", text))


def test_a_warning_would_be_seen(setup: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "careless.cu"
    source.write_text("__global__ void f(int* x) { int never_read = 3; *x = 1; }\n")
    result = compile_for_every_card(setup, source, tmp_path / "object.o")
    assert "warning" in result.stdout + result.stderr


@pytest.mark.parametrize("path", sorted(CUDA.glob("*")), ids=lambda path: path.name)
def test_nothing_waits_for_the_device(path: Path) -> None:
    text = path.read_text("utf8")
    waiting = (
        r"cudaMemcpy(?!Async)|\w*[sS]ynchronize\b|cudaMalloc\b|cudaFree\b|\bitem\s*\(|aten::(item|nonzero)"
    )
    assert not re.findall(waiting, text)
    assert not re.findall(r"<ATen|torch/extension\.h|pybind", text)
    # A macro that torch 2.13 has and 2.11 lacks, where a real card's build stopped; the older name is in all.
    assert "STABLE_TORCH_ERROR_CODE_CHECK" not in text


@pytest.mark.parametrize(
    ("torch_cuda", "nvcc", "force", "reason"),
    [
        ("13.0", "13.0", None, None),
        ("12.8", "12.4", None, None),
        ("12.8", "13.0", None, "nvcc_13_torch_12"),
        ("13.0", None, None, "no_nvcc"),
        (None, "13.0", None, "torch_without_cuda"),
        (None, None, None, "torch_without_cuda"),
        (None, None, "1", "no_nvcc"),
        (None, "13.0", "1", None),
        ("12.8", "13.0", "1", None),
        ("13.0", "13.0", "0", "forced_off"),
    ],
)
def test_cuda_is_built_where_torch_and_nvcc_fit(
    setup: Any, torch_cuda: str | None, nvcc: str | None, force: str | None, reason: str | None
) -> None:
    assert setup.why_no_cuda(torch_cuda, nvcc, force) == reason


def test_the_list_of_cards_is_torchs_own(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "8.0 9.0a;12.0+PTX")
    assert setup.architectures() == ["8.0", "9.0a", "12.0+PTX"]
    assert setup.arch_flags(setup.architectures()) == [
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90a,code=sm_90a",
        "-gencode=arch=compute_120,code=sm_120",
        "-gencode=arch=compute_120,code=compute_120",
    ]
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "Ampere")
    with pytest.raises(SystemExit, match="TORCH_CUDA_ARCH_LIST: got 'Ampere'"):
        setup.architectures()
    monkeypatch.delenv("TORCH_CUDA_ARCH_LIST")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda index: (7, 5) if index else (9, 0))
    assert setup.architectures() == ["7.5", "9.0"]
