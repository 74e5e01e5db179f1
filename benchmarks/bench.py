"""Run the registry, print the table, keep the numbers.

A case is timed only after every contestant's output and gradients agree with the reference in float64; if one
does not, the case shows no speed at all and the command fails.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.case import OURS, Call, Case, Contestant, Goals, Tensors, Work
from benchmarks.cases import CASES, QUICK
from benchmarks.machine import machine
from benchmarks.measure import (
    PEER_SLACK,
    TOLERANCE,
    Clock,
    Roofline,
    Timing,
    interleave,
    measure_roofline,
    relative_error,
)
from benchmarks.report import (
    HEADER,
    LEGEND,
    NOISY,
    brief,
    description,
    everyone,
    line,
    markdown,
    rooflines,
    summary,
)
from frontier_kernels import build_info

RESULTS = Path(__file__).parent / "results"
SCHEMA = 2


@dataclass(frozen=True)
class Result:
    """One case with one number of threads.

    Attributes:
        errors: by contestant and tensor, relative RMS against float64.
        red: what failed the gate, in words; then there are no timings.
        timings: by contestant.
        peers: those among them whose time the ratio may take.
    """

    case: Case
    threads: int
    errors: dict[str, dict[str, float]]
    red: list[str]
    timings: dict[str, Timing]
    peers: tuple[str, ...]
    work: Work
    roofline: Roofline

    @property
    def ours(self) -> float | None:
        """Our time; ``None`` behind a red gate."""
        return self.timings[OURS].minimum if OURS in self.timings else None

    @property
    def best_peer(self) -> str | None:
        """The peer with the least time."""
        measured = [name for name in self.peers if name in self.timings]
        return min(measured, key=lambda name: self.timings[name].minimum) if measured else None

    @property
    def ratio(self) -> float | None:
        """The best peer's time over ours; ``None`` behind a red gate."""
        if self.best_peer is None or self.ours is None:
            return None
        return self.timings[self.best_peer].minimum / self.ours

    def share(self, limit: float, done: float) -> float | None:
        """Our rate of something done over a limit."""
        return None if self.ours is None else done / self.ours / limit

    @property
    def share_of_peak(self) -> float | None:
        """Our FLOP/s over those of our micro-kernel."""
        return self.share(self.roofline.peak[self.case.dtype], self.work.flops)

    @property
    def noisy(self) -> bool:
        """Whether the two times that the ratio compares scattered."""
        return any(
            self.timings[name].spread > NOISY for name in (OURS, self.best_peer) if name in self.timings
        )

    @property
    def verdict(self) -> str:
        """``RED``, ``met``, ``MISSED``, or ``-`` where nothing is asked."""
        goals, reached = self.case.goals, (self.ratio, self.ours, self.share_of_peak)
        if self.red or self.ours is None:
            return "RED"
        if goals == Goals():
            return "-"
        ratio, ours, share = (float("nan") if value is None else value for value in reached)
        met = (
            (goals.ratio is None or ratio >= goals.ratio)
            and (goals.seconds is None or ours <= goals.seconds)
            and (goals.peak is None or share >= goals.peak)
        )
        return "met" if met else "MISSED"

    def as_row(self) -> dict[str, Any]:
        """What is printed and kept; times in seconds."""
        roof = self.roofline
        return {
            "case": asdict(self.case),
            "threads": self.threads,
            "verdict": self.verdict,
            "red": self.red,
            "relative_rms": self.errors,
            "seconds": {
                name: asdict(timing) | {"spread": timing.spread} for name, timing in self.timings.items()
            },
            "peers": list(self.peers),
            "best_peer": self.best_peer,
            "ratio": self.ratio,
            "noisy": self.noisy,
            "flops": self.work.flops,
            "bytes": self.work.traffic,
            "share_of_mm": self.share(roof.flops[self.case.dtype], self.work.flops),
            "share_of_peak": self.share_of_peak,
            "share_of_copy": self.share(roof.bandwidth, self.work.traffic),
        }


def check(
    case: Case, field: Sequence[Contestant], wanted: Tensors
) -> tuple[dict[str, Call], dict[str, dict[str, float]], list[str]]:
    """The gate: everyone's calls, which have run once, errors, and what is too far off (or not a number)."""
    calls: dict[str, Call] = {}
    errors: dict[str, dict[str, float]] = {}
    red = []
    for contestant in field:
        name = contestant.name
        try:
            call = contestant.bind()
            got = call.read(call.run())
        except Exception as error:  # a contestant that cannot run must not end the others' run
            errors[name] = {}
            red.append(f"{name}: {type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}")
            continue
        calls[name] = call
        if not contestant.gated:
            continue
        errors[name] = {key: relative_error(value, wanted[key]) for key, value in got.items()}
        tolerance = TOLERANCE[case.dtype] * (PEER_SLACK if contestant.counts else 1.0)
        red += [
            f"{name}: {key} off by {error:.1e}, wanted {tolerance:.0e}"
            for key, error in errors[name].items()
            if not error <= tolerance
        ]
    return calls, errors, red


def measure_case(
    case: Case,
    field: Sequence[Contestant],
    wanted: Tensors,
    threads: int,
    roofline: Roofline,
    seconds: float,
    rounds: int | None = None,
    clock: Clock | None = None,
) -> Result:
    """Gate, then time, all contestants of one case with the current number of threads."""
    calls, errors, red = check(case, field, wanted)
    timings: dict[str, Timing] = {}
    if not red:
        runs = {name: call.run for name, call in calls.items()}
        timings = interleave(runs, seconds, rounds, **({} if clock is None else {"clock": clock}))
    peers = tuple(contestant.name for contestant in field if contestant.counts)
    return Result(case, threads, errors, red, timings, peers, case.work(), roofline)


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
    measured: dict[int, Roofline] = {}
    results = []
    shape: object = None
    wanted: Tensors = {}
    try:
        for case in cases:
            if case.shape != shape:
                shape = case.shape
                dtypes = list(dict.fromkeys(other.dtype for other in cases if other.shape == shape))
                for count in threads:
                    torch.set_num_threads(count)
                    measured[count] = measure_roofline(dtypes, quick).best(measured.get(count))
                torch.set_num_threads(max(threads))
                wanted = case.truth()
            field = case.contestants(compiled)
            for count in threads:
                torch.set_num_threads(count)
                result = measure_case(case, field, wanted, count, measured[count], seconds, rounds)
                report(result)
                results.append(result)
    finally:
        torch.set_num_threads(before)
    return results, measured


def as_json(name: str, results: Sequence[Result], measured: dict[int, Roofline]) -> dict[str, Any]:
    """What ``--save`` writes."""
    return {
        "schema": SCHEMA,
        "name": name,
        "machine": machine(),
        "roofline": roofline_rows(measured),
        "results": [result.as_row() for result in results],
    }


def roofline_rows(measured: dict[int, Roofline]) -> list[dict[str, Any]]:
    """Rates by number of threads."""
    return [
        {
            "threads": threads,
            "flops_per_second": roof.flops,
            "peak_flops_per_second": roof.peak,
            "bytes_per_second": roof.bandwidth,
        }
        for threads, roof in measured.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0, or 1 when a gate is red. A missed goal is marked, not an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", help="only cases whose names contain one of these")
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[1, 2] if cores > 1 else [1],
        help="numbers of threads (1 2)",
    )
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long to time each row (1.5)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out: minutes less")
    parser.add_argument("--everyone", action="store_true", help="print every contestant's time under its row")
    parser.add_argument("--quick", action="store_true", help="tiny cases, two rounds: only whether it runs")
    parser.add_argument("--save", metavar="NAME", help=f"write {RESULTS.name}/NAME.json next to this file")
    parser.add_argument(
        "--markdown", metavar="NAME", help=f"measure nothing; print {RESULTS.name}/NAME.json as Markdown"
    )
    parser.add_argument("--brief", action="store_true", help="with --markdown: only the ratios, for a README")
    options = parser.parse_args(arguments)
    if options.brief and not options.markdown:
        parser.error("--brief: wanted together with --markdown NAME")
    for flag in ("save", "markdown"):
        name = getattr(options, flag)
        if name and not name.replace("-", "").replace("_", "").isalnum():
            parser.error(f"--{flag}: got {name!r}, wanted letters, digits, - and _")
    if options.markdown:
        path = RESULTS / f"{options.markdown}.json"
        if not path.exists():
            parser.error(f"--markdown: there is no {path.name}; --save {options.markdown} writes it")
        saved = json.loads(path.read_text())
        if saved["schema"] != SCHEMA:
            parser.error(f"--markdown: {path.name} has schema {saved['schema']}, wanted {SCHEMA}")
        print((brief if options.brief else markdown)(saved))
        return 0
    if not build_info().compiled:
        parser.error(f"there is nothing to time. {build_info().note}")
    registry = QUICK if options.quick else CASES
    cases = [
        case for case in registry if not options.cases or any(word in case.name for word in options.cases)
    ]
    if not cases:
        parser.error(f"no case contains {options.cases}; there are: {', '.join(c.name for c in registry)}")

    # Of transformers' own caches, which are right in a compiled graph too.
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
    print(f"{description(machine())}\n{LEGEND}\n\n{HEADER}", flush=True)

    def report(result: Result) -> None:
        row = result.as_row()
        print(line(row), flush=True)
        if options.everyone and not result.red:
            print(everyone(row), flush=True)

    results, measured = run_all(
        cases,
        options.threads,
        options.seconds,
        rounds=2 if options.quick else None,
        quick=options.quick,
        compiled=not (options.no_compile or options.quick),
        report=report,
    )
    print(summary([result.as_row() for result in results]))
    print(rooflines(roofline_rows(measured)))
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{options.save}.json"
        path.write_text(json.dumps(as_json(options.save, results, measured), indent=1) + "\n")
        print(f"wrote {path}")
    return int(any(result.red for result in results))
