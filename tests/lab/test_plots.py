"""Figures as inline SVG: described in both languages, following the page, same bytes for the same data."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from frontier_lab import plots
from frontier_lab.plots import Drawing

SVG = "{http://www.w3.org/2000/svg}"
SAMPLE = """
from frontier_lab import plots
drawing, (left, right) = plots.figure(2)
left.plot([0, 1, 2], [0.1234567, 0.5, 0.25], marker=plots.MARKERS[0], label="均衡")
left.set_xlabel("step")
left.legend()
right.bar(["a", "b"], [3, 1])
print(plots.show(drawing, zh="两条线", en="Two lines").svg)
"""


def draw(zh: str = "左高右低。", en: str = "Left is higher than right.") -> Drawing:
    """A figure of one panel with a curve, ticks and a title."""
    drawing, (panel,) = plots.figure()
    panel.plot([0, 1, 2], [0.0005, 0.00075, 0.0010])
    panel.set_yticks([0.0005, 0.00075, 0.0010], labels=["0.0005", "0.00075", "0.0010"])
    panel.set_title("负载 load")
    return plots.show(drawing, zh=zh, en=en)


def root(drawing: Drawing) -> ElementTree.Element:
    """The parsed figure; fails where the SVG is not well formed."""
    return ElementTree.fromstring(drawing.svg)


def test_a_figure_is_an_image_with_both_descriptions() -> None:
    svg = root(draw())
    assert svg.tag == f"{SVG}svg"
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == svg.attrib["data-alt-zh"] == "左高右低。"
    assert svg.attrib["data-alt-en"] == "Left is higher than right."


def test_descriptions_may_hold_any_character() -> None:
    zh, en = '大于 > 小于 < 引号 " 与 &', "a < b > c \"d\" & 'e'"
    svg = root(draw(zh, en))
    assert (svg.attrib["data-alt-zh"], svg.attrib["data-alt-en"]) == (zh, en)


@pytest.mark.parametrize("missing", ["zh", "en"])
def test_a_figure_without_a_description_is_refused(missing: str) -> None:
    texts = {"zh": "图", "en": "figure", missing: " "}
    with pytest.raises(ValueError, match=f"{missing}: got an empty description"):
        draw(**texts)


def test_ink_and_font_are_the_pages_and_text_is_text() -> None:
    drawing = draw()
    assert plots.INK not in drawing.svg
    assert "currentColor" in drawing.svg
    assert "DejaVu" not in drawing.svg
    assert "<style" not in drawing.svg
    assert "负载 load" in {(element.text or "").strip() for element in root(drawing).iter(f"{SVG}text")}


def test_a_small_number_on_an_axis_is_not_rounded() -> None:
    texts = [(element.text or "").strip() for element in root(draw()).iter(f"{SVG}text")]
    assert {"0.0005", "0.00075", "0.0010"} <= set(texts)


def test_coordinates_are_rounded_to_a_thousandth_of_a_point() -> None:
    tags = "".join(re.findall(r"<[^>]+>", draw().svg))
    assert not re.search(r"\d\.\d{4}", tags)


def test_the_frame_is_the_figures_and_nothing_is_drawn_outside_the_page() -> None:
    drawing, _ = plots.figure(width=6, height=2)
    svg = root(plots.show(drawing, zh="空", en="empty"))
    assert svg.attrib["viewBox"] == "0 0 432 144"
    assert "max-width:576px" in svg.attrib["style"]
    assert "width:100%" in svg.attrib["style"]


def test_nothing_is_asked_from_the_network() -> None:
    text = draw().svg
    assert set(re.findall(r"https?://[^\"'\s)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert re.findall(r"""(?:href|src)=["'](?!#)""", text) == []
    assert re.findall(r"url\((?!#)", text) == []


def test_references_lead_to_ids_of_the_same_figure() -> None:
    text = draw().svg
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    references = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert references
    assert references <= set(ids)


def test_ids_of_two_figures_on_a_page_differ() -> None:
    first = set(re.findall(r'\bid="([^"]+)"', draw().svg))
    second = set(re.findall(r'\bid="([^"]+)"', draw(en="Another one.").svg))
    assert first
    assert not first & second


def test_the_same_data_gives_the_same_bytes_in_two_processes() -> None:
    made = {
        subprocess.run([sys.executable, "-c", SAMPLE], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(made) == 1
    assert b"Two lines" in made.pop()


def test_a_notebook_shows_the_figure_and_prints_its_description() -> None:
    drawing = draw()
    assert drawing._repr_html_() == f'<figure class="frontier-figure">{drawing.svg}</figure>'
    assert repr(drawing) == "Drawing(左高右低。)"


def test_colours_and_markers_go_together() -> None:
    assert len(plots.COLOURS) == len(set(plots.COLOURS)) == len(plots.MARKERS) == len(set(plots.MARKERS))


# ---- one call a figure -------------------------------------------------------------------------------------

WORDS = {"zh": "图。", "en": "A figure."}
SEEDS = np.array([[3.0, 2.0, 1.5], [3.2, 2.4, 1.4]])


def texts(drawing: Drawing) -> list[str]:
    """Every text in the drawing: names of lines, ticks, labels."""
    return ["".join(node.itertext()) for node in root(drawing).iter(f"{SVG}text")]


def test_curves_name_their_lines_and_axes_and_tell_them_apart_without_colour() -> None:
    lines = {"均衡": SEEDS, "不均衡": SEEDS + 1, "基线": SEEDS[0] + 2}
    drawing = plots.curves([0, 10, 20], lines, xlabel="步", ylabel="损失（nat）", **WORDS)
    assert {"均衡", "不均衡", "基线", "步", "损失（nat）"} <= set(texts(drawing))
    dashes = re.findall(r"stroke-dasharray: ([\d. ,]+)", drawing.svg)
    assert len(set(dashes)) >= 2
    assert drawing.svg.count("fill-opacity: 0.2") == 2  # a single line has no band


def test_curves_take_an_axis_for_each_line() -> None:
    lines = {"a": SEEDS, "b": SEEDS[:, :2]}
    drawing = plots.curves({"a": [0, 1, 2], "b": [0, 2]}, lines, xlabel="x", ylabel="y", **WORDS)
    assert {"a", "b"} <= set(texts(drawing))


def test_curves_refuse_a_line_that_does_not_fit_its_axis() -> None:
    with pytest.raises(ValueError, match=r"runs: got shape \(2, 3\), wanted \[seeds, 2\]"):
        plots.curves([0, 1], {"a": SEEDS}, xlabel="x", ylabel="y", **WORDS)


def test_bars_show_the_mean_and_every_seed() -> None:
    drawing = plots.bars(["左", "右"], {"甲": [[1, 2], [3, 4]], "乙": [[2, 2], [1, 1]]}, ylabel="y", **WORDS)
    assert {"左", "右", "甲", "乙", "y"} <= set(texts(drawing))
    assert (
        len(set(re.findall(r'fill="url\(#', drawing.svg)) | set(re.findall(r"fill: url\(#", drawing.svg)))
        == 1
    )
    with pytest.raises(ValueError, match="series: got 2 rows of '甲', wanted 3, one a group"):
        plots.bars(["a", "b", "c"], {"甲": [[1, 2], [3, 4]]}, ylabel="y", **WORDS)


@pytest.mark.parametrize("made_by", ["show", "the page"])
def test_a_legend_takes_the_pages_ink(made_by: str) -> None:
    drawing, (panel,) = plots.figure()
    panel.plot([0, 1], label="均衡")
    if made_by == "the page":
        panel.legend(loc="upper left")
    svg = root(plots.show(drawing, **WORDS))
    (legend,) = [node for node in svg.iter(f"{SVG}text") if "".join(node.itertext()) == "均衡"]
    assert "currentColor" in legend.attrib["style"]


def test_heat_writes_numbers_that_can_be_read_on_their_cells() -> None:
    drawing = plots.heat([[0.0, 1.0]], rows=["行"], columns=["甲", "乙"], **WORDS)
    assert {"0.00", "1.00", "行", "甲", "乙"} <= set(texts(drawing))
    assert "<image" not in drawing.svg  # cells are shapes: sharp at every size
    many = plots.heat(np.eye(11), rows=list("abcdefghijk"), columns=list("abcdefghijk"), **WORDS)
    assert "0.00" not in texts(many)[:22]
    with pytest.raises(ValueError, match=r"values: got shape \(1, 2\), wanted \[2, 2\]"):
        plots.heat([[0.0, 1.0]], rows=["a", "b"], columns=["a", "b"], **WORDS)


@pytest.mark.parametrize("kind", ["curves", "bars", "heat"])
def test_one_call_gives_the_same_bytes_each_time(kind: str) -> None:
    def once() -> str:
        if kind == "curves":
            return plots.curves([0, 1, 2], {"a": SEEDS}, xlabel="x", ylabel="y", **WORDS).svg
        if kind == "bars":
            return plots.bars(["a", "b"], {"甲": [[1, 2], [3, 4]]}, ylabel="y", **WORDS).svg
        return plots.heat([[0.0, 1.0]], rows=["a"], columns=["b", "c"], **WORDS).svg

    assert once() == once()


def test_black_is_the_pages_ink_but_for_numbers_on_a_cell() -> None:
    drawing, (panel,) = plots.figure()
    panel.plot([0, 1], [0, 1], ".", color="black")
    panel.text(0, 0, "a note")  # outside ``figure``, where Matplotlib's own black holds
    svg = plots.show(drawing, zh="图", en="figure").svg
    assert not re.search("#000000|black", svg)
    assert 'fill="currentColor"' in svg[: svg.index(">")]  # for what Matplotlib leaves out, being black
    cells = plots.heat([[0.0, 1.0]], rows=["a"], columns=["b", "c"], zh="表", en="table").svg
    assert f"fill: {plots.BLACK}" in cells
    assert "fill: #ffffff" in cells
