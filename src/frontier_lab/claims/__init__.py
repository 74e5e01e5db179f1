"""The ledger of claims: a cell that judges a sentence of its page on an interval, and prints what it found.

A cell tagged ``claim-<name>`` ends in ``claim(<name>, ...)``. What it prints is one line, which nbval
compares, the site draws on a card, and ``python -m frontier_lab.claims --check`` judges again. The words of a
claim (what is measured, against what, the strongest rival explanation and what excludes it) stand in
``book/claims.yml`` in both languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from frontier_lab.claims.estimates import (
    UNITS,
    Estimate,
    correlation,
    exact,
    mean,
    paired,
    ratio,
    resampled,
    share,
    unpaired,
)

__all__ = [
    "UNITS",
    "Claim",
    "Estimate",
    "claim",
    "correlation",
    "exact",
    "mean",
    "paired",
    "parse",
    "ratio",
    "resampled",
    "share",
    "unpaired",
]

NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
NUMBER = r"-?\d+(?:\.\d+)?"
WORDS = r"[a-z][a-z ]*?"
BOUND = re.compile(rf"(?P<what>{WORDS}) (?P<sign>>=|<=|>|<|=) (?P<bound>{NUMBER})")
WITHIN = re.compile(rf"abs\((?P<what>{WORDS})\) < (?P<bound>{NUMBER})")
BETWEEN = re.compile(rf"(?P<lower>{NUMBER}) < (?P<what>{WORDS}) < (?P<upper>{NUMBER})")
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
    """A statement and its evidence, as they stand in the cell's output.

    All numbers are rounded as printed, and judged so: what is stored is what was judged.
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
        if not any(form.fullmatch(self.statement) for form in (BOUND, WITHIN, BETWEEN)):
            raise ValueError(
                f"statement: got {self.statement!r}, wanted 'effect > 0.1' (or >=, <, <=, =), "
                "'abs(difference) < 0.1' or '0.1 < share < 0.2'"
            )

    def judge(self) -> None:
        """Hold the statement against the interval.

        Raises:
            RefutedError: the interval reaches beyond what is stated, or ``abs(...) <`` states that there is
                no difference and the sample could not have shown one of that size.
        """
        found = self.estimate
        if match := BETWEEN.fullmatch(self.statement):
            holds = float(match["lower"]) < found.low and found.high < float(match["upper"])
        elif match := WITHIN.fullmatch(self.statement):
            bound = float(match["bound"])
            holds = -bound < found.low and found.high < bound
            if holds and found.n and not found.detectable <= bound:
                raise RefutedError(
                    f"{self.name}: {found.n} {UNITS[found.unit][1]} would have shown a difference of "
                    f"{found.detectable:g} or more, wanted one of {bound:g}: take more of them, or claim less"
                )
        else:
            match = BOUND.fullmatch(self.statement)
            assert match is not None
            bound = float(match["bound"])
            holds = {
                ">": found.low > bound,
                ">=": found.low >= bound,
                "<": found.high < bound,
                "<=": found.high <= bound,
                "=": found.low == bound == found.high,
            }[match["sign"]]
        if not holds:
            raise RefutedError(
                f"{self.name}: got {found.value:g}, interval {found.low:g} to {found.high:g}, "
                f"wanted {self.statement!r} of the whole interval"
            )

    def line(self) -> str:
        """What the cell prints, such as ``✓ far-recall | difference > 0.1 | 0.25 [0.18, 0.31] | ...``."""
        found = self.estimate

        def shown(number: float) -> str:
            return str(number) if isinstance(number, int) else f"{number:.{self.digits}f}"

        if found.n:
            evidence = f"{shown(found.value)} [{shown(found.low)}, {shown(found.high)}]"
            unit = UNITS[found.unit][1] if found.n > 1 else found.unit
            over = f"n = {found.n} {unit}, {found.method}"
            if WITHIN.fullmatch(self.statement):
                over += f", sees {shown(found.detectable)}"
            parts = [f"✓ {self.name}", self.statement, evidence, over]
        else:
            parts = [f"✓ {self.name}", self.statement, f"{shown(found.value)} exact"]
        if self.baseline is not None:
            parts.append(f"baseline {shown(self.baseline)}")
        if self.values:
            parts.append(", ".join(f"{name} {shown(value)}" for name, value in self.values.items()))
        return " | ".join(parts)


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

    Args:
        name: unique in the book; the cell is tagged ``claim-<name>``, ``book/claims.yml`` has its words.
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
    kept = parse(made.line())  # judged as it is printed
    kept.judge()
    print(made.line())


def parse(line: str) -> Claim:
    """The claim that a line of output states; not judged.

    Raises:
        ValueError: it is no such line.
    """
    match = LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"line: got {line!r}, wanted one that `claim` printed")
    value = float(match["value"])
    low, high = float(match["low"] or value), float(match["high"] or value)
    units = {name: key for key, (_, plural) in UNITS.items() for name in (key, plural)}
    found = Estimate(
        value,
        low,
        high,
        int(match["n"] or 0),
        units[match["unit"]] if match["unit"] else "",
        match["method"] or "exact",
        float(match["detectable"] or "nan"),
    )
    pairs = [part.split(" ") for part in (match["values"] or "").split(", ") if part]
    values = {name: float(number) if "." in number else int(number) for name, number in pairs}
    digits = len(match["value"].partition(".")[2])
    baseline = float(match["baseline"]) if match["baseline"] else None
    return Claim(match["name"], match["statement"], found, baseline, values, digits)
