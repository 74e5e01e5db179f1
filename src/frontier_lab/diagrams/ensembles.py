"""28.3.3: three classifiers of one sentence: the vote against the average, and why the average loses less."""

from __future__ import annotations

import math
from dataclasses import dataclass

from frontier_lab.diagrams.canvas import INK, KNOWN, MENDED, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

MIDDLE = WIDEST / 2
BAR, START = 190.0, 96.0
"""Length of a bar of probability 1, and where bars begin."""
TALL = 15.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 328.0, 60.0, 300.0
"""Of the plane of the curve."""
HIGHEST = 2.2
"""Loss at the plane's upper edge, in nats."""


@dataclass(frozen=True)
class Member:
    """One classifier of the sentence.

    Attributes:
        name: of its class.
        wrong: probability of the group of books that the vote takes.
        right: probability of the sentence's own group.
    """

    name: str
    wrong: float
    right: float

    @property
    def votes_right(self) -> bool:
        """Whether its vote goes to the sentence's own group."""
        return self.right > self.wrong


def vote_and_average(*, sentence: str, wrong: str, right: str, members: tuple[Member, ...]) -> Drawing:
    """A sentence that the vote gets wrong and the average right, and the members' losses on the curve.

    Args:
        sentence: of the data.
        wrong: the group that the vote takes.
        right: the sentence's own group.
        members: three classifiers.

    Raises:
        ValueError: there are not three members, or vote and average do not fall apart in this way, or a
            probability of the right group lies outside the drawn part of the curve.
    """
    if len(members) != 3 or sum(member.votes_right for member in members) != 1:
        raise ValueError(f"members: got right votes {[m.votes_right for m in members]}, wanted one of three")
    means = (math.fsum(m.wrong for m in members) / 3, math.fsum(m.right for m in members) / 3)
    if means[0] >= means[1]:
        raise ValueError(
            f"members: got averages of {means[0]:.2f} and {means[1]:.2f}, wanted the right higher"
        )
    if not all(math.exp(-HIGHEST) < member.right < 1 for member in members):
        raise ValueError(f"members: got {[m.right for m in members]}, wanted a loss under {HIGHEST} nats")
    losses = [-math.log(member.right) for member in members]
    mean, averaged = math.fsum(losses) / 3, -math.log(means[1])
    bars = "、".join(f"{m.name} {m.wrong:.2f} 对 {m.right:.2f}" for m in members)
    spoken = ", ".join(f"{m.name} {m.wrong:.2f} against {m.right:.2f}" for m in members)
    return diagram(
        votes(sentence, wrong, right, members, means),
        curve(members, mean, averaged),
        zh=f"左：同一句话，三个分类器给{wrong}与{right}的概率：{bars}。投票是 2 比 1，判给{wrong}，错了；"
        f"平均的概率是 {means[0]:.2f} 对 {means[1]:.2f}，判给{right}，对了。右：曲线是损失 −ln p，p 是给"
        f"对的一类的概率。三个点连成的弦在曲线上方，所以三个损失的平均 {mean:.2f} 高于概率平均之后的损失 "
        f"{averaged:.2f}。",
        en=f"Left: one sentence, and what three classifiers give two groups of books, the wrong one first: "
        f"{spoken}. The vote is 2 to 1 for the wrong group. The average is {means[0]:.2f} against "
        f"{means[1]:.2f}, for the right one. Right: the curve is the loss −ln p, where p is the probability "
        f"of the right group. Chords between points lie above the curve, so the mean of the three losses, "
        f"{mean:.2f}, is above the loss of the average probability, {averaged:.2f}.",
    )


def votes(
    sentence: str, wrong: str, right: str, members: tuple[Member, ...], means: tuple[float, float]
) -> Panel:
    """Bars of both groups for each member, the vote, and the average."""
    panel = Panel(WIDEST, 352)
    panel.label(MIDDLE, 18, "同一句话，投票错，平均对", bold=True)
    panel.label(MIDDLE, 42, sentence, size=SMALL)
    panel.swatch(84, 68, STRANGE, wrong, room=76)
    panel.swatch(190, 68, KNOWN, f"{right}（对）", room=120)
    for row, member in enumerate(members):
        pair(panel, 84 + 52 * row, member.name, member.wrong, member.right)
    panel.line((12, 244), (WIDEST - 12, 244), thickness=0.8)
    panel.box(12, 256, WIDEST - 24, 32, f"投票：2 比 1，{wrong}", tone=STRANGE, filled=True)
    pair(panel, 300, "平均", *means)
    return panel


def pair(panel: Panel, y: float, name: str, wrong: float, right: float) -> None:
    """Two bars under each other, with their numbers."""
    panel.label(START - 10, y + 21, name, size=SMALL, anchor="end")
    for row, (value, tone) in enumerate(((wrong, STRANGE), (right, KNOWN))):
        top = y + row * (TALL + 4)
        panel.box(START, top, BAR * value, TALL, tone=tone, filled=True)
        panel.label(START + BAR * value + 8, top + 12, f"{value:.2f}", size=SMALL, anchor="start")


def place(probability: float, loss: float) -> tuple[float, float]:
    """Where a probability and a loss in nats stand in the plane."""
    return LEFT + (RIGHT - LEFT) * probability, BOTTOM - (BOTTOM - TOP) * loss / HIGHEST


def curve(members: tuple[Member, ...], mean: float, averaged: float) -> Panel:
    """The loss over the probability of the right group, with the members, their mean and their average."""
    panel = Panel(WIDEST, 352)
    panel.label(MIDDLE, 18, "损失 −ln p 是凸函数", bold=True)
    panel.label(MIDDLE, 42, "先平均概率，损失一定不更高", size=SMALL, soft=True)
    panel.arrow((LEFT, BOTTOM), (LEFT, TOP - 6))
    panel.arrow((LEFT, BOTTOM), (RIGHT + 8, BOTTOM))
    panel.label(MIDDLE, 338, "给对的一类的概率 p", size=SMALL)
    for tick in (0.0, 0.5, 1.0):
        panel.label(place(tick, 0)[0], BOTTOM + 16, f"{tick:g}", size=SMALL)
    for tick in (1.0, 2.0):
        panel.label(LEFT - 8, place(0, tick)[1] + 4, f"{tick:g}", size=SMALL, anchor="end")
    steps = [math.exp(-HIGHEST) + (1 - math.exp(-HIGHEST)) * step / 60 for step in range(61)]
    panel.line(*(place(p, -math.log(p)) for p in steps), thickness=1.6)
    corners = [place(member.right, -math.log(member.right)) for member in members]
    panel.line(*corners, corners[0], thickness=0.8)
    panel.dots(*corners, radius=5, tone=INK)
    for member, (x, y) in zip(members, corners, strict=True):
        panel.label(x - 9, y + 14, member.name, size=SMALL, anchor="end")
    average = math.fsum(member.right for member in members) / 3
    upper, lower = place(average, mean), place(average, averaged)
    panel.arrow(upper, (lower[0], lower[1] - 5), tone=MENDED)
    panel.dots(upper, radius=5, tone=STRANGE)
    panel.dots(lower, radius=5, tone=MENDED)
    panel.label(upper[0] + 12, upper[1] - 2, f"损失的平均 {mean:.2f}", size=SMALL, anchor="start")
    panel.label(
        lower[0] - 4, lower[1] + 20, f"平均后的损失 {averaged:.2f}", size=SMALL, anchor="end", room=110
    )
    return panel
