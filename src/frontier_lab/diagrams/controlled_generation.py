"""28.5.4: where in the making of a token each control takes hold, and what it costs in passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frontier_lab.diagrams.canvas import INK, KNOWN, MENDED, SMALL, STRANGE, WIDEST, Panel, Tone, diagram
from frontier_lab.plots import Drawing

PLACES: Mapping[str, Tone] = {
    "隐藏状态": STRANGE,
    "键值缓存": STRANGE,
    "下一词的分数": KNOWN,
    "整段文本": MENDED,
}
"""Where a control can take hold, from the inside outwards."""
ENGLISH = {
    "隐藏状态": "hidden states",
    "键值缓存": "keys and values",
    "下一词的分数": "the next token's scores",
    "整段文本": "whole texts",
}
STEP = 76.0


@dataclass(frozen=True)
class Control:
    """A way to steer.

    Attributes:
        name: as the field calls it.
        place: one of ``PLACES``.
        passes: forward passes for a token.
        english: the name in the English description, where it differs.
    """

    name: str
    place: str
    passes: int
    english: str = ""


def places(controls: Sequence[Control]) -> Drawing:
    """The way from a prompt to a text, with the controls where they take hold.

    Raises:
        ValueError: a place is unknown, or one has no control or more than two.
    """
    for control in controls:
        if control.place not in PLACES:
            raise ValueError(f"place: got {control.place!r}, wanted one of {', '.join(PLACES)}")
    at = {place: [each for each in controls if each.place == place] for place in PLACES}
    for place, those in at.items():
        if not 1 <= len(those) <= 2:
            raise ValueError(f"controls: got {len(those)} at {place}, wanted 1 or 2")
    panel = Panel(WIDEST, 60 + STEP * len(PLACES))
    panel.label(WIDEST / 2, 18, "从里到外，四处可以下手", bold=True)
    for row, (place, tone) in enumerate(PLACES.items()):
        y = 40 + STEP * row
        panel.box(14, y, 130, 40, place, tone=INK, size=SMALL)
        if row:
            panel.arrow((79, y - STEP + 42), (79, y - 4))
        for line, each in enumerate(at[place]):
            top = y + 22 * line - (11 if len(at[place]) == 2 else 0)
            panel.box(160, top + 12, 12, 12, tone=tone, filled=True)
            panel.label(180, top + 23, f"{each.name}（{each.passes} 遍）", size=SMALL, anchor="start")
    listed = "；".join(f"{p}：" + "、".join(f"{e.name}（{e.passes} 遍）" for e in at[p]) for p in PLACES)
    told = "; ".join(
        f"{ENGLISH[p]}: " + ", ".join(f"{e.english or e.name} ({e.passes} passes)" for e in at[p])
        for p in PLACES
    )
    return diagram(
        panel,
        zh=f"从提示到文本，由里到外四处可以下手，括号里是每个词元要算几遍前向。{listed}。",
        en="From a prompt to a text a control can take hold in four places, from the inside outwards; in "
        f"brackets, forward passes for a token. {told}.",
    )
