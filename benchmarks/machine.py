"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from frontier_kernels import build_info

CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_tile", "amx_bf16")
FIRST_CORE = Path("/sys/devices/system/cpu/cpu0")


def caches() -> dict[str, str]:
    """Sizes of the first core's caches by level, as the system names them; empty where it does not."""
    found = {}
    for folder in sorted((FIRST_CORE / "cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = size
    return found


def governor() -> str | None:
    """The rule by which the clock changes; ``None`` where the system does not say, as in most guests."""
    try:
        return (FIRST_CORE / "cpufreq" / "scaling_governor").read_text().strip()
    except OSError:
        return None


def machine() -> dict[str, Any]:
    """The processor, its extensions that matter here, and the software."""
    cpu, flags = platform.processor() or platform.machine(), set[str]()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        facts = {
            key.strip(): value.strip()
            for key, _, value in (text.partition(":") for text in cpuinfo.read_text().splitlines())
        }
        cpu, flags = facts.get("model name", cpu), set(facts.get("flags", facts.get("Features", "")).split())
        cpu += "".join(f", {key} {facts[key]}" for key in ("cpu family", "model") if key in facts)
    return {
        "cpu": cpu,
        "flags": [flag for flag in CPU_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "caches": caches(),
        "governor": governor(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "yet_another_retnet": version("yet-another-retnet"),
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "frontier_kernels": asdict(build_info()),
    }
