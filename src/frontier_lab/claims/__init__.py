"""The ledger of claims: a cell that judges a sentence of its page on an interval, and prints what it found.

A cell tagged ``claim-<name>`` ends in ``claim(<name>, ...)``. What it prints is one line, which nbval
compares, the site draws on a card, and ``python -m frontier_lab.claims --check`` judges again. The words of a
claim (what is measured, against what, the strongest rival explanation and what excludes it) stand in
``book/claims/<section>/<page>.yml`` in both languages; ``ledger`` joins the two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral

from frontier_lab.claims.estimates import (
    NULLS,
    UNITS,
    Estimate,
    correlation,
    exact,
    mean,
    paired,
    paired_shares,
    ratio,
    resampled,
    share,
    unpaired,
    unpaired_shares,
)
from frontier_lab.claims.statements import NUMBER, Statement, read_statement

__all__ = [
    "UNITS",
    "Claim",
    "Estimate",
    "claim",
    "correlation",
    "exact",
    "mean",
    "paired",
    "paired_shares",
    "parse",
    "ratio",
    "resampled",
    "share",
    "unpaired",
    "unpaired_shares",
]

NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LINE = re.compile(
    rf"✓ (?P<name>{NAME.pattern}) \| (?P<statement>[^|]+) \| "
    rf"(?P<value>{NUMBER})(?: \[(?P<low>{NUMBER}), (?P<high>{NUMBER})\]| exact)"
    rf"(?: \| n = (?P<n>\d+) (?P<unit>[a-z ]+), (?P<method>[\w ]+?)(?:, sees (?P<detectable>{NUMBER}))?)?"
    rf"(?: \| baseline (?P<baseline>{NUMBER}))?(?: \| (?P<values>\w+ {NUMBER}(?:, \w+ {NUMBER})*))?"
)
"""What ``Claim.line`` writes: numbers, names and English words, so that both languages show it as it is."""


class RefutedError(AssertionError):
    """The interval does not carry the statement."""


@dataclass(frozen=True)
class Claim:
    """A statement and its evidence: as they were computed, or as they stand in a cell's output.

    Raises:
        ValueError: the name or the statement cannot be read, a value is not finite, or the statement has no
            meaning for such an estimate.
    """

    name: str
    statement: str
    estimate: Estimate
    baseline: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    digits: int = 2

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name: got {self.name!r}, wanted lower-case words joined by '-'")
        found = self.estimate
        if self.bounds.is_absolute and found.n and NULLS[found.method] != 0:
            raise ValueError(
                f"statement: got {self.statement!r} of an estimate by {found.method}, no difference; "
                "wanted both bounds, such as '0.9 < ratio < 1.1' or '0.05 < share < 0.2'"
            )
        for name, value in self.values.items():
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"{name}: got {value!r}, wanted a finite number")

    @property
    def bounds(self) -> Statement:
        """Where the statement says that the interval lies."""
        return read_statement(self.statement)

    @property
    def says_no_difference(self) -> bool:
        """Whether it is claimed that something is as good as nothing: its null lies within both bounds."""
        null = NULLS[self.estimate.method]
        bounds = self.bounds
        bounded = math.isfinite(bounds.low) and math.isfinite(bounds.high)
        return bounded and null is not None and bounds.low < null < bounds.high

    def judge(self) -> None:
        """Hold the statement against the whole interval: on one side, an error of 2.5 % is the level.

        Raises:
            RefutedError: the interval reaches beyond what is stated, or it is stated that there is no
                difference and the sample could not have shown one of the size of the bound.
        """
        found, bounds = self.estimate, self.bounds
        if not bounds.holds(found.low, found.high):
            raise RefutedError(
                f"{self.name}: got {found.value:g}, interval {found.low:g} to {found.high:g}, "
                f"wanted {self.statement!r} of the whole interval"
            )
        if self.says_no_difference:
            least = math.inf if found.detectable is None else found.detectable
            below = 1 / least if NULLS[found.method] == 1 else -least
            if least > bounds.high or below < bounds.low:
                raise RefutedError(
                    f"{self.name}: {found.n} {UNITS[found.unit][1]} would have shown {least:g} or more, "
                    f"wanted {self.statement!r} to be seen: take more of them, or claim less"
                )

    def line(self) -> str:
        """What the cell prints, such as ``✓ far-recall | difference > 0.1 | 0.25 [0.18, 0.31] | ...``."""
        found, shown = self.estimate, self.shown
        parts = [f"✓ {self.name}", self.statement]
        if found.n:
            unit = UNITS[found.unit][1] if found.n > 1 else found.unit
            over = f"n = {found.n} {unit}, {found.method}"
            if self.says_no_difference and found.detectable is not None:
                over += f", sees {shown(found.detectable)}"
            parts += [f"{shown(found.value)} [{shown(found.low)}, {shown(found.high)}]", over]
        else:
            parts.append(f"{shown(found.value)} exact")
        if self.baseline is not None:
            parts.append(f"baseline {shown(self.baseline)}")
        if self.values:
            parts.append(", ".join(f"{name} {shown(value)}" for name, value in self.values.items()))
        return " | ".join(parts)

    def shown(self, number: float) -> str:
        """A number of the claim as the cell prints it."""
        if isinstance(number, Integral):
            return str(int(number))
        return f"{round(float(number), self.digits) + 0.0:.{self.digits}f}"  # + 0.0: no minus before zero


def claim(
    name: str,
    statement: str,
    estimate: Estimate,
    *,
    baseline: float | None = None,
    digits: int = 2,
    **values: float,
) -> None:
    """Judge a claim of the page and print it on one line.

    It is judged as computed and as printed, so that neither rounding nor what it hides makes it true; ``=``
    means equal as printed.

    Args:
        name: unique in the book; the cell is tagged ``claim-<name>``, ``book/claims`` has its words.
        statement: what is claimed of the estimate, on its whole interval: ``"difference > 0.1"``,
            ``"0.1 < share < 0.2"``, or ``"abs(difference) < 0.05"`` for "no difference larger than".
        estimate: from this module: ``paired``, ``share``, ``correlation``, …; ``exact`` if nothing is random.
        baseline: what the estimate is read against: chance, an untrained model, the method before.
        digits: decimals that are printed and judged; fewer where machines round differently.
        values: other numbers that the sentence quotes, and settings that it depends on, such as ``factor=8``.
            An ``int`` is printed whole.

    Raises:
        RefutedError: the interval does not carry the statement.
        ValueError: the name or the statement cannot be read.
    """
    made = Claim(name, statement, estimate, baseline, values, digits)
    parse(made.line()).judge()
    if made.bounds.low < made.bounds.high:
        made.judge()
    print(made.line())


def parse(line: str) -> Claim:
    """The claim that a line of output states; not judged.

    Raises:
        ValueError: it is no such line.
    """
    match = LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"line: got {line!r}, wanted one that `claim` printed")
    units = {name: key for key, (_, plural) in UNITS.items() for name in (key, plural)}
    unit, method = match["unit"], match["method"]
    if unit and unit not in units:
        raise ValueError(f"line: got the unit {unit!r}, wanted one of {', '.join(units)}")
    if method and method not in NULLS:
        raise ValueError(f"line: got the method {method!r}, wanted one of {', '.join(NULLS)}")
    if (match["low"] is None) != (unit is None):
        raise ValueError(f"line: got {line!r}, wanted an interval with what it is over, or `exact`")
    value = float(match["value"])
    found = Estimate(
        value,
        float(match["low"] or value),
        float(match["high"] or value),
        int(match["n"] or 0),
        units[unit] if unit else "",
        method or "exact",
        float(match["detectable"]) if match["detectable"] else None,
    )
    pairs = [part.split(" ") for part in (match["values"] or "").split(", ") if part]
    values = {name: _number(number) for name, number in pairs}
    baseline = _number(match["baseline"]) if match["baseline"] else None
    digits = len(match["value"].partition(".")[2])
    return Claim(match["name"], match["statement"], found, baseline, values, digits)


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)
