"""28.1.2: how far each head sees, and what a cap on the penalty makes of two values far back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from frontier_widgets.rotary import WINDOW_NATS, alibi_slopes, alibi_window

from frontier_lab.diagrams.canvas import KNOWN, MENDED, SMALL, STRANGE, WIDEST, Anchor, Panel, diagram
from frontier_lab.plots import Drawing

HEIGHT = 352.0


def penalties(
    *, heads: int = 4, trained: int = 64, read: int = 512, newer: int = 90, older: int = 480
) -> Drawing:
    """Every head's window beside the lengths; the gentlest head's penalty as trained, and capped.

    Args:
        heads: of the model.
        trained: tokens that it was trained with; distances are capped at one less.
        read: tokens that it reads.
        newer: how far back a label's newer value stands.
        older: how far back its older value stands.

    Raises:
        ValueError: the values do not both stand beyond the cap, the newer one nearer.
    """
    if not trained <= newer < older <= read:
        raise ValueError(
            f"newer, older: got {newer}, {older}, wanted {trained} or more, the newer nearer, within {read}"
        )
    slopes = [float(slope) for slope in alibi_slopes(heads)]
    windows = [float(window) for window in alibi_window(slopes)]
    said = [f"{window:.0f}" for window in windows]
    near, far, capped = (f"{slopes[-1] * distance:.2f}" for distance in (newer, older, trained - 1))
    return diagram(
        soft_windows(slopes, windows, trained, read),
        relaxed(slopes[-1], trained - 1, read, newer, older),
        zh=f"左：{heads} 个头各有一扇软窗，依次约 {'、'.join(said)} 个词元宽；训练 {trained} 个词元也好，"
        f"读 {read} 个也好，宽度只由斜率定。右：最缓的头扣的分，横轴是距离。原样是一条直线，"
        f"隔 {newer} 的新值扣 {near}，隔 {older} 的旧值扣 {far}；封顶在 {trained - 1}，"
        f"两个值都只扣 {capped}，先后就分不清了。",
        en=f"Left: each of {heads} heads has a soft window, about {', '.join(said)} tokens wide; its slope "
        f"alone sets the width, whether {trained} tokens are read or {read}. Right: the gentlest head's "
        f"penalty over the distance. As trained it is a straight line: {near} for the newer value "
        f"{newer} back, {far} for the older one {older} back. Capped at {trained - 1} it is {capped} for "
        "both, and nothing tells which is newer.",
    )


def fraction(slope: float) -> str:
    """A slope as people write it: 1/4, or three digits where it is no such fraction."""
    return f"1/{1 / slope:.0f}" if (1 / slope).is_integer() else f"{slope:.3g}"


def relaxed(slope: float, cap: int, read: int, newer: int, older: int) -> Panel:
    """The penalty over the distance, straight and capped, and what two values of a label lose of it."""
    panel = Panel(WIDEST, HEIGHT)
    left, right, top, bottom = 14.0, WIDEST - 8.0, 84.0, HEIGHT - 106
    panel.label(WIDEST / 2, 18, "扣分封了顶，两个值一样近", bold=True)
    panel.label(WIDEST / 2, 36, f"最缓的头，m = {fraction(slope)}", size=SMALL, soft=True)

    def place(distance: float, counted: float) -> tuple[float, float]:
        return left + (right - left) * distance / read, top + (bottom - top) * counted / read

    anchors: dict[str, tuple[int, Anchor]] = {"新值": (newer, "middle"), "旧值": (older, "end")}
    for words, (distance, anchor) in anchors.items():
        x = place(distance, 0)[0]
        panel.line((x, top - 8), (x, bottom), thickness=0.8)
        x += 8 if anchor == "end" else 0
        panel.label(x, top - 14, f"{words}，隔 {distance}", size=SMALL, anchor=anchor, room=120)
    panel.line(place(0, 0), place(read, 0), thickness=1)
    panel.line(place(0, 0), place(read, read), tone=KNOWN)
    panel.line(place(0, 0), place(cap, cap), place(read, cap), tone=MENDED)
    for distance in (newer, older):
        for counted, tone in ((distance, KNOWN), (cap, MENDED)):
            panel.dots(place(distance, counted), radius=4, tone=tone)
    x, y = place(older, older)
    panel.label(x - 8, y + 20, f"−{slope * older:.2f}", anchor="end", bold=True, room=60)
    x, y = place(older, cap)
    panel.label(x - 8, y + 18, f"−{slope * cap:.2f}", anchor="end", bold=True, room=60)
    x, y = place(newer, newer)
    panel.label(x - 8, y + 22, f"−{slope * newer:.2f}", anchor="end", bold=True, room=60)
    panel.label(WIDEST / 2, bottom + 20, "往回隔多少个词元", size=SMALL, room=right - left)
    apart = slope * (older - newer)
    panel.line((8, bottom + 42), (30, bottom + 42), tone=KNOWN)
    panel.label(38, bottom + 46, f"原样：相差 {apart:.2f}，先后分得清", size=SMALL, anchor="start")
    panel.line((8, bottom + 68), (30, bottom + 68), tone=MENDED)
    panel.label(38, bottom + 72, f"封顶在 {cap}：相差 0，先后分不清", size=SMALL, anchor="start")
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
