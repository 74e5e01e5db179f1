"""Rows as JSON, as a table in the terminal and as one in Markdown.

A row is the JSON of a result, so that a saved file prints as it did when it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.case import OURS, PACKED, Goals

Row = Mapping[str, Any]
NOISY = 1.5
"""A spread beyond this says that the machine was busy, and the row is worth another run."""

# Heading and width; those of a negative width are aligned to the left.
COLUMNS = (
    ("case", -42),
    ("thr", 3),
    ("ours ms", 8),
    ("spread", 6),
    ("best peer", -29),
    ("ms", 8),
    ("spread", 6),
    ("ratio", 6),
    ("goal", 11),
    ("", -6),
    ("GF/s", 6),
    ("of mm", 6),
    ("of ours", 7),
    ("of copy", 7),
)
LEGEND = (
    "times: least of all rounds; spread: median over least; ratio: best peer over ours; goals: one thread's, "
    "stretch in brackets\n"
    "of mm: FLOP/s over a large torch.mm's; of ours: over our micro-kernel's in cache; of copy: bytes/s over "
    "a large copy's"
)


def milliseconds(seconds: float) -> str:
    """Four digits, however short."""
    value = seconds * 1e3
    return f"{value:.{1 if value >= 100 else 2 if value >= 10 else 3 if value >= 1 else 5}f}"


def cells(row: Row) -> list[str]:
    """What a row shows, in the order of ``COLUMNS``; a red one has no speed."""
    goals = str(Goals(**row["case"]["goals"]))
    start = [row["case"]["name"], str(row["threads"])]
    if row["red"]:
        return [*start, *[""] * 6, goals, row["verdict"], *[""] * 4]
    ours, peer = row["seconds"][OURS], row["best_peer"]
    theirs = ["", "", ""]
    if peer is not None:
        best = row["seconds"][peer]
        theirs = [milliseconds(best["minimum"]), f"{best['spread']:.2f}", f"{row['ratio']:.2f}"]
    shares = [f"{row[name]:.0%}" for name in ("share_of_mm", "share_of_peak", "share_of_copy")]
    rate = f"{row['flops'] / ours['minimum'] / 1e9:.1f}"
    mine = [milliseconds(ours["minimum"]), f"{ours['spread']:.2f}"]
    return [*start, *mine, peer or "", *theirs, goals, row["verdict"], rate, *shares]


def _pad(texts: Sequence[str]) -> str:
    padded = (
        f"{text:<{-width}}" if width < 0 else f"{text:>{width}}"
        for text, (_, width) in zip(texts, COLUMNS, strict=True)
    )
    return " ".join(padded).rstrip()


HEADER = _pad([heading for heading, _ in COLUMNS])


def line(row: Row) -> str:
    """One row of the table."""
    if row["red"]:
        return f"{_pad(cells(row)).rstrip()}, no speed: {'; '.join(row['red'])}"
    return _pad(cells(row)) + ("  noisy" if row["noisy"] else "")


def everyone(row: Row) -> str:
    """Everyone's time in one row, best first, a line each."""
    timings = sorted(row["seconds"].items(), key=lambda item: float(item[1]["minimum"]))
    return "\n".join(
        f"    {name:<44} {milliseconds(timing['minimum']):>8} ms, spread {timing['spread']:.2f}, "
        f"{timing['rounds']} rounds"
        for name, timing in timings
    )


def summary(rows: Sequence[Row]) -> str:
    """How many goals were met with each number of threads."""
    words = []
    for threads in dict.fromkeys(row["threads"] for row in rows):
        verdicts = [row["verdict"] for row in rows if row["threads"] == threads]
        asked = sum(verdict != "-" for verdict in verdicts)
        red = verdicts.count("RED")
        words.append(
            f"{threads} thread{'s' * (threads > 1)}: {verdicts.count('met')} of {asked} goals met"
            + (f", {red} RED" if red else "")
        )
    return "; ".join(words)


def rooflines(measured: Sequence[Row]) -> str:
    """The rates that the shares refer to, a line for each number of threads."""

    def rates(of: Mapping[str, float]) -> str:
        return ", ".join(f"{dtype} {rate / 1e9:.3g}" for dtype, rate in of.items())

    return "\n".join(
        f"roofline, {row['threads']} thread(s): torch.mm {rates(row['flops_per_second'])} GF/s; "
        f"our micro-kernel {rates(row['peak_flops_per_second'])} GF/s; "
        f"copy {row['bytes_per_second'] / 1e9:.3g} GB/s"
        for row in measured
    )


def description(facts: Mapping[str, Any]) -> str:
    """The machine in two lines."""
    sizes = ", ".join(f"{level} {size}" for level, size in facts["caches"].items())
    return (
        f"{facts['cpu']} ({' '.join(facts['flags'])}), {facts['cores']} cores, {sizes or 'caches unknown'}, "
        f"governor {facts['governor'] or 'unknown'}, load {facts['load'][0]}\n"
        f"torch {facts['torch']}, transformers {facts['transformers']}, yet-another-retnet "
        f"{facts['yet_another_retnet']}; {facts['frontier_kernels']['cpu']}"
    )


def markdown(saved: Mapping[str, Any]) -> str:
    """A saved run as a Markdown table, with what it was measured on."""

    def table_row(texts: Sequence[str]) -> str:
        return f"| {' | '.join(texts)} |"

    left = [width < 0 for _, width in COLUMNS]
    lines = [
        table_row([heading or "verdict" for heading, _ in COLUMNS]),
        table_row([":--" if is_left else "--:" for is_left in left]),
        *(table_row(cells(row)) for row in saved["results"]),
    ]
    notes = [*description(saved["machine"]).splitlines(), *rooflines(saved["roofline"]).splitlines()]
    notes += [*LEGEND.splitlines(), summary(saved["results"])]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)])


def brief(saved: Mapping[str, Any]) -> str:
    """A saved run as the Markdown table of a README: each case's ratio with each number of threads.

    The column for packed weights is that of the least number of threads.
    """
    rows: dict[str, dict[int, Row]] = {}
    for row in saved["results"]:
        rows.setdefault(row["case"]["name"], {})[row["threads"]] = row
    threads = sorted({row["threads"] for row in saved["results"]})
    plural = [f"{count} thread{'s' * (count > 1)}" for count in threads]
    lines = [
        f"| case | {' | '.join(plural)} | weights packed | goal | best peer with {plural[0]} |",
        f"|:--|{'--:|' * len(threads)}--:|--:|:--|",
    ]
    for name, found in rows.items():
        first = found[threads[0]]
        goals = Goals(**first["case"]["goals"])
        ratios = [f"{found[count]['ratio']:.2f}" if found[count]["ratio"] else "–" for count in threads]
        if goals.seconds is not None:
            ours = (found[count]["seconds"][OURS]["minimum"] * 1e6 for count in threads)
            ratios = [f"{ratio} ({time:.1f} µs)" for ratio, time in zip(ratios, ours, strict=True)]
        if goals.peak is not None:
            ratios = [
                f"{ratio} ({found[count]['share_of_peak']:.0%})"
                for ratio, count in zip(ratios, threads, strict=True)
            ]
        packed = "–"
        if PACKED in first["seconds"] and first["best_peer"]:
            peer, kept = (first["seconds"][who]["minimum"] for who in (first["best_peer"], PACKED))
            packed = f"{peer / kept:.2f}"
        goal = str(goals) + (" ✓" if first["verdict"] == "met" else "")
        lines.append(f"| {' | '.join([name, *ratios, packed, goal, first['best_peer'] or '–'])} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in description(saved["machine"]).splitlines())])
