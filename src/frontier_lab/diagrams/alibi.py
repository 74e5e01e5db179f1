"""28.1.2: what ALiBi takes off the scores, and how far each head still sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from frontier_widgets.rotary import WINDOW_NATS, alibi_slopes, alibi_window

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

TOKENS = 8
CELL = 37.2
HEIGHT = 352.0


def penalties(*, heads: int = 4, trained: int = 64, read: int = 512) -> Drawing:
    """The triangle of penalties of the steepest head, and every head's window beside the lengths.

    Args:
        heads: of the model.
        trained: tokens that it was trained with.
        read: tokens that it reads.
    """
    slopes = [float(slope) for slope in alibi_slopes(heads)]
    windows = [float(window) for window in alibi_window(slopes)]
    said = [f"{window:.0f}" for window in windows]
    steep = fraction(slopes[0])
    return diagram(
        triangle(slopes[0]),
        soft_windows(slopes, windows, trained, read),
        zh=f"左：因果注意力的分数排成三角形。对角线上减 0，每远一个词元多减 {steep}，颜色随距离变淡。"
        f"右：{heads} 个头各有一扇软窗，依次约 {'、'.join(said)} 个词元宽；训练 {trained} 个词元也好，"
        f"读 {read} 个也好，宽度只由斜率定。",
        en="Left: causal attention's scores form a triangle. Nothing is subtracted on the diagonal and "
        f"{steep} more for each token of distance, so the colour fades. Right: each of {heads} heads has a "
        f"soft window, about {', '.join(said)} tokens wide; its slope alone sets the width, whether "
        f"{trained} tokens are read or {read}.",
    )


def fraction(slope: float) -> str:
    """A slope as people write it: 1/4, or three digits where it is no such fraction."""
    return f"1/{1 / slope:.0f}" if (1 / slope).is_integer() else f"{slope:.3g}"


def triangle(slope: float) -> Panel:
    """What is subtracted from each score, and how much weight that leaves."""
    panel = Panel(WIDEST, HEIGHT)
    left, top = WIDEST - TOKENS * CELL - 1, 32.0
    panel.label(WIDEST / 2, 18, "注意力的分数：越远，减得越多", bold=True)
    cells = [
        [math.exp(-slope * (query - key)) if key <= query else None for key in range(TOKENS)]
        for query in range(TOKENS)
    ]
    texts = [
        ["0" if key == query else f"−{slope * (query - key):g}" for key in range(TOKENS)]
        for query in range(TOKENS)
    ]
    panel.cells(left, top, CELL, cells, texts, letters=11)
    empty = (left + 3.3 * CELL + WIDEST) / 2
    panel.label(empty, top + 24, f"这个头的斜率 m = {fraction(slope)}", size=SMALL, room=165)
    panel.label(empty, top + 44, "减去 m × 距离", size=SMALL, room=165)
    panel.label(left - 6, top + 0.64 * CELL, "查询", size=11, anchor="end", soft=True)
    panel.label(left + CELL / 2, top + TOKENS * CELL + 17, "键", size=SMALL, soft=True, room=60)
    panel.label(WIDEST - CELL / 2 - 1, top + TOKENS * CELL + 17, "自己", size=SMALL, soft=True, room=CELL)
    return panel


def weight_at(slope: float, end: float) -> Callable[[float], float]:
    """Weight over the place on a logarithmic axis of distances from 1 to ``end``."""
    return lambda part: math.exp(-slope * end**part)


def soft_windows(slopes: Sequence[float], windows: Sequence[float], trained: int, read: int) -> Panel:
    """Each head's weight over the distance, with the width that holds most of it."""
    left, right, top = 92.0, WIDEST - 8.0, 60.0
    end = 2.0 ** math.ceil(math.log2(1.2 * max(*windows, read)))
    bottom = HEIGHT - 68
    tall = (bottom - top) / len(slopes)

    def place(distance: float) -> float:
        return left + (right - left) * math.log(distance) / math.log(end)

    panel = Panel(WIDEST, HEIGHT)
    panel.label(WIDEST / 2, 18, "每个头一扇软窗，读得再长也这么宽", bold=True)
    for length, words, tone in ((trained, f"训练到 {trained}", KNOWN), (read, f"读到 {read}", STRANGE)):
        panel.label(place(length), 48, words, size=SMALL, room=92)
        panel.line((place(length), 54), (place(length), bottom + 4), tone=tone, thickness=1.4)
    for head, (slope, window) in enumerate(zip(slopes, windows, strict=True)):
        y = top + (head + 0.5) * tall - 20
        panel.label(0, y + 18, f"m = {fraction(slope)}", size=SMALL, anchor="start", room=left - 6)
        panel.label(0, y + 34, f"{window:.0f} 个词元", bold=True, anchor="start", room=left - 6)
        panel.fade(left, y + 8, right - left, 24, weight_at(slope, end))
        panel.line((place(window), y + 4), (place(window), y + 36), thickness=2.4)
    panel.line((left, bottom + 4), (right, bottom + 4), thickness=1)
    for distance in (2**power for power in range(0, round(math.log2(end)) + 1, 3)):
        panel.line((place(distance), bottom + 4), (place(distance), bottom + 9), thickness=1)
        panel.label(place(distance), bottom + 23, f"{distance}", size=SMALL, soft=True, room=40)
    panel.label((left + right) / 2, bottom + 42, "往回隔多少个词元", size=SMALL, room=right - left)
    words = f"分数相同时，{1 - math.exp(-WINDOW_NATS):.0%} 的权重在竖线以内"
    panel.label(WIDEST / 2, bottom + 61, words, size=SMALL, soft=True)
    return panel
