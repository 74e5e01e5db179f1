"""Gate, clock and roofline."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.cases import Case

# Relative root mean square against float64. The peers round each intermediate of bfloat16, so that they get
# twice as much; either bound is far below what a wrong answer has.
TOLERANCE = {"float32": 1e-5, "bfloat16": 5e-3}
PEER_SLACK = 2.0
MIN_ROUNDS, MAX_ROUNDS = 4, 300

Clock = Callable[[], float]


def relative_error(got: Tensor, wanted: Tensor) -> float:
    """Root mean square of the difference over that of the truth; infinite for another shape."""
    if got.shape != wanted.shape:
        return float("inf")
    got, wanted = got.detach().double(), wanted.detach().double()
    scale = wanted.square().mean().sqrt().clamp_min(1e-30)
    return float((got - wanted).square().mean().sqrt() / scale)


@dataclass(frozen=True)
class Timing:
    """Seconds of one contestant over all rounds; the spread is the median over the minimum."""

    minimum: float
    median: float
    rounds: int

    @property
    def spread(self) -> float:
        return self.median / self.minimum


def interleave(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    rounds: int | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Time all calls in turn, so that a busy moment of the machine falls on everyone.

    Args:
        calls: what to time, by name.
        seconds: about how long to take; decides the rounds within ``MIN_ROUNDS`` and ``MAX_ROUNDS``.
        rounds: exactly so many instead.
        clock: seconds since some moment.
    """
    names = list(calls)
    for name in names:
        calls[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    turn, count = 0, 1 if rounds is None else rounds
    collecting = gc.isenabled()
    gc.disable()
    try:
        while turn < count:
            first = turn % len(names)  # each contestant follows each other's leftovers in the cache in turn
            for name in names[first:] + names[:first]:
                start = clock()
                calls[name]()
                times[name].append(clock() - start)
            if turn == 0 and rounds is None:
                once = max(sum(sum(taken) for taken in times.values()), 1e-9)
                count = min(MAX_ROUNDS, max(MIN_ROUNDS, int(seconds / once)))
            turn += 1
    finally:
        if collecting:
            gc.enable()
    return {name: Timing(min(taken), statistics.median(taken), count) for name, taken in times.items()}


@dataclass(frozen=True)
class Roofline:
    """What this machine reaches now, with this many threads.

    Attributes:
        flops: of a large ``torch.mm`` by dtype, in 1/s. Not the silicon's peak: a better product exceeds it.
        bandwidth: of a copy too large for the caches, reads and writes counted, in bytes/s. What fits a cache
            exceeds it.
    """

    flops: dict[str, float]
    bandwidth: float

    def best(self, other: Roofline | None) -> Roofline:
        """The higher of two measurements, rate by rate: a busy moment can only lower one."""
        if other is None:
            return self
        flops = {dtype: max(rate, other.flops[dtype]) for dtype, rate in self.flops.items()}
        return Roofline(flops, max(self.bandwidth, other.bandwidth))

    def seconds(self, case: Case, flops: float, traffic: float) -> float:
        """The least time at these rates."""
        return max(flops / self.flops[case.dtype], traffic / self.bandwidth)


def measure_roofline(dtypes: list[str], quick: bool, clock: Clock = time.perf_counter) -> Roofline:
    """Best of a few large products and copies."""
    size, copied, rounds = (64, 1 << 16, 2) if quick else (1024, 1 << 28, 16)
    flops = {}
    for dtype in dtypes:
        a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
        out = torch.empty_like(a)
        best = interleave({"mm": partial(torch.mm, a, b, out=out)}, 0.0, rounds, clock)
        flops[dtype] = 2 * size**3 / best["mm"].minimum
    source, target = torch.zeros(copied, dtype=torch.uint8), torch.ones(copied, dtype=torch.uint8)
    best = interleave({"copy": lambda: target.copy_(source)}, 0.0, rounds, clock)
    return Roofline(flops, 2 * copied / best["copy"].minimum)


def work(case: Case, touched: int) -> tuple[float, float]:
    """FLOPs and the least traffic in bytes: each pass reads its inputs and writes its outputs once.

    The backward of a product is two; what is kept between the passes is not counted: it may be recomputed.

    Args:
        touched: experts that at least one token chose.
    """
    itemsize = getattr(torch, case.dtype).itemsize
    inner = 2 * case.hidden if case.activation == "swiglu" else case.hidden
    expert = (inner + case.hidden) * case.width  # weights of one
    slots, tokens = case.tokens * case.top_k, case.tokens * case.width
    logits = 4.0 * case.tokens * case.experts
    flops = 2.0 * slots * expert
    traffic = itemsize * (2.0 * tokens + touched * expert) + logits
    if case.backward:
        flops *= 3
        traffic += itemsize * (3.0 * tokens + (touched + case.experts) * expert) + 2 * logits
    return flops, traffic
