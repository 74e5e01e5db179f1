"""A clock that stands still, and a case whose contestants a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.case import Call, Contestant, Goals, Tensors, Work
from benchmarks.measure import Roofline

FLAT = Roofline({"float32": 1e9, "bfloat16": 1e9}, {"float32": 2e9, "bfloat16": 2e9}, 1e9)


class FakeClock:
    """Time passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def steps(self, *seconds: float) -> Callable[[], tuple[Tensor, ...]]:
        """A call that lasts the given seconds, in turn, and gives the truth of ``FakeCase``."""
        calls = 0

        def run() -> tuple[Tensor, ...]:
            nonlocal calls
            self.now += seconds[calls % len(seconds)]
            calls += 1
            return (torch.ones(3), torch.full((2,), 2.0))

        return run


@dataclass(frozen=True)
class FakeCase:
    """An output of ones and a gradient of twos."""

    goals: Goals = field(default_factory=lambda: Goals(ratio=2.0))
    field_of: tuple[Contestant, ...] = ()
    name: str = "fake float32 fwd+bwd"
    operator: str = "fake"
    dtype: str = "float32"
    backward: bool = True
    shape: object = "fake"

    def truth(self) -> Tensors:
        return {"y": torch.ones(3).double(), "dx": torch.full((2,), 2.0).double()}

    def contestants(self, compiled: bool) -> Sequence[Contestant]:
        return self.field_of

    def work(self) -> Work:
        return Work(1e9, 5e8)


def contestant(
    name: str,
    run: Callable[[], tuple[Tensor, ...]],
    counts: bool = True,
    gated: bool = True,
) -> Contestant:
    """Someone whose results are called ``y`` and ``dx``."""
    call = Call(run, lambda results: dict(zip(("y", "dx"), results, strict=False)))
    return Contestant(name, lambda: call, counts, gated)
