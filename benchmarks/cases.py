"""The one registry of cases: what is measured, and the goals of each.

The goals are for one thread of an AMD CPU with AVX-512, where torch's float32 product runs at about half of
the core's peak; elsewhere they are a yardstick.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.case import Case, Goals, suffix
from benchmarks.moe import MoECase
from benchmarks.retention import RetentionCase, StepCase

# name: T, D, H, E, k. The first two are the sizes that this field's CPU timings are quoted at, the third is a
# small model's layer, the last two are decoding: the time of the call and the weights touched, little else.
# Between them lies a short prompt, which has 16 rows for each expert's weights and no goal.
MOE_SHAPES = {
    "e8": (1024, 256, 512, 8, 2),
    "e32": (512, 256, 128, 32, 4),
    "large": (2048, 768, 2048, 8, 2),
    "short": (128, 256, 128, 32, 4),
    "decode-1": (1, 256, 128, 32, 4),
    "decode-16": (16, 256, 128, 32, 4),
}
MOE_GOALS = {
    ("float32", False): Goals(ratio=2.0, stretch=2.5),
    ("float32", True): Goals(ratio=1.8, stretch=2.5),
    ("bfloat16", False): Goals(ratio=1.3),
    ("bfloat16", True): Goals(ratio=1.5),
    ("float16", False): Goals(ratio=20.0),
    ("float16", True): Goals(ratio=20.0),
}
DECODE_RATIO = 3.0
PEAK = 0.7
"""Share of the micro-kernel's peak that the large cells shall reach."""

# name: B, H, T, D. The first three are the sizes of the measured baselines, the last is a training batch.
RETENTION_SHAPES = {
    "B1 H8 T2048 D64": (1, 8, 2048, 64),
    "B1 H4 T8192 D64": (1, 4, 8192, 64),
    "B2 H4 T512 D64": (2, 4, 512, 64),
    "B4 H16 T1024 D128": (4, 16, 1024, 128),
}
# No goal is set for bfloat16: its rows say where it stands.
RETENTION_GOALS = {
    ("float32", False): Goals(ratio=3.5),
    ("float32", True): Goals(ratio=3.0),
    ("bfloat16", False): Goals(),
    ("bfloat16", True): Goals(),
}
STEP_GOAL = Goals(seconds=10e-6)


def moe_cases(shapes: Mapping[str, tuple[int, int, int, int, int]]) -> tuple[Case, ...]:
    """Every shape in every dtype, but no large one in float16: a call would keep torch busy for 40 s."""
    rows = []
    for name, shape in shapes.items():
        for (dtype, backward), goals in MOE_GOALS.items():
            if name == "large":
                if dtype == "float16":
                    continue
                goals = Goals(goals.ratio, goals.stretch, peak=PEAK)
            elif name == "short":
                goals = Goals()
            elif name.startswith("decode"):
                goals = Goals(DECODE_RATIO)
            rows.append(MoECase(f"moe {name} {dtype} {suffix(backward)}", *shape, dtype, backward, goals))
    return tuple(rows)


def retention_cases(shapes: Mapping[str, tuple[int, int, int, int]]) -> tuple[Case, ...]:
    """Every shape in every dtype that has a goal or a peer worth a row."""
    return tuple(
        RetentionCase(f"retention {name} {dtype} {suffix(backward)}", *shape, dtype, backward, goals)
        for name, shape in shapes.items()
        for (dtype, backward), goals in RETENTION_GOALS.items()
    )


CASES = (
    *moe_cases(MOE_SHAPES),
    *retention_cases(RETENTION_SHAPES),
    StepCase("step B1 H8 D64 float32", 1, 8, 64, "float32", STEP_GOAL),
    StepCase("step B1 H8 D64 bfloat16", 1, 8, 64, "bfloat16", Goals()),
)
QUICK = (
    *moe_cases({"tiny": (24, 16, 8, 4, 2), "decode-tiny": (1, 16, 8, 4, 2)}),
    *retention_cases({"tiny": (2, 3, 128, 16), "short": (1, 2, 24, 8)}),
    StepCase("step tiny float32", 2, 3, 8, "float32", STEP_GOAL),
    StepCase("step tiny bfloat16", 2, 3, 8, "bfloat16", Goals()),
)
