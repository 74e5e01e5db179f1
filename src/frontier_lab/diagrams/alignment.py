"""28.5.5: several rulers of one thing, of which one is optimised, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier_lab.diagrams.canvas import INK, KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

START, LONGEST = 124.0, 170.0
"""Where 0 stands on a ruler, and the length of 1."""
ROW, TALL = 46.0, 16.0


@dataclass(frozen=True)
class Ruler:
    """What measures how much a text is of the kind that is wanted, from 0 to 1.

    Attributes:
        name: of the ruler.
        before, after: means of the model's texts, untouched and optimised.
        people: mean of texts of the kind that people wrote.
        optimised: whether it is the reward.
        english: the name in the English description.
    """

    name: str
    before: float
    after: float
    people: float
    optimised: bool
    english: str


def rulers(those: Sequence[Ruler]) -> Drawing:
    """How far each ruler moves, and where it has the texts of people.

    Raises:
        ValueError: there are not two to four rulers, none or several are optimised, or a number is outside of
            0 to 1.
    """
    if not 2 <= len(those) <= 4:
        raise ValueError(f"those: got {len(those)} rulers, wanted 2 to 4")
    if sum(ruler.optimised for ruler in those) != 1:
        raise ValueError(f"those: got {sum(r.optimised for r in those)} that are optimised, wanted 1")
    for ruler in those:
        for value in (ruler.before, ruler.after, ruler.people):
            if not 0 <= value <= 1:
                raise ValueError(f"{ruler.name}: got {value}, wanted 0 to 1")
    panel = Panel(WIDEST, 92 + ROW * len(those))
    panel.label(WIDEST / 2, 18, "只有第一把尺子是奖励", bold=True)
    panel.swatch(14, 32, INK, "训练前", room=70)
    panel.swatch(98, 32, STRANGE, "当奖励的", room=80)
    panel.swatch(194, 32, KNOWN, "旁观的", room=70)
    panel.label(276, 44, "┃人写的", size=SMALL, anchor="start")
    for row, ruler in enumerate(those):
        y = 66 + ROW * row
        panel.label(10, y + 18, ruler.name, size=SMALL, anchor="start")
        panel.box(START, y, max(LONGEST * ruler.before, 1.0), TALL / 2, tone=INK, filled=True)
        panel.box(
            START,
            y + TALL / 2 + 2,
            LONGEST * ruler.after,
            TALL,
            tone=STRANGE if ruler.optimised else KNOWN,
            filled=True,
        )
        at = START + LONGEST * ruler.people
        panel.line((at, y - 4), (at, y + TALL * 1.5 + 6), thickness=2.4)
        panel.label(
            START + LONGEST * max(ruler.after, ruler.people) + 8,
            y + 22,
            f"{ruler.after:.2f}",
            size=SMALL,
            anchor="start",
        )
    panel.label(WIDEST / 2, 84 + ROW * len(those), "训练之后的文本，各把尺子给多少分", size=SMALL)
    read, told = [], []
    for each in those:
        numbers = f"{each.before:.2f}", f"{each.after:.2f}", f"{each.people:.2f}"
        mark, marked = ("（奖励）", " (the reward)") if each.optimised else ("", "")
        read.append(f"{each.name}{mark}由 {numbers[0]} 到 {numbers[1]}，人写的 {numbers[2]}")
        told.append(f"{each.english}{marked} from {numbers[0]} to {numbers[1]}, people's own {numbers[2]}")
    return diagram(
        panel,
        zh=f"同一批文本，几把尺子各打多少分，训练前与训练后，粗竖线是人写的书信得的分。{'；'.join(read)}。",
        en="Scores of the same texts by several rulers, before and after training; a thick line marks what "
        f"Epistles written by people score. {'; '.join(told)}.",
    )
