"""What a claim states, in one line that a machine can read: an interval's bounds are held against it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NUMBER = r"-?\d+(?:\.\d+)?"
WORDS = r"[a-z][a-z ]*?"
BOUND = re.compile(rf"{WORDS} (?P<sign>>=|<=|>|<|=) (?P<bound>{NUMBER})")
WITHIN = re.compile(rf"abs\({WORDS}\) < (?P<bound>{NUMBER})")
BETWEEN = re.compile(rf"(?P<lower>{NUMBER}) < {WORDS} < (?P<upper>{NUMBER})")


@dataclass(frozen=True)
class Statement:
    """Where the whole interval must lie: between ``low`` and ``high``, infinite on a side that is free.

    ``closed`` lets it touch them. ``is_absolute`` marks ``abs(difference) < 0.05``: no such difference.
    """

    low: float
    high: float
    closed: bool = False
    is_absolute: bool = False

    def holds(self, low: float, high: float) -> bool:
        """Whether all of the interval from ``low`` to ``high`` is as stated."""
        if self.closed:
            return self.low <= low and high <= self.high
        return self.low < low and high < self.high


def read_statement(text: str) -> Statement:
    """Read ``effect > 0.1`` (or >=, <, <=, =), ``abs(difference) < 0.1`` or ``0.1 < share < 0.2``.

    Raises:
        ValueError: it has another form, or states what nothing can fulfil.
    """
    if match := BETWEEN.fullmatch(text):
        found = Statement(float(match["lower"]), float(match["upper"]))
    elif match := WITHIN.fullmatch(text):
        found = Statement(-float(match["bound"]), float(match["bound"]), is_absolute=True)
    elif match := BOUND.fullmatch(text):
        sign, bound = match["sign"], float(match["bound"])
        low = -math.inf if "<" in sign else bound
        high = math.inf if ">" in sign else bound
        found = Statement(low, high, closed="=" in sign)
    else:
        raise ValueError(
            f"statement: got {text!r}, wanted 'effect > 0.1' (or >=, <, <=, =), 'abs(difference) < 0.1' "
            "or '0.1 < share < 0.2'"
        )
    if found.low > found.high or (found.low == found.high and not found.closed):
        raise ValueError(f"statement: got {text!r}, wanted the lower bound first")
    return found
