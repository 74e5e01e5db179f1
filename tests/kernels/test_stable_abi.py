"""The extension needs nothing of torch but the C functions that its oldest torch already has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths

import frontier_kernels as fk
from frontier_kernels import _C

ROOT = Path(__file__).parents[2]
SHIMS = ("torch/csrc/stable/c/shim.h", "torch/csrc/inductor/aoti_torch/c/shim.h")
"""Headers that declare the whole C interface of the stable ABI."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads an ELF file")


def tool(*names: str) -> str:
    """The first of these programs that is installed."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, f"none of {', '.join(names)} is installed; a C++ compiler brings them"
    return found


def needed() -> set[str]:
    """Symbols that the loaded extension takes from other libraries, versions cut off."""
    lines = subprocess.run(
        [tool("nm", "llvm-nm"), "-D", "--undefined-only", str(_C.__file__)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return {line.split()[-1] for line in lines}


def declared(target: str) -> set[str]:
    """C functions that the headers declare for extensions with this ``TORCH_TARGET_VERSION``."""
    source = "".join(f"#include <{header}>\n" for header in SHIMS)
    includes = [f"-I{path}" for path in include_paths()]
    text = subprocess.run(
        [
            tool("c++", "g++", "clang++"),
            *("-E", "-P", "-x", "c++", "-std=c++20", "-DUSE_CUDA", f"-DTORCH_TARGET_VERSION={target}"),
            *(*includes, "-"),
        ],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(re.findall(r"\b((?:aoti_)?torch_\w+)\s*\(", text))


def target() -> str:
    """The version that setup.py compiles for, as the macro takes it."""
    found = re.search(r'^TARGET = "(0x[0-9a-f]{16})"$', (ROOT / "setup.py").read_text("utf8"), re.M)
    assert found
    return found[1]


def test_only_the_c_interface_of_torch_is_used() -> None:
    of_torch = {name for name in needed() if "torch" in name}
    assert len(of_torch) > 20
    assert {name for name in of_torch if not re.match(r"(aoti_)?torch_", name)} == set()
    # Mangled names in a namespace of torch: at, c10, caffe2, torch. std:: comes with the compiler.
    mangled = {name for name in needed() if re.search(r"(?:N|K)(?:2at|3c10|6caffe2|5torch)\d", name)}
    assert mangled == set()


def test_every_function_is_there_in_the_oldest_torch() -> None:
    of_torch = {name for name in needed() if re.match(r"(aoti_)?torch_", name)}
    assert of_torch - declared(target()) == set()


def test_the_headers_do_hide_what_is_newer_than_the_target() -> None:
    # Without this the test above could not fail.
    older, newer = declared("0x0209000000000000"), declared("0x020d000000000000")
    assert "torch_parallel_for" in needed() - older
    assert "torch_library_set_python_module" in newer - declared(target())


def test_python_is_used_through_its_limited_interface() -> None:
    assert {name for name in needed() if name.startswith(("Py", "_Py"))} == {"PyModule_Create2"}


def test_a_call_leaves_the_x87_unit_as_it_was() -> None:
    # gcc moves eight bytes through an MMX register where it may; the next fmod, which x87 computes, is NaN.
    x, decay = torch.randn(2, 1, 2, 8, dtype=torch.float64), -torch.ones(2, dtype=torch.float64)
    fk.retention(x, x, x, decay)
    assert torch.arange(3.0, dtype=torch.float64).remainder(8).tolist() == [0, 1, 2]
    code = subprocess.run(
        [tool("objdump", "llvm-objdump"), "-d", "--no-show-raw-insn", str(_C.__file__)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "ret" in code
    assert re.findall(r".*%mm[0-7].*", code) == []


def test_the_target_is_the_oldest_torch_that_the_package_asks_for() -> None:
    version = int(target(), 16)
    oldest = f"{version >> 56}.{version >> 48 & 0xFF}"
    assert fk.build_info().oldest_torch == oldest
    text = (ROOT / "pyproject.toml").read_text("utf8")
    assert re.findall(r'"torch>=([\d.]+)"', text) == [oldest, oldest]
