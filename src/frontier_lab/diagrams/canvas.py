"""What diagrams are drawn with: panels of boxes, arrows, cells and clocks, in the page's ink and font.

A diagram is one or more panels that stand side by side and wrap: none is wider than a phone, so no letter
shrinks. Text stays text. A meaning is a ``Tone``: a colour that always comes with its own dashes and its own
filling, so that nothing is said by colour alone. Arrowheads are shapes and not markers, so they have the
colour of their line in both themes.
"""

from __future__ import annotations

import hashlib
import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import drawsvg as draw

from frontier_lab.diagrams.lettering import width as text_width
from frontier_lab.plots import Drawing

WIDEST = 340
"""Units, which are pixels where there is room: what a phone of 390 pixels leaves beside the margins."""
SIZE = 13.0
SMALL = 12.0
"""Sizes of letters, in units."""
GAP = "14px 24px"
"""Between panels: over each other, beside each other."""

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Tone:
    """One meaning: its colour, and what tells it from the others where colours cannot be seen.

    Attributes:
        colour: of lines and fillings; at least 3 : 1 on the page, light and dark.
        dash: of lines, as SVG writes it.
        hatched: a filling is drawn as lines, and not as a tint.
        thickness: of lines, in units.
    """

    colour: str
    dash: str = "none"
    hatched: bool = False
    thickness: float = 1.3


INK = Tone("currentColor")
KNOWN = Tone("#0072B2", thickness=2.4)
"""What was trained, is seen, is right."""
STRANGE = Tone("#D55E00", dash="5 3", hatched=True, thickness=2.4)
"""What was not trained, or is false."""
MENDED = Tone("#009E73", dash="1 3", thickness=2.4)
"""What an invention adds to the old way."""
TONES = (INK, KNOWN, STRANGE, MENDED)

TINT = 0.26
"""Opacity of a filling under text."""
DEEPEST = 0.6
"""Opacity of a cell of weight 1; its text can be read in both themes."""
SOFT = 0.8
"""Opacity of text that is not read first."""
HEAD = 8.0
"""Length of an arrowhead."""


class Panel:
    """One part of a diagram, drawn from its top left corner.

    Args:
        width: units, at most ``WIDEST``.
        height: units.

    Raises:
        ValueError: it is wider than a phone.
    """

    def __init__(self, width: float, height: float) -> None:
        if not 0 < width <= WIDEST:
            raise ValueError(f"width: got {width}, wanted at most {WIDEST}, what a phone has room for")
        self.width, self.height = width, height
        self._shapes: list[draw.DrawingElement] = []
        self._hatches: dict[Tone, draw.Pattern] = {}

    def label(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SIZE,
        anchor: Anchor = "middle",
        bold: bool = False,
        soft: bool = False,
        room: float | None = None,
    ) -> None:
        """A line of text.

        Args:
            x: of its start, middle or end, as ``anchor`` says.
            y: of its base line.
            text: Chinese; the page's catalogue has the English.
            size: of the letters.
            anchor: which part of the text stands at ``x``.
            bold: for headings.
            soft: for what is not read first.
            room: units that it may take in either language; by default up to the panel's edge.

        Raises:
            ValueError: the text takes more.
        """
        left, right = x, self.width - x
        edge = {"start": right, "end": left, "middle": 2 * min(left, right)}[anchor]
        room = edge if room is None else min(room, edge)
        if (taken := text_width(text, size, bold=bold)) > room:
            raise ValueError(f"{text!r}: takes {taken:.0f} units, wanted at most {room:.0f}")
        own: dict[str, Any] = {"font_weight": 600} if bold else {}
        if soft:
            own["opacity"] = SOFT
        self._shapes.append(
            draw.Text(text, size, x, y, text_anchor=anchor, fill="currentColor", data_room=room, **own)
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *lines: str,
        tone: Tone = INK,
        filled: bool = False,
        size: float = SIZE,
    ) -> None:
        """A rounded box with lines of text in its middle, the first of them bold if there are several.

        Its dashes tell its tone; it is tinted and never hatched, because lines behind letters tire the eye.
        """
        paint = {"fill": tone.colour, "fill_opacity": TINT} if filled else {"fill": "none"}
        self._shapes.append(draw.Rectangle(x, y, width, height, rx=6, ry=6, **paint, **self._line(tone)))
        step = size * 1.4
        first = y + height / 2 - (len(lines) - 1) * step / 2 + 0.36 * size
        for number, line in enumerate(lines):
            self.label(
                x + width / 2,
                first + number * step,
                line,
                size=size,
                bold=number == 0 and len(lines) > 1,
                room=width - 10,
            )

    def arrow(self, *points: Point, tone: Tone = INK, head: bool = True) -> None:
        """A line through points, with a head at the last.

        Raises:
            ValueError: there are fewer than two points, or the last two are one.
        """
        if len(points) < 2 or math.dist(*points[-2:]) == 0:
            raise ValueError(f"points: got {points}, wanted two or more, the last two apart")
        (x0, y0), (x1, y1) = points[-2:]
        length = math.dist(*points[-2:])
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        back = (x1 - HEAD * ux, y1 - HEAD * uy) if head else (x1, y1)
        path = draw.Path(fill="none", **self._line(tone)).M(*points[0])
        for point in (*points[1:-1], back):
            path.L(*point)
        self._shapes.append(path)
        if head:
            wide = HEAD / 2
            sides = [(back[0] - wide * uy, back[1] + wide * ux), (back[0] + wide * uy, back[1] - wide * ux)]
            self._shapes.append(
                draw.Path(fill=tone.colour, stroke="none").M(x1, y1).L(*sides[0]).L(*sides[1]).Z()
            )

    def line(self, *points: Point, tone: Tone = INK, thickness: float | None = None) -> None:
        """A line through points, without a head; ``thickness`` in place of the tone's own."""
        look = self._line(tone)
        if thickness is not None:
            look["stroke_width"] = thickness
        path = draw.Path(fill="none", **look).M(*points[0])
        for point in points[1:]:
            path.L(*point)
        self._shapes.append(path)

    def cells(
        self,
        x: float,
        y: float,
        size: float,
        weights: Sequence[Sequence[float | None]],
        texts: Sequence[Sequence[str]] | None = None,
        *,
        tone: Tone = KNOWN,
        letters: float = SMALL,
    ) -> None:
        """A matrix of square cells, filled by weight; where the weight is ``None`` there is no cell.

        Args:
            x: of its left edge.
            y: of its upper edge.
            size: of a cell.
            weights: ``[R][C]``, 0 to 1: how much of the tone a cell has.
            texts: ``[R][C]``, written into the cells.
            tone: of the filling.
            letters: size of the texts.
        """
        grid = draw.Group(fill=tone.colour, stroke="currentColor", stroke_width=0.7, stroke_opacity=0.45)
        self._shapes.append(grid)
        for row, line in enumerate(weights):
            for column, weight in enumerate(line):
                if weight is None:
                    continue
                left, top = x + column * size, y + row * size
                grid.append(draw.Rectangle(left, top, size, size, fill_opacity=DEEPEST * weight))
                if texts is not None and texts[row][column]:
                    middle, base = left + size / 2, top + size / 2 + 0.36 * letters
                    self.label(middle, base, texts[row][column], size=letters, room=size - 2)

    def fade(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        weight: Callable[[float], float],
        *,
        tone: Tone = KNOWN,
        stops: int = 24,
    ) -> None:
        """A bar whose filling follows a weight.

        Args:
            x: of its left edge.
            y: of its upper edge.
            width: units.
            height: units.
            weight: of a place from 0 on the left to 1 on the right: 0 to 1.
            tone: of the filling.
            stops: places at which the weight is taken; the filling is linear between them.
        """
        paint = draw.LinearGradient(x, y, x + width, y)
        for stop in range(stops + 1):
            paint.add_stop(stop / stops, tone.colour, DEEPEST * weight(stop / stops))
        self._shapes.append(draw.Rectangle(x, y, width, height, fill=paint))

    def dots(self, *places: Point, radius: float, tone: Tone = INK, filled: bool = True) -> None:
        """Small discs, or only their rims."""
        rims: dict[str, Any] = {"stroke": tone.colour, "stroke_width": 0.9, "stroke_opacity": 0.6}
        group = draw.Group(**({"fill": tone.colour} if filled else rims))
        for x, y in places:
            group.append(draw.Circle(x, y, radius))
        self._shapes.append(group)

    def swatch(self, x: float, y: float, tone: Tone, text: str, *, room: float | None = None) -> None:
        """An entry of the key: a filled square and what it means; ``y`` is the base line of the text."""
        self._shapes.append(
            draw.Rectangle(x, y - 11, 14, 14, **self._paint(tone), stroke=tone.colour, stroke_width=1)
        )
        self.label(x + 20, y, text, size=SMALL, anchor="start", room=room)

    def clock(
        self,
        x: float,
        y: float,
        radius: float,
        sectors: Sequence[tuple[float, float, Tone]],
        hand: float,
        *,
        tone: Tone = INK,
    ) -> None:
        """A face with filled sectors and a hand.

        Args:
            x: of the middle.
            y: of the middle.
            radius: of the face.
            sectors: first and last angle in turns, clockwise from the top, and what the sector means; an
                angle of a turn or more fills the face.
            hand: angle of the hand, in turns.
            tone: of the hand.
        """
        for start, end, meaning in sectors:
            paint = self._paint(meaning)
            edge = {"stroke": meaning.colour, "stroke_width": 1}
            if end - start >= 1:
                self._shapes.append(draw.Circle(x, y, radius, **paint, **edge))
            else:
                (ax, ay), (bx, by) = (rim(x, y, radius, angle) for angle in (start, end))
                wide = int(end - start > 0.5)
                sector = draw.Path(**paint, **edge).M(x, y).L(ax, ay)
                self._shapes.append(sector.A(radius, radius, 0, wide, 1, bx, by).Z())
        self._shapes.append(draw.Circle(x, y, radius, fill="none", stroke="currentColor", stroke_width=1.2))
        self.arrow((x, y), rim(x, y, radius - 2, hand), tone=tone)
        self.dots((x, y), radius=2.4, tone=tone)

    def _line(self, tone: Tone) -> dict[str, Any]:
        look: dict[str, Any] = {"stroke": tone.colour, "stroke_width": tone.thickness}
        if tone.dash != "none":
            look["stroke_dasharray"] = tone.dash
        return look

    def _paint(self, tone: Tone) -> dict[str, Any]:
        if not tone.hatched:
            return {"fill": tone.colour, "fill_opacity": TINT}
        if tone not in self._hatches:
            hatch = draw.Pattern(6, 6, patternTransform="rotate(45)")
            hatch.append(draw.Rectangle(0, 0, 6, 6, fill=tone.colour, fill_opacity=0.1))
            hatch.append(draw.Line(0, 0, 0, 6, stroke=tone.colour, stroke_width=1.8, stroke_opacity=0.75))
            self._hatches[tone] = hatch
        return {"fill": self._hatches[tone]}

    def svg(self, prefix: str) -> str:
        """The panel as an element; ``prefix`` begins its ids."""
        sheet = draw.Drawing(
            self.width,
            self.height,
            id_prefix=prefix,
            fill="none",
            style="max-width:100%;height:auto",
            aria_hidden="true",
        )
        for shape in self._shapes:
            sheet.append(shape)
        source: str = sheet.as_svg(header="", skip_js=True)
        source = source.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
        source = re.sub(r"<defs>\s*</defs>\s*", "", source)
        # Coordinates to a hundredth of a unit, and only inside tags: a text keeps its digits.
        source = re.sub(r"<[^>]+>", lambda tag: re.sub(r"-?\d+\.\d+", rounded, tag[0]), source)
        return re.sub(r"\n\s*", "\n", source).strip()


def rounded(number: re.Match[str]) -> str:
    """A decimal number to a hundredth, without zeros that say nothing."""
    return f"{round(float(number[0]), 2) + 0.0:g}" if abs(float(number[0])) < 1e4 else number[0]


def rim(x: float, y: float, radius: float, turns: float) -> Point:
    """The point of a circle so many turns clockwise from its top."""
    return x + radius * math.sin(2 * math.pi * turns), y - radius * math.cos(2 * math.pi * turns)


def diagram(*panels: Panel, zh: str, en: str) -> Drawing:
    """Panels beside each other, or under each other where there is less room, as one picture.

    Args:
        panels: in the order of reading.
        zh: what is seen, for those who cannot see it, in Chinese.
        en: the same in English; the English site puts it in the place of ``zh``.

    Raises:
        ValueError: there is no panel, or a description is empty.
    """
    for name, text in (("zh", zh), ("en", en)):
        if not text.strip():
            raise ValueError(f"{name}: got an empty description, wanted sentences that say what is seen")
    if not panels:
        raise ValueError("panels: got none, wanted at least one")
    salt = hashlib.sha256(en.encode()).hexdigest()[:8]
    head = (
        f'<div class="frontier-diagram" role="img" aria-label="{html.escape(zh)}" '
        f'data-alt-zh="{html.escape(zh)}" data-alt-en="{html.escape(en)}" style="display:flex;'
        f'flex-wrap:wrap;justify-content:center;align-items:end;gap:{GAP}">'
    )
    parts = [panel.svg(f"d{salt}-{number}-") for number, panel in enumerate(panels)]
    return Drawing("\n".join([head, *parts, "</div>"]), zh, en)
