"""A claim as a line: its interval, the stretch that the statement claims, and what it is held against.

Text stays text and ink is ``currentColor``, so the picture follows the page's fonts and schemes.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

from frontier_lab.claims import Claim
from frontier_lab.claims.estimates import NULLS
from frontier_lab.claims.statements import Statement

WIDTH, HEIGHT = 320, 84
"""Units of the picture; on a phone one is about a pixel."""
LEFT, RIGHT = 14, 306
AXIS = 40
WORDS = {
    "zh": {"none": "{} = 无差别", "level": "对照 {}", "claimed": "论断 {}"},
    "en": {"none": "{} = no difference", "level": "baseline {}", "claimed": "claim {}"},
}
ALT = {
    "zh": "估计值 {value}，区间 {low} 到 {high}；论断的范围是{bounds}{reference}。",
    "en": "Estimate {value}, interval {low} to {high}; what is claimed is {bounds}{reference}.",
}
EXACT_ALT = {
    "zh": "精确值 {value}；论断的范围是{bounds}{reference}。",
    "en": "Exactly {value}; what is claimed is {bounds}{reference}.",
}
DIFFERENCES = ("paired t", "Welch t", "Agresti Min", "Newcombe")
"""Methods whose number is a difference, so that what it is held against stands at 0."""


@dataclass(frozen=True)
class Scale:
    """From numbers to units of the picture."""

    low: float
    high: float

    def at(self, number: float) -> float:
        return LEFT + (RIGHT - LEFT) * (number - self.low) / (self.high - self.low)


def written(value: float) -> str:
    """A number of a statement."""
    return minus(f"{value:.10g}")


def minus(text: str) -> str:
    """A number with a minus in the place of the hyphen."""
    return text.replace("-", "\u2212")


def ends(bounds: Statement, language: str) -> list[tuple[float, str]]:
    """Where what is claimed ends, and the labels there."""
    low, high = bounds.low, bounds.high
    claimed, equal = WORDS[language]["claimed"], "=" if bounds.closed else ""
    if low == high:
        return [(low, claimed.format(f"= {written(low)}"))]
    found = [(x, f"{sign}{equal} {written(x)}") for x, sign in ((low, ">"), (high, "<")) if math.isfinite(x)]
    return [(x, claimed.format(text)) for x, text in found] if len(found) == 1 else found


def reference(claim: Claim, language: str) -> tuple[float, str] | None:
    """Where the claim is held against something, and its label: no difference, or the baseline's level."""
    words, found = WORDS[language], claim.estimate
    if NULLS[found.method] == 1:
        return 1.0, words["none"].format(1)
    if found.method in DIFFERENCES or "difference" in claim.statement:
        return 0.0, words["none"].format(0)
    if claim.baseline is None:
        return None
    return claim.baseline, words["level"].format(minus(f"{claim.baseline:.{claim.digits}f}"))


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
    found, lower, upper = claim.estimate, claim.bounds.low, claim.bounds.high
    against = reference(claim, language)
    held = against[0] if against else math.nan
    shown = [x for x in (found.low, found.high, lower, upper, held) if math.isfinite(x)]
    room = 0.18 * (max(shown) - min(shown)) or max(abs(shown[0]), 1) * 0.2
    scale = Scale(min(shown) - room, max(shown) + room)
    left = LEFT - 10 if math.isinf(lower) else scale.at(lower)
    right = RIGHT + 10 if math.isinf(upper) else scale.at(upper)
    parts = []
    if left < right:
        width = right - left
        parts.append(
            f'<rect x="{left:.1f}" y="{AXIS - 13}" width="{width:.1f}" height="26" class="claimed"/>'
        )
    parts.append(f'<path d="M4 {AXIS}H{WIDTH - 4}" class="axis"/>')
    for bound, text in ends(claim.bounds, language):
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
    parts.append(f'<circle cx="{at:.1f}" cy="{AXIS}" r="4" class="value"/>')
    parts.append(label(at, 18, minus(f"{found.value:.{claim.digits}f}"), "value-label"))
    alt = html.escape(described(claim, baseline, language), quote=True)
    return (
        f'<svg class="claim-svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}" '
        f'data-low="{scale.low:.6g}" data-high="{scale.high:.6g}">{"".join(parts)}</svg>'
    )


def described(claim: Claim, baseline: str, language: str) -> str:
    """The picture in words."""
    low, high = claim.bounds.low, claim.bounds.high
    words = {
        "zh": ("{1} 以下", "{0} 以上", "{0} 到 {1}"),
        "en": ("below {1}", "above {0}", "{0} to {1}"),
    }[language]
    form = words[0] if math.isinf(low) else words[1] if math.isinf(high) else words[2]
    stretch = written(low) if low == high else form.format(written(low), written(high))
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
