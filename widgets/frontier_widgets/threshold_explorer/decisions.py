"""What a threshold lets through and blocks: rates, their intervals, curves and costs.

The numpy twin of ``src/threshold_explorer/decisions.ts``. A score is a logit; a text is blocked where its
score is at or above the level, which is a logit as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS, MIDDLE = 16, 128
"""A byte b stands for the logit (b - 128) / 16."""
LOWEST, HIGHEST = -8.0, 8.0
"""Levels: at the lowest everything is blocked, at the highest nothing."""
TOP = (255 - MIDDLE) / STEPS
"""Largest score."""
NEVER = 16.0
"""The shift from which on a label blocks nothing."""
TOLERANCE = 1e-6
"""Below a level that still reaches it: a level is kept as a probability."""
Z = 1.959963984540054
"""Of an interval that holds 95 %."""

Scores = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Rates:
    """Counts at a level.

    Attributes:
        harmful, missed: harmful texts, and those of them that are let through.
        harmless, blocked: harmless texts, and those of them that are blocked.
    """

    harmful: int
    missed: int
    harmless: int
    blocked: int


@dataclass(frozen=True)
class Point:
    """What a level that some text's score is at lets through and blocks."""

    level: float
    missed: int
    blocked: int


def decode(scores: bytes, sentences: int, labels: int) -> Scores:
    """Logits ``[sentences, labels]``.

    Raises:
        ValueError: the bytes are more or fewer.
    """
    if len(scores) != sentences * labels:
        raise ValueError(
            f"scores: got {len(scores)} bytes, wanted {sentences * labels} for {sentences} sentences"
        )
    return (np.frombuffer(scores, np.uint8).astype(np.float64).reshape(sentences, labels) - MIDDLE) / STEPS


def combined(
    logits: ArrayLike, shifts: Sequence[float], sigmoids: Sequence[Sequence[float]] | None = None
) -> Scores:
    """One score of each text, which reaches a level where some label reaches the level plus its shift.

    Args:
        logits: ``[N, L]``.
        shifts: of each label's level against the common one; from ``NEVER`` on the label is left out.
        sigmoids: slope and shift of each label, applied to the logits first; none by default.

    Returns:
        ``[N]``, within ``LOWEST`` and ``TOP``.
    """
    values = np.asarray(logits, np.float64)
    if sigmoids is not None:
        slope, shift = np.asarray(sigmoids, np.float64).T
        values = values * slope + shift
    away = np.asarray(shifts, np.float64)
    moved = np.where(away >= NEVER, LOWEST, values - away)
    clipped: Scores = np.clip(moved.max(1), LOWEST, TOP)
    return clipped


def reaches(scores: ArrayLike, level: float) -> Bits:
    """Which texts a level blocks."""
    found: Bits = np.asarray(scores, np.float64) >= level - TOLERANCE
    return found


def rates(scores: Scores, harmful: Bits, level: float) -> Rates:
    """Counts at a level, of scores and truth ``[N]``."""
    over = reaches(scores, level)
    return Rates(
        int(harmful.sum()), int((harmful & ~over).sum()), int((~harmful).sum()), int((~harmful & over).sum())
    )


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """Interval of a share of independent texts that holds 95 %; none without a text.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    if of == 0:
        return None
    middle = (hits + Z * Z / 2) / (of + Z * Z)
    half = Z / (of + Z * Z) * math.sqrt(hits * (of - hits) / of + Z * Z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def operating(scores: Scores, harmful: Bits) -> list[Point]:
    """Every choice that a threshold has, from blocking nothing to blocking everything."""
    order = np.argsort(-scores, kind="stable")
    missed, blocked = int(harmful.sum()), 0
    found = [Point(HIGHEST, missed, blocked)]
    for at, i in enumerate(order):
        if harmful[i]:
            missed -= 1
        else:
            blocked += 1
        if at + 1 == len(order) or scores[order[at + 1]] < scores[i]:
            found.append(Point(float(scores[i]), missed, blocked))
    return found


def auroc(points: Sequence[Point]) -> float | None:
    """Share of pairs of a harmful and a harmless text that are ranked right, equal scores by half.

    None where there is no pair.
    """
    harmful, harmless = points[0].missed, points[-1].blocked
    if not harmful * harmless:
        return None
    area = 0.0
    for before, after in pairwise(points):
        caught = 2 * harmful - before.missed - after.missed
        area += (after.blocked - before.blocked) * caught / 2
    return area / (harmful * harmless)


def precision(found: Rates, prevalence: float) -> float | None:
    """Share of what is blocked that is harmful, where a share of ``prevalence`` of all texts is.

    None where nothing is blocked, or one of the two kinds is missing.
    """
    if not found.harmful * found.harmless:
        return None
    caught = prevalence * (1 - found.missed / found.harmful)
    wrong = (1 - prevalence) * found.blocked / found.harmless
    return caught / (caught + wrong) if caught + wrong else None


def cost(found: Rates, ratio: float, prevalence: float) -> float | None:
    """Mean cost of a text, in what a blocked harmless one costs; None where a kind is missing.

    Args:
        found: counts.
        ratio: what a harmful text that is let through costs.
        prevalence: share of harmful texts where the filter is used.
    """
    if not found.harmful * found.harmless:
        return None
    missed, blocked = found.missed / found.harmful, found.blocked / found.harmless
    return prevalence * ratio * missed + (1 - prevalence) * blocked


def cheapest(points: Sequence[Point], ratio: float, prevalence: float) -> Point:
    """The choice that costs least on these texts themselves; of equal ones that which blocks least."""
    harmful, harmless = points[0].missed, points[-1].blocked
    best, least = points[0], math.inf
    for point in points:
        spent = cost(Rates(harmful, point.missed, harmless, point.blocked), ratio, prevalence)
        if spent is not None and spent < least - 1e-12:
            best, least = point, spent
    return best


def crossed(scores: Scores, harmful: Bits, ratio: float, prevalence: float) -> float | None:
    """Mean cost of a text whose threshold was chosen on every other text, the mean of both halves.

    None where a half has texts of one kind only.
    """
    spent = []
    for half in (0, 1):
        chosen = np.arange(len(scores)) % 2 == half
        points = operating(scores[chosen], harmful[chosen])
        level = cheapest(points, ratio, prevalence).level
        other = cost(rates(scores[~chosen], harmful[~chosen], level), ratio, prevalence)
        if other is None or not points[0].missed * points[-1].blocked:
            return None
        spent.append(other)
    return (spent[0] + spent[1]) / 2


@dataclass(frozen=True)
class Thousand:
    """A thousand texts, in whole ones."""

    caught: int
    missed: int
    blocked: int
    passed: int


def thousand(found: Rates, prevalence: float) -> Thousand | None:
    """What becomes of a thousand texts at these rates; None where a kind is missing."""
    if not found.harmful * found.harmless:
        return None
    harmful = math.floor(1000 * prevalence + 0.5)
    missed = math.floor(harmful * found.missed / found.harmful + 0.5)
    blocked = math.floor((1000 - harmful) * found.blocked / found.harmless + 0.5)
    return Thousand(harmful - missed, missed, blocked, 1000 - harmful - blocked)
