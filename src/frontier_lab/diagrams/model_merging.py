"""28.3.1: two experts of one base added up, where their prompts differ and where they contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import acos, degrees

from frontier_lab.diagrams.canvas import KNOWN, MENDED, SMALL, STRANGE, WIDEST, Panel, Tone, diagram
from frontier_lab.plots import Drawing

WIDE, TALL = 128.0, 62.0
"""Of the box of a model."""
LEFT, RIGHT = 8.0, WIDEST - WIDE - 8.0
TOP, BOTTOM = 82.0, 206.0


@dataclass(frozen=True)
class Pair:
    """Two experts of one base, and their sum.

    Attributes:
        tasks: what each does, in a word.
        prompts: one of each task, with the answer that its expert was taught.
        base, first, second, merged: of each model the shares of both tasks' prompts that it answers.
        cosine: of the two task vectors.
    """

    tasks: tuple[str, str]
    prompts: tuple[str, str]
    base: Sequence[float]
    first: Sequence[float]
    second: Sequence[float]
    merged: Sequence[float]
    cosine: float

    @property
    def kept(self) -> float:
        """The lower of the sum's two shares."""
        return min(self.merged)

    @property
    def degrees(self) -> int:
        """Angle between the two task vectors, rounded."""
        return round(degrees(acos(self.cosine)))


def two_sums(*, adds_up: Pair, contradicts: Pair) -> Drawing:
    """A sum that keeps both tasks beside one that loses a task: nearly one angle, one coefficient in a sum.

    Raises:
        ValueError: the first loses a task as well, the second loses none, or the angles are far apart.
    """
    if adds_up.kept < 0.5 or contradicts.kept > 0.5:
        kept = f"{adds_up.kept:.2f} and {contradicts.kept:.2f}"
        raise ValueError(f"adds_up, contradicts: got worse tasks kept to {kept}, wanted over and under 0.5")
    if any(abs(pair.cosine) > 0.1 for pair in (adds_up, contradicts)):
        raise ValueError(
            f"cosine: got {adds_up.cosine:.2f} and {contradicts.cosine:.2f}, wanted nearly right angles"
        )
    good, bad = ([f"{share:.0%}" for share in pair.merged] for pair in (adds_up, contradicts))
    return diagram(
        plane(adds_up, ("题目不像：", "共用一个系数，加得起来"), KNOWN),
        plane(contradicts, ("题目像、答案不同：", "共用一个系数，加不起来"), STRANGE),
        zh="两个平行四边形：左下是底座，往右加一个任务向量是第一个专家，往上加一个是第二个专家，"
        f"右上角两个都加，每对共用一个系数。题目不像的一对，右上角的模型两样都会：{good[0]} 与 {good[1]}。"
        f"题目几乎一样、答案不同的一对，右上角的模型丢了一样：{bad[0]} 与 {bad[1]}。"
        f"两对的夹角是 {adds_up.degrees} 度与 {contradicts.degrees} 度。",
        en="Two parallelograms: the base at the lower left, one task vector to the right gives the first "
        "expert, one upwards the second, and at the upper right both are added, with one "
        "coefficient for both. Where the prompts are not alike, the sum does both tasks: "
        f"{good[0]} and {good[1]}. Where the prompts are "
        f"nearly the same and the answers differ, the sum has lost one task: {bad[0]} and {bad[1]}. "
        f"The angles are {adds_up.degrees} and {contradicts.degrees} degrees.",
    )


def plane(pair: Pair, title: tuple[str, str], tone: Tone) -> Panel:
    """One base with two experts and their sum, under a title of two lines."""
    panel = Panel(WIDEST, 338)
    for row, line in enumerate(title):
        panel.label(WIDEST / 2, 18 + 19 * row, line, bold=True)
    panel.label(WIDEST / 2, 60, f"两个任务向量的夹角：{pair.degrees}°", size=SMALL, soft=True)
    left, right = LEFT + WIDE / 2, RIGHT + WIDE / 2
    panel.arrow((left, BOTTOM), (left, TOP + TALL + 2), tone=MENDED)
    panel.arrow((LEFT + WIDE, BOTTOM + TALL / 2), (RIGHT - 2, BOTTOM + TALL / 2), tone=MENDED)
    panel.arrow((right, BOTTOM), (right, TOP + TALL + 2))
    panel.arrow((LEFT + WIDE, TOP + TALL / 2), (RIGHT - 2, TOP + TALL / 2))
    models = (
        (LEFT, BOTTOM, "底座", pair.base, None),
        (RIGHT, BOTTOM, f"{pair.tasks[0]}专家", pair.first, None),
        (LEFT, TOP, f"{pair.tasks[1]}专家", pair.second, None),
        (RIGHT, TOP, "两个都加", pair.merged, tone),
    )
    for x, y, name, shares, own in models:
        lines = [f"{task} {share:.0%}" for task, share in zip(pair.tasks, shares, strict=True)]
        if own is None:
            panel.box(x, y, WIDE, TALL, name, *lines)
        else:
            panel.box(x, y, WIDE, TALL, name, *lines, tone=own, filled=True)
    for row, prompt in enumerate(pair.prompts):
        panel.label(WIDEST / 2, 296 + 24 * row, prompt, size=SMALL)
    return panel
