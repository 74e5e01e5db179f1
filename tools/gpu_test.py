"""``make gpu-test``: build the kernels for the visible GPU, test them there, and time them.

Runs on the machine's own Python and torch (2.10 or newer, with CUDA), asks no network and installs nothing:
the extension is compiled in place. Needs nvcc of torch's CUDA version, a C++ compiler and pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 90
"""What the build may take."""
TESTS = ["tests/kernels/test_cuda.py", "tests/kernels/test_cuda_retention.py"]


ASK = """
import frontier_kernels as fk
info = fk.build_info()
print("CUDA kernels:", info.cuda, info.note)
raise SystemExit(info.cuda == "none")
"""


def stop(reason: str) -> None:
    sys.exit(f"error: make gpu-test: {reason}")


def check_machine() -> None:
    """Stop with the reason if this machine cannot run the kernels."""
    try:
        import torch
    except ImportError as error:
        stop(f"{sys.executable} has no torch ({error}); GPU_PYTHON=/path/to/python names another")
    if torch.version.cuda is None:
        stop(f"torch {torch.__version__} of {sys.executable} has no CUDA; GPU_PYTHON= names another Python")
    if not torch.cuda.is_available():
        stop("no GPU is visible: torch.cuda.is_available() is False (nvidia-smi, CUDA_VISIBLE_DEVICES)")
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 10):
        stop(f"torch {torch.__version__}, wanted 2.10 or newer")
    card = torch.cuda.get_device_properties(0)
    print(
        f"{card.name}, sm_{card.major}{card.minor}, {card.multi_processor_count} SMs; "
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, Python {sys.version.split()[0]}"
    )


def run(*arguments: str) -> int:
    """Run this Python in the repository with the package's sources in front."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    # Deterministic matrix products of torch, which the tests ask for, want this set before CUDA starts.
    environment = {**os.environ, "PYTHONPATH": path, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment).returncode


def main() -> int:
    check_machine()
    start = time.perf_counter()
    if run("setup.py", "-q", "build_ext", "--inplace"):
        stop("the extension did not compile: the first error is above")
    seconds = time.perf_counter() - start
    print(f"built in {seconds:.0f} s" + ("" if seconds <= SECONDS else f", more than the {SECONDS} s wanted"))
    if run("-c", ASK):
        stop("the extension was built without CUDA kernels, for the reason above")
    if run("-m", "pytest", "-q", *TESTS):
        stop("tests failed: no time is measured")
    return run("-m", "benchmarks.gpu")


if __name__ == "__main__":
    sys.exit(main())
