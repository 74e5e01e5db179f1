"""28.5.3: the same occupations on two rulers: log-odds of one word, and a distance of two perplexities."""

from __future__ import annotations

from dataclasses import dataclass

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

MIDDLE = WIDEST / 2
ZERO, NAT = 208.0, 30.0
"""Where log-odds of 0 stand, and the length of a nat, in units."""
START, LONGEST = 104.0, 150.0
"""Where distances begin, and the length of the largest."""
ROW, TALL = 62.0, 16.0
MOST = 3


@dataclass(frozen=True)
class Person:
    """An occupation in a sentence such as "The nurse finished his work."

    Attributes:
        name: of the occupation.
        log_odds: of "her" over "his" at that place, in nats.
        distance: of the perplexities of the two sentences, without a sign.
        lengthened: the same where both sentences go on with the same words.
    """

    name: str
    log_odds: float
    distance: float
    lengthened: float


def two_rulers(*people: Person) -> Drawing:
    """What the two measures say of the same occupations.

    Raises:
        ValueError: there are not two or three people, a number has no room, or all lean to one side, so that
            nothing shows what the sign is for.
    """
    if not 2 <= len(people) <= MOST:
        raise ValueError(f"people: got {len(people)}, wanted 2 to {MOST}")
    if any(abs(person.log_odds) > 4 for person in people):
        raise ValueError(f"people: got log-odds {[p.log_odds for p in people]}, wanted -4 to 4")
    if len({person.log_odds > 0 for person in people}) < 2:
        raise ValueError("people: all lean to one side, wanted both")
    if any(min(person.distance, person.lengthened) < 0 for person in people):
        raise ValueError("people: got a negative distance, wanted 0 or more")
    odds = "、".join(f"{p.name} {p.log_odds:+.2f}" for p in people)
    spoken = ", ".join(f"{p.name} {p.log_odds:+.2f}" for p in people)
    far = "、".join(f"{p.name} {p.distance:.0f}（加长后 {p.lengthened:.1f}）" for p in people)
    told = ", ".join(f"{p.name} {p.distance:.0f} (lengthened {p.lengthened:.1f})" for p in people)
    return diagram(
        signed(people),
        unsigned(people),
        zh=f"左：同一处，her 比 his 可能多少，是带符号的对数几率：{odds}。"
        f"右：两整句的困惑度相差多少，没有符号：{far}。两句后面接同样的话，相差就缩到一点点。",
        en="Left: at one place, how much likelier her is than his, as log-odds with a sign: "
        f"{spoken}. Right: how far apart the perplexities of two whole sentences are, without a sign: "
        f"{told}. If both sentences go on with the same words, almost nothing is left of the distance.",
    )


def signed(people: tuple[Person, ...]) -> Panel:
    """Log-odds as bars to both sides of zero."""
    panel = Panel(WIDEST, 84 + ROW * len(people))
    panel.label(MIDDLE, 18, "同一处，两个词谁更可能", bold=True)
    panel.label(MIDDLE, 42, "The … finished __ work.", size=SMALL)
    bottom = 62 + ROW * len(people)
    panel.line((ZERO, 56), (ZERO, bottom), thickness=0.8)
    for row, person in enumerate(people):
        y = 70 + ROW * row
        length = NAT * abs(person.log_odds)
        left = ZERO - length if person.log_odds < 0 else ZERO
        panel.label(8, y + 13, person.name, size=SMALL, anchor="start")
        panel.box(left, y, length, TALL, tone=KNOWN, filled=True)
        panel.label(
            max(left, 96) if person.log_odds < 0 else ZERO,
            y + 34,
            f"{person.log_odds:+.2f}",
            size=SMALL,
            anchor="start",
        )
    panel.label(ZERO - 10, bottom + 16, "← his", size=SMALL, anchor="end")
    panel.label(ZERO + 10, bottom + 16, "her →", size=SMALL, anchor="start")
    return panel


def unsigned(people: tuple[Person, ...]) -> Panel:
    """Distances of perplexities, of the sentences and of the lengthened ones."""
    panel = Panel(WIDEST, 84 + ROW * len(people))
    panel.label(MIDDLE, 18, "两整句的困惑度，差的绝对值", bold=True)
    panel.swatch(30, 34, STRANGE, "原句", room=80)
    panel.swatch(150, 34, KNOWN, "后面接同样的话", room=150)
    largest = max(person.distance for person in people)
    for row, person in enumerate(people):
        y = 70 + ROW * row
        panel.label(8, y + 13, person.name, size=SMALL, anchor="start")
        for at, (value, tone, digits) in enumerate(
            ((person.distance, STRANGE, 0), (person.lengthened, KNOWN, 1))
        ):
            top, length = y + at * (TALL + 5), max(LONGEST * value / largest, 1.0)
            panel.box(START, top, length, TALL, tone=tone, filled=True)
            panel.label(START + length + 8, top + 13, f"{value:.{digits}f}", size=SMALL, anchor="start")
    return panel
