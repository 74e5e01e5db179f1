"""What diagrams are drawn with: text that fits, meanings that need no colour, the page's ink, same bytes."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from frontier_lab.diagrams.canvas import (
    DEEPEST,
    INK,
    KNOWN,
    MENDED,
    SOFT,
    STRANGE,
    TINT,
    TONES,
    WIDEST,
    Panel,
    diagram,
)
from frontier_lab.diagrams.lettering import width

ROOT = Path(__file__).resolve().parents[3]
CSS = (ROOT / "site" / "assets" / "book.css").read_text("utf8")
SVG = "{http://www.w3.org/2000/svg}"
WORDS = {"zh": "图。", "en": "A picture."}
Colour = tuple[float, float, float]


def parsed(panel: Panel, prefix: str = "p-") -> ElementTree.Element:
    return ElementTree.fromstring(panel.svg(prefix))


# ---- lettering ---------------------------------------------------------------------------------------------


def test_a_chinese_character_takes_a_square_and_a_latin_one_less() -> None:
    assert width("训练过", 10) == pytest.approx(3.0 * 10, rel=0.05)
    assert width("abc", 10) < width("训练过", 10)
    assert width("iii", 10) < width("mmm", 10)


def test_quotes_are_as_wide_as_a_character_among_chinese_ones() -> None:
    assert width("“训”", 10) == pytest.approx(width("训训训", 10))
    assert width("“a”", 10) < width("训训训", 10)


def test_bold_letters_are_wider() -> None:
    assert width("window", 10, bold=True) > width("window", 10)


# ---- text --------------------------------------------------------------------------------------------------


def test_a_text_that_does_not_fit_its_box_is_refused() -> None:
    panel = Panel(200, 50)
    panel.box(0, 0, 80, 30, "五个汉字啊")
    with pytest.raises(ValueError, match=r"'六个汉字呢啊': takes 81 units, wanted at most 70"):
        panel.box(0, 0, 80, 30, "六个汉字呢啊")


@pytest.mark.parametrize(("x", "anchor", "room"), [(10, "start", 90), (10, "end", 10), (30, "middle", 60)])
def test_a_text_stays_within_its_panel(x: float, anchor: str, room: float) -> None:
    panel = Panel(100, 50)
    panel.label(x, 20, "", anchor=anchor)  # type: ignore[arg-type]
    (text,) = parsed(panel).iter(f"{SVG}text")
    assert float(text.attrib["data-room"]) == room


def test_text_is_text_in_the_pages_ink_and_font() -> None:
    panel = Panel(100, 50)
    panel.label(50, 20, 'a < b & "c"')
    svg = parsed(panel)
    (text,) = svg.iter(f"{SVG}text")
    assert text.text == 'a < b & "c"'
    assert text.attrib["fill"] == "currentColor"
    assert "font-family" not in panel.svg("p-")


def test_a_panel_wider_than_a_phone_is_refused() -> None:
    with pytest.raises(ValueError, match=rf"width: got 341, wanted at most {WIDEST}"):
        Panel(341, 10)


# ---- shapes ------------------------------------------------------------------------------------------------


def test_an_arrow_ends_in_a_head_of_the_colour_of_its_line() -> None:
    panel = Panel(100, 50)
    panel.arrow((0, 10), (90, 10), tone=STRANGE)
    line, head = parsed(panel).iter(f"{SVG}path")
    assert line.attrib["stroke"] == head.attrib["fill"] == STRANGE.colour
    assert head.attrib["d"].startswith("M90,10")
    assert not list(parsed(panel).iter(f"{SVG}marker"))  # a marker does not follow the theme everywhere


def test_an_arrow_without_a_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted two or more, the last two apart"):
        Panel(100, 50).arrow((1, 1), (1, 1))
    with pytest.raises(ValueError, match="wanted two or more, the last two apart"):
        Panel(100, 50).arrow((1, 1))


@pytest.mark.parametrize(
    ("turns", "end", "large"), [(0.25, "70,50", 0), (0.5, "50,70", 0), (0.75, "30,50", 1)]
)
def test_a_sector_goes_clockwise_from_the_top(turns: float, end: str, large: int) -> None:
    panel = Panel(100, 100)
    panel.clock(50, 50, 20, [(0, turns, KNOWN)], hand=turns)
    (arc,) = [path for path in parsed(panel).iter(f"{SVG}path") if "A" in path.attrib["d"]]
    assert re.sub(r"[MLZ ]+", " ", arc.attrib["d"]).split() == ["50,50", "50,30", f"A20,20,0,{large},1,{end}"]


def test_a_whole_turn_fills_the_face() -> None:
    panel = Panel(100, 100)
    panel.clock(50, 50, 20, [(0, 10.2, KNOWN)], hand=10.2)
    faces = [disc for disc in parsed(panel).iter(f"{SVG}circle") if disc.attrib["r"] == "20"]
    assert faces[0].attrib["fill"] == KNOWN.colour


def test_cells_are_filled_by_weight_and_left_out_where_there_is_none() -> None:
    panel = Panel(100, 100)
    panel.cells(0, 0, 20, [[1.0, None], [0.5, 0.0]], [["a", ""], ["", ""]])
    cells = list(parsed(panel).iter(f"{SVG}rect"))
    assert [float(cell.attrib["fill-opacity"]) for cell in cells] == [DEEPEST, DEEPEST / 2, 0]
    assert [text.text for text in parsed(panel).iter(f"{SVG}text")] == ["a"]


def test_a_fade_follows_its_weight() -> None:
    panel = Panel(100, 100)
    panel.fade(0, 0, 80, 10, lambda place: 1 - place, stops=2)
    stops = [float(stop.attrib["stop-opacity"]) for stop in parsed(panel).iter(f"{SVG}stop")]
    assert stops == [DEEPEST, DEEPEST / 2, 0]


# ---- colours -----------------------------------------------------------------------------------------------


def rgb(hexadecimal: str) -> Colour:
    red, green, blue = (int(hexadecimal[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def page(theme: str, name: str) -> Colour:
    """A colour of the book's, by the style sheet."""
    start = CSS.index("html:not([data-theme" if theme == "light" else 'html[data-theme="dark"] {')
    found = re.search(rf"--pst-color-{name}: (#[0-9a-f]{{6}});", CSS[start:])
    assert found
    return rgb(found[1])


def over(colour: Colour, ground: Colour, opacity: float) -> Colour:
    red, green, blue = (opacity * c + (1 - opacity) * g for c, g in zip(colour, ground, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Of two colours, 1 to 21, as WCAG 2.2 defines it."""
    light, dark = sorted(
        (
            sum(
                share * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
                for share, v in zip((0.2126, 0.7152, 0.0722), colour, strict=True)
            )
            for colour in (one, other)
        ),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@THEMES
def test_lines_of_every_tone_can_be_seen_on_the_page(theme: str) -> None:
    ground = page(theme, "background")
    for tone in TONES:
        colour = page(theme, "text-base") if tone is INK else rgb(tone.colour)
        assert contrast(colour, ground) >= 3, tone


@THEMES
def test_text_can_be_read_on_the_page_and_on_every_filling(theme: str) -> None:
    ground, ink = page(theme, "background"), page(theme, "text-base")
    assert contrast(over(ink, ground, SOFT), ground) >= 7
    for tone in (KNOWN, STRANGE, MENDED):
        tinted, deep = (over(rgb(tone.colour), ground, opacity) for opacity in (TINT, DEEPEST))
        assert contrast(ink, tinted) >= 7, tone
        assert contrast(ink, deep) >= 4.5, tone


def test_no_two_tones_differ_in_colour_alone() -> None:
    for one, other in itertools.combinations(TONES, 2):
        assert (one.dash, one.hatched, one.thickness) != (other.dash, other.hatched, other.thickness)


def test_a_hatched_tone_is_drawn_as_lines_and_its_pattern_belongs_to_the_panel() -> None:
    panel = Panel(100, 100)
    panel.clock(50, 50, 20, [(0, 0.2, STRANGE)], hand=0.2)
    panel.swatch(0, 90, STRANGE, "新")
    svg = parsed(panel, "salt-")
    (pattern,) = svg.iter(f"{SVG}pattern")
    assert pattern.attrib["id"].startswith("salt-")
    filled = [shape for shape in svg.iter() if shape.attrib.get("fill") == f"url(#{pattern.attrib['id']})"]
    assert len(filled) == 2


# ---- the whole ---------------------------------------------------------------------------------------------


def two_panels(en: str = "A picture.") -> str:
    panels = []
    for _ in range(2):
        panel = Panel(100, 100)
        panel.clock(50, 50, math.pi, [(0, 0.2, STRANGE)], hand=1 / 3)
        panels.append(panel)
    return diagram(*panels, zh="图。", en=en).svg


def test_a_diagram_is_one_image_with_both_descriptions() -> None:
    drawing = diagram(Panel(10, 10), zh="“甲” < 乙", en='"a" < b')
    root = ElementTree.fromstring(drawing.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.attrib["data-alt-zh"] == "“甲” < 乙"
    assert root.attrib["data-alt-en"] == '"a" < b'
    assert all(panel.attrib["aria-hidden"] == "true" for panel in root)


def test_a_diagram_without_panels_or_words_is_refused() -> None:
    with pytest.raises(ValueError, match="panels: got none"):
        diagram(**WORDS)
    for missing in WORDS:
        with pytest.raises(ValueError, match=f"{missing}: got an empty description"):
            diagram(Panel(10, 10), **{**WORDS, missing: " "})


def test_the_same_diagram_has_the_same_bytes_and_another_has_other_ids() -> None:
    assert two_panels() == two_panels()
    ids = [re.findall(r'\bid="([^"]+)"', two_panels(en)) for en in ("A picture.", "Another one.")]
    assert all(len(found) == len(set(found)) == 2 for found in ids)
    assert not set(ids[0]) & set(ids[1])


def test_coordinates_are_rounded_and_texts_are_not() -> None:
    panel = Panel(100, 100)
    panel.line((1 / 3, 2 / 3), (10, 10))
    panel.label(50, 20, "0.12345")
    assert "M0.33,0.67" in panel.svg("p-")
    assert "0.12345" in panel.svg("p-")


def test_nothing_is_asked_from_the_network_and_nothing_reaches_the_page() -> None:
    svg = two_panels()
    assert set(re.findall(r"https?://[^\"'\s)]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<style|<script|<image|href=", svg)
