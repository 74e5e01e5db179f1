"""What the theme would spoil: drawings in the dark, the focus ring, the skip link, the size of the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from built_site import page_names, tool

PAGE = "28-2-efficient/1-mixture-of-experts.html"
FRAMES = "28-4-interpretability/1-attention-visualization.html"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])

CONTRAST = """
const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
};
const behind = (el) => {
    for (let at = el; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if (!/rgba\\(.*, 0\\)|transparent/.test(backgroundColor)) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
};
"""
"""``contrast(a, b)`` of WCAG, and ``behind(el)``, the colour that an element stands on."""

RINGLESS = (
    "() => {"
    + CONTRAST
    + """
    const el = document.activeElement;
    if (!el || el === document.body) return null;
    const drawn = [el, el.nextElementSibling, ...el.querySelectorAll("*")].filter(Boolean)
        .flatMap((at) => ["", "::before", "::after"].map((part) => [at, getComputedStyle(at, part || null)]));
    const ring = drawn.some(([at, { outlineStyle, outlineWidth, outlineColor }]) => outlineStyle !== "none"
        && parseFloat(outlineWidth) >= 2 && contrast(outlineColor, behind(at.parentElement)) >= 3);
    return ring ? "" : el.outerHTML.slice(0, 160);
}"""
)
"""``null`` where nothing has the focus, else the element that has it without a ring that one can see."""

CARDS_AND_BLACK = (
    "() => {"
    + CONTRAST
    + """
    const page = behind(document.querySelector("article"));
    const cards = new Set(), black = [];
    for (const svg of document.querySelectorAll(".frontier-figure svg")) {
        if (behind(svg) !== page) cards.add(behind(svg));
        for (const el of svg.querySelectorAll("text, path, use, line")) {
            if (el.closest("defs, clipPath")) continue;
            const { fill, stroke } = getComputedStyle(el);
            if ([fill, stroke].includes("rgb(0, 0, 0)")) black.push(el.outerHTML);
        }
    }
    return [[...cards], black.map((html) => html.slice(0, 200))];
}"""
)
"""Colours under drawings that are not the page's, and what of them is black whatever the page."""


DRAWINGS = [
    name
    for name in page_names()
    if not name.startswith("en/") and "frontier-figure" in (tool.SITE / name).read_text("utf8")
]


@pytest.mark.parametrize("name", DRAWINGS or ["index.html"])
def test_a_drawing_stands_on_the_dark_page_itself_in_the_pages_ink(
    open_page: Callable[..., Any], http_root: str, name: str
) -> None:
    page = open_page(http_root, name, color_scheme="dark")
    cards, black = page.evaluate(CARDS_AND_BLACK)
    assert cards == []
    assert black == [], "\n".join(black[:20])


def test_a_frame_keeps_its_card_in_the_dark(open_page: Callable[..., Any], http_root: str) -> None:
    page = open_page(http_root, FRAMES, color_scheme="dark")
    card = page.locator(".cell_output .text_html:has(iframe)").first
    assert card.evaluate("el => getComputedStyle(el).backgroundColor") == "rgb(223, 227, 234)"


@SCHEMES
@pytest.mark.parametrize("name", ["index.html", PAGE])
def test_each_stop_of_the_tab_key_can_be_seen(
    open_page: Callable[..., Any], http_root: str, name: str, scheme: str
) -> None:
    page = open_page(http_root, name, color_scheme=scheme)
    page.add_style_tag(content="*, *::before, *::after { transition: none !important }")
    stops, ringless = 0, []
    while stops < 600:
        page.keyboard.press("Tab")
        found = page.evaluate(RINGLESS)
        if found is None:
            break
        stops += 1
        if found:
            ringless.append(found)
    assert stops > 30
    assert page.evaluate(RINGLESS) is None, "the end of the page was not reached"
    assert ringless == [], f"{len(ringless)} of {stops} stops:\n" + "\n".join(ringless)


@SCHEMES
def test_the_skip_link_can_be_read(open_page: Callable[..., Any], http_root: str, scheme: str) -> None:
    page = open_page(http_root, "index.html", color_scheme=scheme)
    page.keyboard.press("Tab")
    link = page.locator(".skip-link a")
    assert link.evaluate("el => el === document.activeElement")
    ratio = "el => {" + CONTRAST + "return contrast(getComputedStyle(el).color, behind(el)); }"
    assert link.evaluate(ratio) >= 7


def sizes(page: Any) -> list[str]:
    """Computed sizes of body, a paragraph and the root, in pixels."""
    found: list[str] = page.evaluate(
        "['body', 'article p', 'html'].map((at) => getComputedStyle(document.querySelector(at)).fontSize)"
    )
    return found


@pytest.mark.parametrize("prefix", ["", "en/"])
def test_the_text_is_of_the_size_that_the_book_sets(
    open_page: Callable[..., Any], http_root: str, prefix: str
) -> None:
    page = open_page(http_root, prefix + PAGE)
    assert sizes(page) == ["17px", "17px", "16px"]
    page.emulate_media(media="print")
    points = [round(float(size.removesuffix("px")) * 0.75, 2) for size in sizes(page)]
    assert points == [10.5, 10.5, 10.5]
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 844})
    assert sizes(page)[0] == "16px"


def test_no_rule_of_ours_sets_the_variable_that_the_theme_takes_away() -> None:
    """It is the theme's unit of rem: a size written into it would scale every length of the page."""
    style = (tool.ROOT / "site" / "assets" / "book.css").read_text("utf8")
    assert not re.search(r"--pst-font-size-base:", style)
