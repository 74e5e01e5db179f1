"""28.5.5: several judges of one thing, of whom one is the reward: what each says of the same trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

START, LONGEST = 122.0, 196.0
"""Where 0 stands on a scale, and the length of 1."""
ROW = 38.0
LINE = 20.0
CUT = 36
"""Characters of a text that there is room for."""


@dataclass(frozen=True)
class Judge:
    """Who says how much a text is of the kind that is wanted, from 0 to 1.

    Attributes:
        name: of the judge.
        before: mean of the untouched model's texts.
        after: mean of the texts of each training.
        people: mean of texts of the kind that people wrote.
        english: the name in the English description.
    """

    name: str
    before: float
    after: Sequence[float]
    people: float
    english: str


def judges(reward: Judge, *others: Judge, texts: Sequence[tuple[float, str]] = ()) -> Drawing:
    """A dot for each training, on the scale of the reward and on those of the others.

    Args:
        reward: what was raised.
        others: who had no part in it.
        texts: what some of the trainings write, and the reward of each training's texts.

    Raises:
        ValueError: there are not one to five others, they have not all judged as many trainings, or a number
            is outside of 0 to 1.
    """
    if not 1 <= len(others) <= 5:
        raise ValueError(f"others: got {len(others)} judges, wanted 1 to 5")
    everyone, count = (reward, *others), len(reward.after)
    for judge in everyone:
        if len(judge.after) != count:
            raise ValueError(f"{judge.name}: got {len(judge.after)} trainings, wanted {count}")
        for value in (judge.before, *judge.after, judge.people):
            if not 0 <= value <= 1:
                raise ValueError(f"{judge.name}: got {value}, wanted 0 to 1")
    top = LINE * (len(texts) + 1) + 8 if texts else 0.0
    panel = Panel(WIDEST, top + 92 + ROW * len(everyone))
    panel.label(WIDEST / 2, 18, f"{count} 次训练，每次一个点", bold=True)
    if texts:
        panel.label(10, 40, "奖励", size=SMALL, anchor="start")
        panel.label(62, 40, "写出来的", size=SMALL, anchor="start")
    for line, (score, text) in enumerate(texts):
        y = 40 + LINE * (line + 1)
        panel.label(10, y, f"{score:.2f}", size=SMALL, anchor="start", bold=True)
        panel.label(62, y, text if len(text) <= CUT else f"{text[:CUT]}…", size=SMALL, anchor="start")
    panel.swatch(6, top + 42, STRANGE, "当奖励的", room=70)
    panel.swatch(100, top + 42, KNOWN, "旁观的", room=64)
    panel.label(190, top + 42, "○ 训练前", size=SMALL, anchor="start")
    panel.label(264, top + 42, "┃ 人写的", size=SMALL, anchor="start")
    for row, judge in enumerate(everyone):
        y = top + 74 + ROW * row
        tone = KNOWN if row else STRANGE
        panel.label(10, y + 4, judge.name, size=SMALL, anchor="start")
        panel.line((START, y), (START + LONGEST, y), thickness=0.8)
        panel.dots((START + LONGEST * judge.before, y), radius=4.5, filled=False)
        at = START + LONGEST * judge.people
        panel.line((at, y - 11), (at, y + 11), thickness=2.6)
        panel.dots(*((START + LONGEST * value, y) for value in judge.after), radius=4.5, tone=tone)
    for value in (0, 0.5, 1):
        panel.label(START + LONGEST * value, top + 70 + ROW * len(everyone), f"{value:g}", size=SMALL)
    panel.label(WIDEST / 2, top + 86 + ROW * len(everyone), "认为文本出自书信的概率", size=SMALL)
    read, told = [], []
    for each in everyone:
        numbers = (each.before, min(each.after), max(each.after), each.people)
        before, low, high, people = (f"{number:.2f}" for number in numbers)
        read.append(f"{each.name}由 {before} 到 {low} 至 {high}，人写的 {people}")
        told.append(f"{each.english} from {before} to between {low} and {high}, people's own {people}")
    start = f"同样的 {count} 次训练，几位裁判各给多少分，第一位是奖励，粗竖线是人写的书信。"
    wrote = [f"{score:.2f} {text[:CUT]}" for score, text in texts]
    return diagram(
        panel,
        zh=f"{start}{'；'.join(read)}。{'奖励与文本：' + '；'.join(wrote) + '。' if wrote else ''}",
        en=f"What judges say of the same {count} trainings; the first is the reward, and a thick line marks "
        f"Epistles written by people. {'; '.join(told)}."
        f"{' Reward and text: ' + '; '.join(wrote) + '.' if wrote else ''}",
    )
