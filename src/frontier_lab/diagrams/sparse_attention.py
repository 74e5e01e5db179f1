"""28.1.3: how what a token on the left says gets to the last, layer by layer, through three patterns."""

from __future__ import annotations

from itertools import pairwise

from frontier_widgets.attention_masks import Mask, Pattern, visible

from frontier_lab.diagrams.canvas import KNOWN, MENDED, SMALL, WIDEST, Panel, Tone, diagram
from frontier_lab.plots import Drawing

STEP = 10.0
LAYER = 26.0
SIDE = 9.0
DOT = 3.2


def shortest(mask: Mask, source: int, target: int) -> list[int]:
    """Tokens through which ``source`` reaches ``target`` in the fewest layers, both among them.

    Args:
        mask: ``[n, n]``, which token (row) sees which (column).
        source: where the information stands.
        target: where it is wanted.

    Raises:
        ValueError: there is no way.
    """
    came: dict[int, int] = {source: source}
    front = [source]
    while front and target not in came:
        front = [
            token
            for seen in front
            for token in range(len(mask))
            if mask[token, seen] and token not in came and came.setdefault(token, seen) == seen
        ]
    if target not in came:
        raise ValueError(f"target: got {target}, which {source} cannot reach")
    path = [target]
    while path[-1] != source:
        path.append(came[path[-1]])
    return path[::-1]


def paths(*, tokens: int = 24, window: int = 8, random: int = 1, seed: int = 0) -> Drawing:
    """The fewest layers from the second token to the last: a window, a global token, random tokens.

    Args:
        tokens: that are read.
        window: other tokens that each sees, half of them on either side.
        random: further tokens that each sees, in the third pattern.
        seed: of these.
    """
    source, target = 1, tokens - 1
    near = Pattern("window", causal=False, window=window)
    hub = Pattern("global", causal=False, window=window, anchors=1)
    lucky = Pattern("random", causal=False, window=window, anchors=0, random=random, seed=seed)
    ways = [shortest(visible(pattern, tokens), source, target) for pattern in (near, hub, lucky)]
    layers = [len(way) - 1 for way in ways]
    panels = [
        lattice(visible(pattern, tokens), way, title, words, tone, hub=pattern is hub)
        for pattern, way, title, words, tone in zip(
            (near, hub, lucky),
            ways,
            (f"只有窗口：{layers[0]} 层", f"一个全局词元：{layers[1]} 层", f"窗口加随机：{layers[2]} 层"),
            ("文本越长，层数越多", "多长都是两层：先到它，再出来", "捷径抽到哪里，近路就在哪里"),
            (KNOWN, MENDED, MENDED),
            strict=True,
        )
    ]
    key = Panel(WIDEST, 46)
    key.dots((22, 12), radius=DOT, tone=KNOWN)
    key.label(32, 16, "已带有它的信息", size=SMALL, anchor="start", room=130)
    key.dots((178, 12), radius=DOT, filled=False)
    key.label(188, 16, "还没有；一行是一层", size=SMALL, anchor="start")
    drawn = f"{tokens} 个词元，窗口 {window}；随机每个词元 {random} 个，种子 {seed}"
    key.label(WIDEST / 2, 38, drawn, size=SMALL, soft=True)
    return diagram(
        *panels,
        key,
        zh=f"三幅点阵，横向是 {tokens} 个词元，从下往上一行一层，实心点是已经带有左边那个词元信息的词元。"
        f"只有窗口时，信息一层挪几格，{layers[0]} 层才到最右边；加一个全局词元，第一层到它，"
        f"第二层到任何地方；"
        f"窗口加随机捷径，这一次抽样要 {layers[2]} 层。",
        en=f"Three grids of dots: {tokens} tokens across, one row for each layer from the bottom up; a "
        f"filled dot already carries the information of one token on the left. With a window it moves a few "
        f"places a layer and takes {layers[0]} layers to the right end; through a global token it takes one "
        f"layer to it and one more to anywhere; with random shortcuts this draw takes {layers[2]} layers.",
    )


def lattice(mask: Mask, way: list[int], title: str, words: str, tone: Tone, *, hub: bool) -> Panel:
    """Tokens across, layers upwards, what carries the information, and the way that it takes."""
    tokens, layers = len(mask), len(way) - 1
    bottom = 26 + layers * LAYER
    panel = Panel(2 * SIDE + (tokens - 1) * STEP, bottom + 68)

    def place(token: int, layer: int) -> tuple[float, float]:
        return SIDE + token * STEP, bottom - layer * LAYER

    told = {way[0]}
    for layer in range(layers + 1):
        full, empty = (
            [place(token, layer) for token in range(tokens) if (token in told) is wanted]
            for wanted in (True, False)
        )
        panel.dots(*full, radius=DOT, tone=tone)
        panel.dots(*empty, radius=DOT, filled=False)
        told |= {token for token in range(tokens) if mask[token, sorted(told)].any()}
    for layer, (one, other) in enumerate(pairwise(way)):
        panel.arrow(place(one, layer), place(other, layer + 1))
    if hub:
        panel.label(SIDE - 5, bottom - LAYER - 8, "全局", size=SMALL, anchor="start", room=60)
    panel.label(place(way[0], 0)[0] - 5, bottom + 19, "从这里", size=SMALL, anchor="start", room=90)
    x, y = place(way[-1], layers)
    panel.label(x + 5, y - 9, "到这里", size=SMALL, anchor="end", room=90)
    panel.label(panel.width / 2, bottom + 42, title, bold=True)
    panel.label(panel.width / 2, bottom + 61, words, size=SMALL, soft=True)
    return panel
