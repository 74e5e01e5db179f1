"""Compile frontier_kernels against the torch that is installed: ``pip install --no-build-isolation .``."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

CSRC = Path("src/frontier_kernels/csrc")
SOURCES = sorted(str(path) for path in CSRC.glob("*.cpp"))
HEADERS = sorted(str(path) for path in CSRC.rglob("*.h"))
TARGET = "0x020a000000000000"
"""Oldest torch whose stable ABI the binary may use: 2.10."""

windows = platform.system() == "Windows"
flags = (
    ["/O2", "/std:c++20"]
    if windows
    else ["-O3", "-g0", "-std=c++20", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"]
)
if not windows and platform.machine() in ("x86_64", "AMD64"):
    # gcc may move eight bytes through an MMX register and leave the x87 unit unusable: fmod then gives NaN.
    flags.append("-mno-mmx")
# Reads past an end, undefined arithmetic and the like stop the process: for `make sanitize`, not for use.
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
sanitize = SANITIZE if os.environ.get("FRONTIER_KERNELS_SANITIZE") == "1" else []
# Lines are enough for a report: -g would follow every variable of the unrolled kernels, for minutes.
flags += [*sanitize, "-g1", "-O1"] if sanitize else []

setup(
    ext_modules=[
        CppExtension(
            "frontier_kernels._C",
            SOURCES,
            depends=HEADERS,
            py_limited_api=True,
            define_macros=[("TORCH_TARGET_VERSION", TARGET), ("Py_LIMITED_API", "0x030a0000")],
            extra_compile_args={"cxx": flags},
            extra_link_args=sanitize,
        )
    ],
    cmdclass={"build_ext": BuildExtension.with_options(no_python_abi_suffix=True, use_ninja=True)},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
