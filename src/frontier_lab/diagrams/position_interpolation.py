"""28.1.1: rotary positions as clocks. A fast pair has seen every angle; a slow one walks into new ones."""

from __future__ import annotations

from frontier_widgets.rotary import Rotary, frequencies, turns

from frontier_lab.diagrams.canvas import KNOWN, MENDED, SMALL, STRANGE, WIDEST, Panel, Tone, diagram
from frontier_lab.plots import Drawing

RADIUS = 45.0
COLUMN = WIDEST / 3

Sectors = list[tuple[float, float, Tone]]


def clocks(
    *, head_dim: int = 28, base: float = 10000.0, trained: int = 64, factor: int = 8, pairs: tuple[int, int]
) -> Drawing:
    """How far a fast and a slow pair turn: in training, reading ``factor`` times as much, and by YaRN.

    Args:
        head_dim: of the model's heads.
        base: of its rotations.
        trained: tokens that it was trained with.
        factor: how many times as many are read; YaRN's s is the same.
        pairs: a fast one, which goes round within ``trained`` tokens and which YaRN leaves alone, and a slow
            one, which does not go round while it reads and which YaRN brings back.

    Raises:
        ValueError: the pairs are not such.
    """
    before = frequencies(Rotary("default", head_dim, base, trained))
    after = frequencies(Rotary("yarn", head_dim, base, trained, factor))
    read = factor * trained
    panels = []
    for pair in pairs:
        learnt, gone, mended = (
            float(turns(speed, tokens))
            for speed, tokens in ((before[pair], trained), (before[pair], read), (after[pair], read))
        )
        slowed, fast = float(before[pair] / after[pair]), pair == pairs[0]
        if not (learnt >= 1 and slowed < 1.005 if fast else gone < 1 and mended < 1.005 * learnt):
            raise ValueError(
                f"pairs: got {pairs}, wanted one that goes round and stays as it is, and one that never does"
            )
        seen: Sectors = [(0, learnt, KNOWN)]
        beyond: Sectors = [*seen, (learnt, gone, STRANGE)]
        columns: list[tuple[str, Sectors, float, Tone, str, str]]
        if fast:
            title = "快的一对：转满了，没有新角度"
            columns = [
                (f"训练：{trained} 个", seen, learnt, KNOWN, f"{learnt:.0f} 圈", "每个角度都见过"),
                (f"读 {read} 个", seen, gone, KNOWN, f"{gone:.0f} 圈", "还是这些角度"),
                (f"同上，YaRN s = {factor}", seen, mended, MENDED, f"÷ {slowed:.0f}", "不动"),
            ]
        else:
            title = "慢的一对：转到没见过的角度"
            columns = [
                (f"训练：{trained} 个", seen, learnt, KNOWN, f"{360 * learnt:.0f}°", "只见过这一角"),
                (f"读 {read} 个", beyond, gone, STRANGE, f"{360 * gone:.0f}°", "大半没见过"),
                (f"同上，YaRN s = {factor}", seen, mended, MENDED, f"÷ {slowed:.0f}", "回到见过的"),
            ]
        panel = Panel(WIDEST, 208)
        panel.label(WIDEST / 2, 18, title, bold=True)
        around = f"{1 / float(turns(before[pair], 1)):.0f} 个词元转一圈"
        panel.label(WIDEST / 2, 37, around, size=SMALL, soft=True)
        for number, (head, sectors, hand, tone, first, second) in enumerate(columns):
            x = (number + 0.5) * COLUMN
            panel.label(x, 62, head, size=SMALL, room=COLUMN)
            panel.clock(x, 72 + RADIUS, RADIUS, sectors, hand, tone=tone)
            panel.label(x, 90 + 2 * RADIUS, first, bold=True, room=COLUMN)
            panel.label(x, 108 + 2 * RADIUS, second, size=SMALL, room=COLUMN)
        panels.append(panel)
    key = Panel(WIDEST, 24)
    key.swatch(30, 16, KNOWN, "训练时转到过的角度", room=140)
    key.swatch(205, 16, STRANGE, "没转到过的角度")
    slow = float(turns(before[pairs[1]], trained))
    return diagram(
        *panels,
        key,
        zh=f"两排钟，每排三只：训练 {trained} 个词元、读 {read} 个、用 YaRN（s = {factor}）读 {read} 个。"
        f"快的一对训练时转了许多圈，读得更长也没有新角度，YaRN 不动它。慢的一对训练时只转 "
        f"{360 * slow:.0f}°，读到 {read} 个时转到 {360 * slow * factor:.0f}°，多出来的扇形没见过；"
        f"角度除以 {factor}，又回到训练过的扇形里。",
        en=f"Two rows of three clocks: training on {trained} tokens, reading {read}, reading {read} with "
        f"YaRN (s = {factor}). The fast pair goes round many times in training, meets no new angle in the "
        f"longer text, and YaRN leaves it alone. The slow pair turns only {360 * slow:.0f}° in training; "
        f"reading {read} tokens takes it to {360 * slow * factor:.0f}°, most of which it has never seen; "
        f"divided by {factor} it is back in the sector that it was trained on.",
    )
