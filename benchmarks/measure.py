"""Gate, clock and roofline."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from frontier_kernels.ops import library

# Relative root mean square against float64. The peers round each intermediate of bfloat16, so that they get
# twice as much; either bound is far below what a wrong answer has.
TOLERANCE = {"float32": 1e-5, "bfloat16": 5e-3, "float16": 5e-3}
PEER_SLACK = 2.0
BURST = 2e-3  # seconds that one measurement takes at least
MIN_ROUNDS, MAX_ROUNDS = 2, 1000
"""Rounds after the trials."""
TRIALS = 3
"""Calls that say how long a contestant takes; one alone may meet a busy moment."""
SLOW = 4.0
"""How many times the first one's time makes a contestant slow."""

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
    """Seconds of one contestant over its rounds; the spread is the median over the minimum."""

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

    A call of microseconds is made several times in a row, as decoding makes it: by itself it would be timed
    with what the others left in the caches. A contestant that is much slower than the first takes part in a
    few rounds only, evenly among the others', so that a peer that takes seconds does not use up the time of
    those that matter.

    Args:
        calls: what to time, by name; each has run once, to be warm.
        seconds: about how long to take; decides the rounds within ``MIN_ROUNDS`` and ``MAX_ROUNDS``.
        rounds: exactly so many instead, for everyone.
        clock: seconds since some moment.
    """
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}

    in_a_row = dict.fromkeys(names, 1)

    def measure(name: str) -> None:
        start = clock()
        for _ in range(in_a_row[name]):
            calls[name]()
        times[name].append((clock() - start) / in_a_row[name])

    collecting = gc.isenabled()
    gc.disable()
    try:
        if rounds is None:
            for _ in range(TRIALS):
                for name in names:
                    if sum(times[name]) <= seconds / 2:
                        measure(name)
            once = {name: min(taken) for name, taken in times.items()}
            in_a_row = {name: max(1, int(BURST / max(taken, 1e-9))) for name, taken in once.items()}
            wanted = plan({name: taken * in_a_row[name] for name, taken in once.items()}, seconds)
        else:
            wanted = dict.fromkeys(names, rounds)
        count = max(wanted.values())
        for turn in range(count):
            first = turn % len(names)  # each contestant follows each other's leftovers in the cache in turn
            for name in names[first:] + names[:first]:
                if (turn + 1) * wanted[name] // count > turn * wanted[name] // count:
                    measure(name)
    finally:
        if collecting:
            gc.enable()
    return {name: Timing(min(taken), statistics.median(taken), len(taken)) for name, taken in times.items()}


def plan(once: Mapping[str, float], seconds: float) -> dict[str, int]:
    """Rounds of each contestant from the time that it took once."""
    once = {name: max(taken, 1e-9) for name, taken in once.items()}
    # The first is whom the others are compared with: it is never slow, however busy its first moments were.
    slow = {name for name, taken in once.items() if taken > SLOW * next(iter(once.values()))}
    count = int(seconds / sum(taken for name, taken in once.items() if name not in slow))
    count = min(MAX_ROUNDS, max(MIN_ROUNDS, count))
    # A quarter of the time for all slow ones; those that have none left keep what they already have.
    share = seconds / 4 / max(1, len(slow))
    return {name: min(MIN_ROUNDS, int(share / once[name])) if name in slow else count for name in once}


@dataclass(frozen=True)
class Roofline:
    """What this machine reaches now, with this many threads.

    Attributes:
        flops: of a large ``torch.mm`` by dtype, in 1/s. Not the silicon's peak: a better product exceeds it.
        peak: of our own micro-kernel on products that stay in cache, by dtype, in 1/s.
        bandwidth: of a copy too large for the caches, reads and writes counted, in bytes/s. What fits a cache
            exceeds it.
    """

    flops: dict[str, float]
    peak: dict[str, float]
    bandwidth: float

    def best(self, other: Roofline | None) -> Roofline:
        """The higher of two measurements, rate by rate: a busy moment can only lower one."""
        if other is None:
            return self
        flops, peak = (
            {dtype: max(rate, theirs.get(dtype, 0.0)) for dtype, rate in mine.items()}
            for mine, theirs in ((self.flops, other.flops), (self.peak, other.peak))
        )
        return Roofline(other.flops | flops, other.peak | peak, max(self.bandwidth, other.bandwidth))


def measure_roofline(dtypes: Sequence[str], quick: bool, clock: Clock = time.perf_counter) -> Roofline:
    """Best of a few large products and copies."""
    copied, rounds = (1 << 16, 2) if quick else (1 << 28, 8)
    flops, peak = {}, {}
    for dtype in dtypes:
        # torch takes seconds for a large product of float16, and is no faster for it.
        size = 64 if quick else 256 if dtype == "float16" else 1024
        a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
        out = torch.empty_like(a)
        # As nn.Linear keeps its weight, and as it is: torch's speed differs, in float16 by a factor of ten.
        products = {"linear": partial(torch.mm, a, b.T, out=out), "plain": partial(torch.mm, a, b, out=out)}
        best = interleave(products, 0.0, rounds, clock)
        flops[dtype] = 2 * size**3 / min(timing.minimum for timing in best.values())
        peak[dtype] = max(
            library.gemm_peak(dtype, size, 1 if quick else (1 << 27) // size**3 * 4)
            for size in ((64,) if quick else (256, 448, 512))
        )
    source, target = torch.zeros(copied, dtype=torch.uint8), torch.ones(copied, dtype=torch.uint8)
    best = interleave({"copy": lambda: target.copy_(source)}, 0.0, rounds, clock)
    return Roofline(flops, peak, 2 * copied / best["copy"].minimum)
