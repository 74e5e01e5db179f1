"""Matplotlib figures as inline SVG that follows the page: its theme, its font, its width, its language.

A page is read in light and dark and in two languages from one stored output. So the ink is ``currentColor``,
text stays text in the page's own font (Chinese needs no font on the machine that draws), and both
descriptions travel with the figure. The same data gives the same bytes.

``curves``, ``bars`` and ``heat`` draw the three kinds of figure that pages need most in one call; ``figure``
and ``show`` are for all others.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#7A7A7A")
"""Okabe and Ito's palette, dark ones first: distinguishable for colour-blind readers."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "\\\\", "xx")
"""Lines alone: a hatch of dots is 50 kB of curves in each figure."""
INK = "#123456"
"""Stands for the page's text colour until the figure is written; so does black, Matplotlib's own choice."""
BLACK = "#111111"
"""Ink that stays dark on a dark page as well, for numbers on a bright cell."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=COLOURS),
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


def figure(
    columns: int = 1, *, width: float = 7.0, height: float = 2.8, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with ``columns`` panels side by side, in inches; ``options`` go to ``Figure.subplots``."""
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(width, height), layout="constrained")
        axes = drawing.subplots(1, columns, squeeze=False, **options)
        for panel in axes.flat:
            panel.tick_params(width=0.6, length=3)
    return drawing, list(axes.flat)


@dataclass(frozen=True)
class Drawing:
    """A finished figure: what a notebook stores and a page shows."""

    svg: str
    zh: str
    en: str

    def _repr_html_(self) -> str:
        return f'<figure class="frontier-figure">{self.svg}</figure>'

    def __repr__(self) -> str:
        return f"Drawing({self.zh})"


def show(drawing: Figure, *, zh: str, en: str) -> Drawing:
    """Turn a figure into inline SVG; a panel with labelled data and no legend gets one.

    Args:
        drawing: from ``figure``.
        zh: what is seen, for those who cannot see it, in Chinese.
        en: the same in English; the English site puts it in the place of ``zh``.

    Raises:
        ValueError: a description is empty.
    """
    for name, text in (("zh", zh), ("en", en)):
        if not text.strip():
            raise ValueError(
                f"{name}: got an empty description, wanted a sentence that says what the figure shows"
            )
    for panel in drawing.axes:
        legend = panel.get_legend()
        if legend is None and panel.get_legend_handles_labels()[0]:
            legend = panel.legend()
        if legend:
            legend.set_frame_on(False)  # its box is sized with the drawing machine's font, not the reader's
            for label in legend.get_texts():
                label.set_color(INK)  # a legend made outside ``figure`` is black, on a dark page too
    salt = hashlib.sha256(en.encode()).hexdigest()[:8]
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}), warnings.catch_warnings():
        # The reader's browser has the glyphs; the machine that draws needs them only to guess widths.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    width, height = (72 * float(side) for side in drawing.get_size_inches())
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<style.*?</style>\s*", "", svg, flags=re.S)  # a style element would reach the whole page
    # Ids are unique in one figure; the salt keeps those of two figures on a page apart.
    svg = re.sub(r'\bid="([^"]+)"', rf'id="f{salt}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#f{salt}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#f{salt}-\1)", svg)
    svg = re.sub(f"{INK}|#000000", "currentColor", svg).replace("xlink:href", "href")
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)  # matplotlib lists a dozen
    # Coordinates to a thousandth of a point; only inside tags: a tick that reads 0.0005 stays as it is.
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d{3})\d+", r"\1", tag[0]), svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    head = (
        f'<svg role="img" aria-label="{html.escape(zh)}" data-alt-zh="{html.escape(zh)}" '
        f'data-alt-en="{html.escape(en)}" viewBox="0 0 {width:g} {height:g}" fill="currentColor" '
        f'style="width:100%;max-width:{width / 72 * 96:.0f}px;height:auto" xmlns="http://www.w3.org/2000/svg">'
    )
    return Drawing(head + svg[svg.index(">") + 1 :].strip(), zh, en)


def spread(panel: Axes, x: ArrayLike, runs: ArrayLike, *, label: str | None = None, number: int = 0) -> None:
    """One line with the range of its seeds as a band.

    Args:
        panel: drawn into.
        x: ``[X]``.
        runs: one row a seed, ``[S, X]``, or a single line ``[X]``; the line is their mean, the band lowest to
            highest.
        label: in the legend.
        number: chooses colour, dashes and marker, so that no two lines differ in colour alone.

    Raises:
        ValueError: ``runs`` does not have a value for each ``x``.
    """
    places, values = np.asarray(x, float), np.atleast_2d(np.asarray(runs, float))
    if values.ndim != 2 or values.shape[1] != len(places):
        raise ValueError(f"runs: got shape {values.shape}, wanted [seeds, {len(places)}]")
    colour = COLOURS[number % len(COLOURS)]
    panel.plot(
        places,
        values.mean(0),
        DASHES[number % len(DASHES)],
        color=colour,
        label=label,
        marker=MARKERS[number % len(MARKERS)] if len(places) <= 12 else None,
    )
    if len(values) > 1:
        panel.fill_between(places, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)


def curves(
    x: ArrayLike | Mapping[str, ArrayLike],
    lines: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    zh: str,
    en: str,
    width: float = 6.0,
    height: float = 2.8,
    **axes: Any,
) -> Drawing:
    """Lines over a common axis, each with the range of its seeds as a band.

    Args:
        x: ``[X]`` for all lines, or one for each by the name of the line.
        lines: name to ``[S, X]``, a row a seed, or ``[X]``.
        xlabel: with the unit.
        ylabel: with the unit.
        zh: description, see ``show``.
        en: description, see ``show``.
        width: inches.
        height: inches.
        axes: for ``Axes.set``, such as ``xscale="log"``.
    """
    drawing, (panel,) = figure(width=width, height=height)
    for number, (name, runs) in enumerate(lines.items()):
        spread(panel, x[name] if isinstance(x, Mapping) else x, runs, label=name, number=number)
    panel.set(xlabel=xlabel, ylabel=ylabel, **axes)
    if "xticks" in axes:
        panel.minorticks_off()  # a logarithmic axis would write its own numbers between those asked for
    return show(drawing, zh=zh, en=en)


def bars(
    groups: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    ylabel: str,
    zh: str,
    en: str,
    width: float = 6.0,
    height: float = 2.8,
    **axes: Any,
) -> Drawing:
    """Groups of bars, each the mean of its seeds, with every seed as a dot.

    Args:
        groups: names under the groups.
        series: name to ``[G, S]``, a row a group and a column a seed, or ``[G]``.
        ylabel: with the unit.
        zh: description, see ``show``.
        en: description, see ``show``.
        width: inches.
        height: inches.
        axes: for ``Axes.set``.

    Raises:
        ValueError: a series does not have one row for each group.
    """
    drawing, (panel,) = figure(width=width, height=height)
    size = 0.8 / len(series)
    for number, (name, values) in enumerate(series.items()):
        table = np.asarray(values, float).reshape(len(np.atleast_1d(values)), -1)  # [G, S]
        if len(table) != len(groups):
            raise ValueError(f"series: got {len(table)} rows of {name!r}, wanted {len(groups)}, one a group")
        where = np.arange(len(groups)) + size * (number - (len(series) - 1) / 2)
        colour, hatch = COLOURS[number % len(COLOURS)], HATCHES[number % len(HATCHES)]
        panel.bar(where, table.mean(1), 0.9 * size, label=name, color=colour, hatch=hatch)
        if table.shape[1] > 1:
            places = np.repeat(where, table.shape[1])
            panel.plot(places, table.ravel(), ".", color=INK, markersize=3)
    panel.set(xticks=range(len(groups)), xticklabels=groups, ylabel=ylabel, **axes)
    return show(drawing, zh=zh, en=en)


def heat(
    values: ArrayLike,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    zh: str,
    en: str,
    xlabel: str = "",
    ylabel: str = "",
    digits: int = 2,
    width: float = 6.0,
    height: float = 2.8,
) -> Drawing:
    """A table as coloured cells, with its numbers written into them while there are at most 100.

    Args:
        values: ``[R, C]``.
        rows: names of the rows, the first on top.
        columns: names of the columns.
        zh: description, see ``show``.
        en: description, see ``show``.
        xlabel: what the columns are.
        ylabel: what the rows are.
        digits: after the decimal point.
        width: inches.
        height: inches.

    Raises:
        ValueError: the names do not fit the values.
    """
    table = np.asarray(values, float)
    if table.shape != (len(rows), len(columns)):
        raise ValueError(f"values: got shape {table.shape}, wanted [{len(rows)}, {len(columns)}]")
    drawing, (panel,) = figure(width=width, height=height)
    mesh = panel.pcolormesh(table, cmap="cividis")
    if table.size <= 100:
        middle = (table.min() + table.max()) / 2
        for (row, column), value in np.ndenumerate(table):
            ink = BLACK if value > middle else "white"
            panel.text(column + 0.5, row + 0.5, f"{value:.{digits}f}", ha="center", va="center", color=ink)
    else:
        drawing.colorbar(mesh, ax=panel, drawedges=False)
    panel.set(xticks=np.arange(len(columns)) + 0.5, yticks=np.arange(len(rows)) + 0.5)
    panel.set(xticklabels=columns, yticklabels=rows, xlabel=xlabel, ylabel=ylabel)
    panel.invert_yaxis()
    for side in panel.spines.values():
        side.set_visible(False)
    return show(drawing, zh=zh, en=en)
