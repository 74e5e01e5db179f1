"""Run the registry, print the table, keep the numbers.

A case is timed only after every contestant's output and gradients agree with the reference in float64; if one
does not, the case shows no speed at all and the command fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from benchmarks import contestants
from benchmarks.cases import CASES, QUICK, Case
from benchmarks.contestants import GRADIENTS, OURS, Forward, Inputs
from benchmarks.measure import (
    PEER_SLACK,
    TOLERANCE,
    Clock,
    Roofline,
    Timing,
    interleave,
    measure_roofline,
    relative_error,
    work,
)
from frontier_kernels import build_info

RESULTS = Path(__file__).parent / "results"
CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_tile", "amx_bf16")
SCHEMA = 1
NOISY = 1.5  # a spread beyond this says that the machine was busy, and the row is worth another run


@dataclass(frozen=True)
class Result:
    """One case with one number of threads.

    Attributes:
        errors: by contestant and tensor, relative RMS against float64.
        red: what failed the gate, in words; then there are no timings.
        timings: by contestant.
        roof: the least time at the measured rates, in seconds.
    """

    case: Case
    threads: int
    errors: dict[str, dict[str, float]]
    red: list[str]
    timings: dict[str, Timing]
    flops: float
    traffic: float
    roof: float

    @property
    def best_peer(self) -> str | None:
        """The peer with the least time."""
        peers = [name for name in self.timings if name != OURS]
        return min(peers, key=lambda name: self.timings[name].minimum) if peers else None

    @property
    def ratio(self) -> float | None:
        """The best peer's time over ours; ``None`` behind a red gate."""
        if self.best_peer is None or OURS not in self.timings:
            return None
        return self.timings[self.best_peer].minimum / self.timings[OURS].minimum

    @property
    def noisy(self) -> bool:
        """Whether the two times that the ratio compares scattered."""
        return any(
            self.timings[name].spread > NOISY for name in (OURS, self.best_peer) if name in self.timings
        )

    @property
    def verdict(self) -> str:
        """``RED``, ``met`` or ``MISSED``."""
        if self.red or self.ratio is None:
            return "RED"
        return "met" if self.ratio >= self.case.goal else "MISSED"


def outputs(forward: Forward, inputs: Inputs, backward: bool) -> dict[str, Tensor]:
    """One call's output and gradients by name."""
    names = ("y", *GRADIENTS) if backward else ("y",)
    return dict(zip(names, contestants.run(forward, inputs, backward), strict=True))


def check(
    case: Case, field: dict[str, Forward], inputs: Inputs, wanted: dict[str, Tensor]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The gate: everyone's errors, and what is too far off (or not a number)."""
    errors: dict[str, dict[str, float]] = {}
    red = []
    for name, forward in field.items():
        try:
            got = outputs(forward, inputs, case.backward)
        except Exception as error:  # a contestant that cannot run must not end the others' run
            errors[name] = {}
            red.append(f"{name}: {type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}")
            continue
        errors[name] = {key: relative_error(value, wanted[key]) for key, value in got.items()}
        tolerance = TOLERANCE[case.dtype] * (1.0 if name == OURS else PEER_SLACK)
        red += [
            f"{name}: {key} off by {error:.1e}, wanted {tolerance:.0e}"
            for key, error in errors[name].items()
            if not error <= tolerance
        ]
    return errors, red


def measure_case(
    case: Case,
    field: dict[str, Forward],
    wanted: dict[str, Tensor],
    threads: int,
    roofline: Roofline,
    seconds: float,
    rounds: int | None = None,
    clock: Clock | None = None,
) -> Result:
    """Gate, then time, all contestants of one case with the current number of threads."""
    inputs = contestants.make_inputs(case, getattr(torch, case.dtype))
    errors, red = check(case, field, inputs, wanted)
    timings: dict[str, Timing] = {}
    if not red:
        calls: dict[str, Callable[[], object]] = {
            name: partial(contestants.run, forward, inputs, case.backward) for name, forward in field.items()
        }
        timings = interleave(calls, seconds, rounds, **({} if clock is None else {"clock": clock}))
    touched = int(torch.bincount(inputs.logits.topk(case.top_k).indices.reshape(-1)).count_nonzero())
    flops, traffic = work(case, touched)
    roof = roofline.seconds(case, flops, traffic)
    return Result(case, threads, errors, red, timings, flops, traffic, roof)


def run_all(
    cases: Sequence[Case],
    threads: Sequence[int],
    seconds: float,
    rounds: int | None = None,
    quick: bool = False,
    compiled: bool = False,
    report: Callable[[Result], None] = lambda result: None,
) -> tuple[list[Result], dict[int, Roofline]]:
    """All cases with all numbers of threads; a row's roofline is the best that was measured until then.

    It is measured before each shape, because a shared machine has busy moments.
    """
    before = torch.get_num_threads()
    dtypes = list(dict.fromkeys(case.dtype for case in cases))
    rooflines: dict[int, Roofline] = {}
    results = []
    shape: object = None
    wanted: dict[str, Tensor] = {}
    try:
        for case in cases:
            if (case.operator, case.activation, case.shape) != shape:
                shape = (case.operator, case.activation, case.shape)
                for count in threads:
                    torch.set_num_threads(count)
                    rooflines[count] = measure_roofline(dtypes, quick).best(rooflines.get(count))
                torch.set_num_threads(threads[0])
                exact = contestants.make_inputs(case, torch.float64)
                backward = any(other.backward for other in cases if other.shape == case.shape)
                wanted = outputs(contestants.truth(case), exact, backward)
            field = contestants.OPERATORS[case.operator](case, compiled)
            for count in threads:
                torch.set_num_threads(count)
                result = measure_case(case, field, wanted, count, rooflines[count], seconds, rounds)
                report(result)
                results.append(result)
    finally:
        torch.set_num_threads(before)
    return results, rooflines


# ---- what is printed and kept ------------------------------------------------------------------------------

HEADER = (
    f"{'case':<28} {'thr':>3} {'ours ms':>9} {'spread':>6}  {'best peer':<23} {'ms':>9} {'spread':>6} "
    f"{'ratio':>6} {'goal':>5} {'':<6} {'GF/s':>6} {'of roof':>7}"
)


def line(result: Result) -> str:
    """One row of the table."""
    case, peer, ratio = result.case, result.best_peer, result.ratio
    start = f"{case.name:<28} {result.threads:>3}"
    if peer is None or ratio is None:
        return f"{start} RED, no speed: {'; '.join(result.red)}"
    mine, best = result.timings[OURS], result.timings[peer]
    return (
        f"{start} {mine.minimum * 1e3:>9.3f} {mine.spread:>6.2f}  {peer:<23} {best.minimum * 1e3:>9.3f} "
        f"{best.spread:>6.2f} {ratio:>6.2f} {case.goal:>5.1f} {result.verdict:<6} "
        f"{result.flops / mine.minimum / 1e9:>6.1f} {result.roof / mine.minimum:>7.0%}"
        f"{'  noisy' if result.noisy else ''}"
    )


def table(results: Sequence[Result]) -> str:
    """Every row, and how many goals were met."""
    met = sum(result.verdict == "met" for result in results)
    red = sum(result.verdict == "RED" for result in results)
    tail = f"{met} of {len(results)} goals met" + (f"; {red} RED" if red else "")
    return "\n".join([HEADER, *map(line, results), tail])


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
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "frontier_kernels": asdict(build_info()),
    }


def as_json(name: str, results: Sequence[Result], rooflines: dict[int, Roofline]) -> dict[str, Any]:
    """What ``--save`` writes; times in seconds."""
    return {
        "schema": SCHEMA,
        "name": name,
        "machine": machine(),
        "roofline": [
            {"threads": threads, "flops_per_second": roof.flops, "bytes_per_second": roof.bandwidth}
            for threads, roof in rooflines.items()
        ],
        "results": [
            {
                "case": asdict(result.case),
                "threads": result.threads,
                "verdict": result.verdict,
                "red": result.red,
                "relative_rms": result.errors,
                "seconds": {
                    peer: asdict(timing) | {"spread": timing.spread}
                    for peer, timing in result.timings.items()
                },
                "best_peer": result.best_peer,
                "ratio": result.ratio,
                "noisy": result.noisy,
                "flops": result.flops,
                "bytes": result.traffic,
                "roof_seconds": result.roof,
                "share_of_roof": result.roof / result.timings[OURS].minimum if result.timings else None,
            }
            for result in results
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0, or 1 when a gate is red. A missed goal is marked, not an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", help="only cases whose names contain one of these")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="numbers of threads (1)")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long to time each row (3)")
    parser.add_argument("--compile", action="store_true", help="torch.compile as a peer too: minutes more")
    parser.add_argument("--quick", action="store_true", help="tiny cases, two rounds: only whether it runs")
    parser.add_argument("--save", metavar="NAME", help=f"write {RESULTS.name}/NAME.json next to this file")
    options = parser.parse_args(arguments)
    if options.save and not options.save.replace("-", "").replace("_", "").isalnum():
        parser.error(f"--save: got {options.save!r}, wanted letters, digits, - and _")
    registry = QUICK if options.quick else CASES
    cases = [
        case for case in registry if not options.cases or any(word in case.name for word in options.cases)
    ]
    if not cases:
        parser.error(f"no case contains {options.cases}; there are: {', '.join(c.name for c in registry)}")

    facts = machine()
    print(f"{facts['cpu']} ({' '.join(facts['flags'])}), {facts['cores']} cores, load {facts['load'][0]}")
    print(f"torch {facts['torch']}, transformers {facts['transformers']}; {facts['frontier_kernels']['cpu']}")
    print("times: least of all rounds; spread: median over least; ratio: best peer over ours\n")
    print(HEADER, flush=True)
    results, rooflines = run_all(
        cases,
        options.threads,
        options.seconds,
        rounds=2 if options.quick else None,
        quick=options.quick,
        compiled=options.compile,
        report=lambda result: print(line(result), flush=True),
    )
    print(table(results).splitlines()[-1])
    for threads, roof in rooflines.items():
        rates = ", ".join(f"{dtype} mm {rate / 1e9:.0f} GF/s" for dtype, rate in roof.flops.items())
        print(f"roofline, {threads} thread(s): {rates}, copy {roof.bandwidth / 1e9:.1f} GB/s")
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{options.save}.json"
        path.write_text(json.dumps(as_json(options.save, results, rooflines), indent=1) + "\n")
        print(f"wrote {path}")
    return int(any(result.red for result in results))
