"""Compile frontier_kernels against the torch that is installed: ``pip install --no-build-isolation .``.

CUDA kernels are compiled too where torch has CUDA and an nvcc of the same major version is found;
FORCE_CUDA=1 compiles them whatever the versions are, FORCE_CUDA=0 leaves them out. TORCH_CUDA_ARCH_LIST, for
instance "8.0;9.0+PTX", says for which cards; otherwise for those of this machine, or for sm_75 to sm_90.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import torch
from setuptools import setup
from torch.utils import cpp_extension

CSRC = Path("src/frontier_kernels/csrc")
SOURCES = sorted(str(path) for path in (*CSRC.glob("*.cpp"), *CSRC.glob("cpu/*.cpp")))
CUDA_SOURCES = sorted(str(path) for path in (CSRC / "cuda").glob("*.cu"))
HEADERS = sorted(str(path) for path in CSRC.rglob("*.h"))
TARGET = "0x020a000000000000"
"""Oldest torch whose stable ABI the binary may use: 2.10."""
ARCHITECTURES = ["7.5", "8.0", "8.6", "8.9", "9.0+PTX"]
"""Cards that CUDA kernels are compiled for where none is there to ask."""
HOST_FLAGS = ["-O3", "-g0", "-std=c++20", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"]
HOST_FLAGS.append("-Werror=switch")  # one that forgets an enumerator would go on with an undefined result
if platform.machine() in ("x86_64", "AMD64"):
    # gcc may move eight bytes through an MMX register and leave the x87 unit unusable: fmod then gives NaN.
    HOST_FLAGS.append("-mno-mmx")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
"""Reads past an end, undefined arithmetic and the like stop the process: for `make sanitize`, not for use."""


def find_nvcc() -> tuple[str, str] | None:
    """Path and version, such as ``"13.0"``, of the nvcc that builds would use."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), cpp_extension.CUDA_HOME]
    paths = [shutil.which("nvcc", path=f"{home}/bin") for home in homes if home]
    for path in (*paths, shutil.which("nvcc"), shutil.which("nvcc", path="/usr/local/cuda/bin")):
        if path:
            text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            if release := re.search(r"release (\d+\.\d+)", text):
                return path, release[1]
    return None


def why_no_cuda(torch_cuda: str | None, nvcc: str | None, force: str | None) -> str | None:
    """A word for why CUDA kernels are not compiled, ``None`` if they are; ``build_info()`` explains it."""
    if force == "0":
        return "forced_off"
    if nvcc is None:
        return "no_nvcc" if torch_cuda or force else "torch_without_cuda"
    if force:
        return None
    if torch_cuda is None:
        return "torch_without_cuda"
    ours, theirs = nvcc.split(".")[0], torch_cuda.split(".")[0]
    return None if ours == theirs else f"nvcc_{ours}_torch_{theirs}"


def architectures() -> list[str]:
    """Cards to compile for, as ``TORCH_CUDA_ARCH_LIST`` names them."""
    listed = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    if wanted := [each for each in re.split(r"[;,\s]+", listed) if each]:
        for each in wanted:
            if not re.fullmatch(r"\d+\.\d[af]?(\+PTX)?", each):
                raise SystemExit(f"TORCH_CUDA_ARCH_LIST: got {each!r}, wanted numbers such as 8.0;9.0+PTX")
        return wanted
    cards = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
    return [f"{major}.{minor}" for major, minor in sorted(cards)] or ARCHITECTURES


def arch_flags(wanted: list[str]) -> list[str]:
    """What nvcc is told for ``architectures()``."""
    flags = []
    for each in wanted:
        number = each.removesuffix("+PTX").replace(".", "")
        flags.append(f"-gencode=arch=compute_{number},code=sm_{number}")
        if each.endswith("+PTX"):
            flags.append(f"-gencode=arch=compute_{number},code=compute_{number}")
    return flags


def prefix_maps() -> list[str]:
    """Flags that keep the builder's folders out of the places that errors name."""
    folders = [CSRC.parents[1].resolve(), *cpp_extension.include_paths()]
    return [f"-ffile-prefix-map={folder}/=" for folder in folders]


def library_of_cxx() -> list[str]:
    """The libstdc++ that torch has loaded, named before the compiler's own.

    A compiler that links its static copy would bring a second set of locale facets into the process: where
    the two meet, the first number written into an error's message is a segmentation fault.
    """
    maps = Path("/proc/self/maps")
    if platform.system() != "Linux" or not maps.exists():
        return []
    loaded = re.search(r"(?m)\S*/libstdc\+\+\.so\.6\S*$", maps.read_text())
    return [loaded[0]] if loaded else []


def extension() -> cpp_extension.CppExtension:
    """The extension module, with or without its CUDA kernels."""
    windows = platform.system() == "Windows"
    nvcc = find_nvcc()
    reason = why_no_cuda(torch.version.cuda, nvcc and nvcc[1], os.environ.get("FORCE_CUDA") or None)
    macros = [("TORCH_TARGET_VERSION", TARGET), ("Py_LIMITED_API", "0x030A0000")]
    sanitize = SANITIZE if os.environ.get("FRONTIER_KERNELS_SANITIZE") == "1" else []
    # Lines are enough for a report: -g would follow every variable of the unrolled kernels, for minutes.
    maps = [] if windows else prefix_maps()
    host_flags = [*HOST_FLAGS, *maps, *sanitize, *(["-g1", "-O1"] if sanitize else [])]
    flags = {"cxx": ["/O2", "/std:c++20"] if windows else host_flags}
    if reason is None:
        assert nvcc
        wanted = architectures()
        cards = "_".join(re.sub(r"\D", "", each) for each in wanted)
        macros += [("USE_CUDA", None), ("FRONTIER_CUDA", f"sm_{cards}")]
        flags["nvcc"] = ["-O3", "-std=c++20", *arch_flags(wanted)]
        if not windows:
            flags["nvcc"] += [f"-Xcompiler={flag}" for flag in ("-fvisibility=hidden", *maps)]
        if cpp_extension.CUDA_HOME is None:  # a torch without CUDA, and FORCE_CUDA
            cpp_extension.CUDA_HOME = str(Path(nvcc[0]).resolve().parents[1])
        # A torch without CUDA brings no libraries to link with: the result loads where torch has CUDA.
        kind = cpp_extension.CUDAExtension if torch.version.cuda else cpp_extension.CppExtension
    else:
        macros.append(("FRONTIER_CUDA", reason))
        kind = cpp_extension.CppExtension
    return kind(
        "frontier_kernels._C",
        SOURCES + (CUDA_SOURCES if reason is None else []),
        depends=HEADERS,
        include_dirs=[str(CSRC.resolve())],
        py_limited_api=True,
        define_macros=macros,
        extra_compile_args=flags,
        extra_link_args=[*sanitize, *library_of_cxx()],
    )


if __name__ == "__main__":
    setup(
        ext_modules=[extension()],
        cmdclass={
            "build_ext": cpp_extension.BuildExtension.with_options(no_python_abi_suffix=True, use_ninja=True)
        },
        options={"bdist_wheel": {"py_limited_api": "cp310"}},
    )
