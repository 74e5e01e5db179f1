"""28.5.1: a verse with swapped words, what the classifier reads, and which of all texts were asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from frontier_lab.diagrams.canvas import KNOWN, MENDED, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

MIDDLE = WIDEST / 2
START, LONG, TALL = 96.0, 170.0, 15.0
"""Of the bars of probability."""
SIDE = 15.0
"""Between the dots that stand for texts."""
ACROSS = 20


@dataclass(frozen=True)
class Swapped:
    """A verse before and after.

    Attributes:
        swaps: from words to what stands in their place.
        right: the class of the verse.
        wrong: what it is read as after.
        before: probabilities of the right and the wrong class.
        after: the same, with the words swapped.
        queries: swapped texts that greedy search asked about, up to the one that deceived.
        others: its other queries: the text itself, and the text without each of its words.
        drawn: of random texts, up to the one that deceived.
        texts: that the swaps allowed can make.
    """

    swaps: Mapping[str, str]
    right: str
    wrong: str
    before: tuple[float, float]
    after: tuple[float, float]
    queries: int
    others: int
    drawn: int
    texts: int


def swaps_and_texts(of: Swapped) -> Drawing:
    """What a swap does to a reading, and which part of the possible texts two attacks looked at.

    Raises:
        ValueError: the swaps do not turn the reading round, there are not two of them, or the texts do not
            fit the panel.
    """
    if len(of.swaps) != 2:
        raise ValueError(f"swaps: got {len(of.swaps)}, wanted 2")
    if not (of.before[0] > of.before[1] and of.after[0] < of.after[1]):
        raise ValueError(f"before, after: got {of.before}, {of.after}, wanted the order turned round")
    if not of.queries + of.drawn < of.texts <= 15 * ACROSS:
        raise ValueError(f"texts: got {of.texts}, wanted more than those read and at most {15 * ACROSS}")
    pairs = "、".join(f"{word} 换成 {other}" for word, other in of.swaps.items())
    spoken = ", ".join(f"{word} becomes {other}" for word, other in of.swaps.items())
    return diagram(
        reading(of),
        asked(of),
        zh=f"左：一句经文里 {pairs}，正确的一类从 {of.before[0]:.2f} 降到 {of.after[0]:.2f}，"
        f"另一类从 {of.before[1]:.2f} 升到 {of.after[1]:.2f}，读错了。右：这句话按规矩能换出 {of.texts} 种，"
        f"一点一种；贪心问了其中 {of.queries} 种（另问了原句与逐词删过的 {of.others} 次）骗过，"
        f"随机乱换问了 {of.drawn} 种骗过，证书说的是所有的点。",
        en=f"Left: in a verse {spoken}; the right class falls from {of.before[0]:.2f} to {of.after[0]:.2f}, "
        f"another one rises from {of.before[1]:.2f} to {of.after[1]:.2f}, and the verse is misread. Right: "
        f"the swaps that are allowed make {of.texts} texts, a dot each. Greedy search asked about "
        f"{of.queries} of them, and {of.others} times about the verse itself or without a word, until it "
        f"deceived; random swaps asked about {of.drawn}; a certificate speaks of all.",
    )


def reading(of: Swapped) -> Panel:
    """The swaps, and two bars before and after."""
    panel = Panel(WIDEST, 290)
    panel.label(MIDDLE, 18, "换两个近义词，读法就变", bold=True)
    for row, (word, other) in enumerate(of.swaps.items()):
        panel.label(MIDDLE, 46 + 22 * row, f"{word} → {other}", size=SMALL)
    for block, (title, values) in enumerate((("原句", of.before), ("换过之后", of.after))):
        top = 96 + 100 * block
        panel.label(START, top, title, size=SMALL, anchor="start")
        for row, (name, value, tone) in enumerate(
            ((of.right, values[0], KNOWN), (of.wrong, values[1], STRANGE))
        ):
            y = top + 10 + row * (TALL + 10)
            panel.label(START - 8, y + 12, name, size=SMALL, anchor="end")
            panel.box(START, y, max(LONG * value, 1.0), TALL, tone=tone, filled=True)
            panel.label(START + LONG * value + 8, y + 12, f"{value:.2f}", size=SMALL, anchor="start")
    return panel


def asked(of: Swapped) -> Panel:
    """A dot for each text; those that the two attacks asked about are large."""
    rows = -(-of.texts // ACROSS)
    panel = Panel(WIDEST, 126 + rows * SIDE)
    panel.label(MIDDLE, 18, "能换出的全部句子", bold=True)
    panel.swatch(30, 38, KNOWN, f"贪心问过 {of.queries}，另问 {of.others} 次", room=300)
    panel.swatch(30, 60, STRANGE, f"随机乱换问过 {of.drawn}", room=300)
    panel.swatch(30, 82, MENDED, f"证书管全部 {of.texts}", room=300)
    order = [STRANGE] * of.drawn
    for at in range(of.queries):
        order.insert(2 * at, KNOWN)
    filled = {97 * (at + 1) % of.texts: tone for at, tone in enumerate(order)}  # spread, in no order
    left, top = MIDDLE - (ACROSS - 1) * SIDE / 2, 118.0
    for at in range(of.texts):
        tone = filled.get(at)
        x, y = left + at % ACROSS * SIDE, top + at // ACROSS * SIDE
        if tone is STRANGE:
            panel.box(x - 5.5, y - 5.5, 11, 11, tone=STRANGE, filled=True)
        else:
            panel.dots((x, y), radius=2.0 if tone is None else 5.5, tone=tone or MENDED)
    return panel
