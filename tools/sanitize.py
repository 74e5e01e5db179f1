"""Run the kernel tests on a library compiled with AddressSanitizer and UndefinedBehaviorSanitizer.

The library goes into ``_build/sanitize``, next to a copy of the package, and leaves the usual one alone. A
read or write past an end, undefined arithmetic, a misaligned load: whatever they see stops the process, and
with it this command. torch and Python are not instrumented; what they keep until they exit is no leak here.

Left out are tests of how long something takes, and the slow ones: these build, install, or run the suite
without the library. Tests that draw shapes draw fewer. The suite runs on the path that this processor takes,
then the tests of products on every path that it has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from frontier_kernels.build_info import PATHS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build" / "sanitize"
PRODUCTS = [f"tests/kernels/test_{name}.py" for name in ("moe", "retention", "retention_step")]


def preload(compiler: str, *names: str) -> str:
    """Where the compiler keeps these libraries, as ``LD_PRELOAD`` takes them."""
    found = []
    for name in names:
        command = [compiler, f"-print-file-name={name}"]
        path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if not Path(path).is_absolute():
            raise SystemExit(f"error: {compiler} has no {name}: make sanitize takes gcc with its sanitizers")
        found.append(path)
    return " ".join(found)


def build() -> None:
    """Compile the library and check that it is instrumented."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", FOLDER, "--build-temp", FOLDER / "temp"],
        env={**os.environ, "FRONTIER_KERNELS_SANITIZE": "1"},
        cwd=ROOT,
        check=True,
    )
    library = (FOLDER / "frontier_kernels" / "_C.so").read_bytes()
    if b"__asan_report_load" not in library or b"__ubsan_handle" not in library:
        raise SystemExit("error: the library was compiled without the sanitizers")


def main() -> int:
    build()
    environment = {
        **os.environ,
        # Without libstdc++ before it, AddressSanitizer finds no function that throws.
        "LD_PRELOAD": preload(os.environ.get("CC", "gcc"), "libasan.so", "libstdc++.so"),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(FOLDER),
        "FRONTIER_FUZZ": "40",
    }
    command = [sys.executable, "-m", "pytest", "-m", "not slow and not speed"]
    if subprocess.run([*command, *(sys.argv[1:] or ["tests/kernels"])], env=environment, cwd=ROOT).returncode:
        return 1
    if sys.argv[1:]:
        return 0
    for path in PATHS:
        chosen = {**environment, "FRONTIER_KERNELS_ISA": path}
        probe = [sys.executable, "-c", "import frontier_kernels; frontier_kernels.build_info()"]
        if subprocess.run(probe, env=chosen, capture_output=True).returncode:
            print(f"{path}: this processor lacks it")
            continue
        print(f"{path}:", flush=True)
        if subprocess.run([*command, *PRODUCTS], env=chosen, cwd=ROOT).returncode:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
