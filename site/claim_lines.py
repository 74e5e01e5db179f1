"""A claim as a line: its interval, the stretch that the statement claims, and what it is held against.

Text stays text and ink is ``currentColor``, so the picture follows the page's fonts and schemes.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

from frontier_lab.claims import BETWEEN, BOUND, WITHIN, Claim

WIDTH, HEIGHT = 320, 84
"""Units of the picture; on a phone one is about a pixel."""
LEFT, RIGHT = 14, 306
AXIS = 40
WORDS = {
    "zh": {"none": "{} = 无差别", "origin": "{} = 对照 {}", "level": "对照 {}", "claimed": "论断 {}"},
    "en": {
        "none": "{} = no difference",
        "origin": "{} = baseline {}",
        "level": "baseline {}",
        "claimed": "claim {}",
    },
}
ALT = {
    "zh": "估计值 {value}，区间 {low} 到 {high}；论断的范围是{bounds}{reference}。",
    "en": "Estimate {value}, interval {low} to {high}; what is claimed is {bounds}{reference}.",
}
EXACT_ALT = {
    "zh": "精确值 {value}；论断的范围是{bounds}{reference}。",
    "en": "Exactly {value}; what is claimed is {bounds}{reference}.",
}
DIFFERENCES = ("paired t", "Welch t")


@dataclass(frozen=True)
class Scale:
    """From numbers to units of the picture."""

    low: float
    high: float

    def at(self, number: float) -> float:
        return LEFT + (RIGHT - LEFT) * (number - self.low) / (self.high - self.low)


def limits(statement: str) -> tuple[float, float]:
    """The stretch that a statement claims; infinite where it is open."""
    if match := BETWEEN.fullmatch(statement):
        return float(match["lower"]), float(match["upper"])
    if match := WITHIN.fullmatch(statement):
        return -float(match["bound"]), float(match["bound"])
    match = BOUND.fullmatch(statement)
    assert match is not None
    bound = float(match["bound"])
    return {
        ">": (bound, math.inf),
        ">=": (bound, math.inf),
        "<": (-math.inf, bound),
        "<=": (-math.inf, bound),
        "=": (bound, bound),
    }[match["sign"]]


def bounds(statement: str, language: str) -> list[tuple[float, str]]:
    """The ends of what a statement claims, and their labels."""
    lower, upper = limits(statement)
    if lower == upper:
        return [(lower, WORDS[language]["claimed"].format(f"= {minus(f'{lower:g}')}"))]
    ends = [(x, f"{sign} {minus(f'{x:g}')}") for x, sign in ((lower, ">"), (upper, "<")) if math.isfinite(x)]
    if len(ends) == 1:
        sign = BOUND.fullmatch(statement)
        assert sign is not None
        ends = [(ends[0][0], WORDS[language]["claimed"].format(f"{sign['sign']} {minus(sign['bound'])}"))]
    return ends


def is_difference(claim: Claim) -> bool:
    """Whether the number is a difference from the baseline, so that the baseline stands at 0."""
    if is_ratio(claim):
        return False
    return claim.estimate.method.startswith(DIFFERENCES) or "difference" in claim.statement


def is_ratio(claim: Claim) -> bool:
    """Whether the number is a ratio to the baseline, so that the baseline stands at 1."""
    return claim.estimate.method.endswith("of logs") or "ratio" in claim.statement


def minus(text: str) -> str:
    """A number with a minus in the place of the hyphen."""
    return text.replace("-", "\u2212")


def reference(claim: Claim, language: str) -> tuple[float, str] | None:
    """Where the claim is held against something, and its label."""
    words = WORDS[language]
    level = "" if claim.baseline is None else minus(f"{claim.baseline:.{claim.digits}f}")
    if is_ratio(claim) or is_difference(claim):
        origin = 1 if is_ratio(claim) else 0
        return origin, words["origin"].format(origin, level) if level else words["none"].format(origin)
    return (claim.baseline, words["level"].format(level)) if claim.baseline is not None else None


def label(x: float, y: float, text: str, kind: str) -> str:
    """Text that stays within the picture."""
    anchor = "start" if x < 70 else "end" if x > WIDTH - 70 else "middle"
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" class="{kind}">{html.escape(text)}</text>'


def drawn(claim: Claim, baseline: str, language: str) -> str:
    """The picture as an SVG element.

    Args:
        claim: with its interval and statement.
        baseline: its words, for the description; empty if there is none.
        language: ``zh`` or ``en``.
    """
    found, (lower, upper) = claim.estimate, limits(claim.statement)
    against = reference(claim, language)
    held = against[0] if against else math.nan
    ends = [x for x in (found.low, found.high, lower, upper, held) if math.isfinite(x)]
    room = 0.18 * (max(ends) - min(ends)) or max(abs(ends[0]), 1) * 0.2
    scale = Scale(min(ends) - room, max(ends) + room)
    left = LEFT - 10 if math.isinf(lower) else scale.at(lower)
    right = RIGHT + 10 if math.isinf(upper) else scale.at(upper)
    parts = []
    if left < right:
        width = right - left
        parts.append(
            f'<rect x="{left:.1f}" y="{AXIS - 13}" width="{width:.1f}" height="26" class="claimed"/>'
        )
    parts.append(f'<path d="M4 {AXIS}H{WIDTH - 4}" class="axis"/>')
    for bound, text in bounds(claim.statement, language):
        x = scale.at(bound)
        parts.append(f'<path d="M{x:.1f} {AXIS - 13}v26" class="bound"/>')
        parts.append(label(x, AXIS + 25, text, "bound-label"))
    if against:
        x = scale.at(against[0])
        parts.append(f'<path d="M{x:.1f} {AXIS - 9}v18" class="reference"/>')
        parts.append(label(x, AXIS + 40, against[1], "reference-label"))
    at, low, high = (scale.at(x) for x in (found.value, found.low, found.high))
    if found.n:
        parts.append(f'<path d="M{low:.1f} {AXIS}H{max(high, low + 1):.1f}" class="interval"/>')
    parts.append(f'<circle cx="{at:.1f}" cy="{AXIS}" r="4.5" class="value"/>')
    parts.append(label(at, 18, minus(f"{found.value:.{claim.digits}f}"), "value-label"))
    alt = html.escape(described(claim, baseline, language), quote=True)
    return (
        f'<svg class="claim-svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}" '
        f'data-low="{scale.low:.6g}" data-high="{scale.high:.6g}">{"".join(parts)}</svg>'
    )


def described(claim: Claim, baseline: str, language: str) -> str:
    """The picture in words."""
    lower, upper = limits(claim.statement)
    between = {"zh": "{} 到 {}", "en": "{} to {}"}[language]
    open_ended = {"zh": ("{} 以下", "{} 以上"), "en": ("below {}", "above {}")}[language]
    first, last = minus(f"{lower:g}"), minus(f"{upper:g}")
    if math.isinf(lower):
        stretch = open_ended[0].format(last)
    elif math.isinf(upper):
        stretch = open_ended[1].format(first)
    else:
        stretch = first if lower == upper else between.format(first, last)
    held = ""
    if against := reference(claim, language):
        held = {"zh": f"，{against[1]}", "en": f", {against[1]}"}[language]
        if baseline and claim.baseline is not None:
            held += {"zh": f"（{baseline}）", "en": f" ({baseline})"}[language]
    numbers = {
        key: minus(f"{x:.{claim.digits}f}")
        for key, x in zip(
            ("value", "low", "high"),
            (claim.estimate.value, claim.estimate.low, claim.estimate.high),
            strict=True,
        )
    }
    alt = ALT if claim.estimate.n else EXACT_ALT
    return alt[language].format(**numbers, bounds=stretch, reference=held)
