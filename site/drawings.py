"""Room for what a drawing says: its letters are set by the reader's browser, in the language of the page.

Matplotlib lays a figure out with the fonts of the machine that draws, which need have no Chinese, and before
anything is translated. A label that turns out longer than its room would be cut at the edge of its cell.
"""

from __future__ import annotations

import html
import re
from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

SVG = re.compile(
    r'(?P<head><svg role="img"[^>]*viewBox=")0 0 (?P<width>[\d.]+) (?P<height>[\d.]+)'
    r'(?P<between>"[^>]*max-width:)(?P<pixels>\d+)(?P<rest>px[^>]*>)(?P<body>.*?)</svg>',
    re.S,
)
TEXT = re.compile(
    r'<text style="font-size: (?P<size>[\d.]+)px;(?P<style>[^"]*)" '
    r'(?:x="(?P<x>[-\d.]+)" [^>]*rotate\(-0 [^>]*|transform="translate\((?P<moved>[-\d.]+) [-\d.]+\)")'
    r">(?P<words>[^<]*)</text>"
)
"""As Matplotlib writes a line of text that runs from left to right; a label turned on its side has room."""
WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]")
BEFORE = {"start": 0.0, "middle": 0.5, "end": 1.0}
"""The share of a text that stands to the left of its place."""
FONT = FontProperties(family="DejaVu Sans", size=100)
MARGIN = 2.0
"""Points between the longest text and the edge."""


@cache
def text_width(words: str) -> float:
    """How wide a line of text is at a size of 1: Chinese in squares, all else in DejaVu Sans, which is wide.

    Narrower fonts leave some room empty; few that readers have are wider.
    """
    plain = WIDE.sub("", words)
    width, _, _ = (
        text_to_path.get_text_width_height_descent(plain, FONT, ismath=False) if plain else (0, 0, 0)
    )
    return len(words) - len(plain) + float(width) / FONT.get_size()


def with_room(source: str) -> str:
    """HTML whose drawings are as wide as their texts need; drawings whose texts fit are left as they are."""

    def widen(found: re.Match[str]) -> str:
        width = float(found["width"])
        left, right = 0.0, width
        for text in TEXT.finditer(found["body"]):
            long = text_width(html.unescape(text["words"]).strip()) * float(text["size"])
            anchor = re.search(r"text-anchor: (\w+)", text["style"])
            start = float(text["x"] or text["moved"]) - BEFORE[anchor[1] if anchor else "start"] * long
            left, right = min(left, start - MARGIN), max(right, start + long + MARGIN)
        if (left, right) == (0.0, width):
            return found[0]
        pixels = round(float(found["pixels"]) * (right - left) / width)
        box = f"{left:.4g} 0 {right - left:.4g} {found['height']}"
        return f"{found['head']}{box}{found['between']}{pixels}{found['rest']}{found['body']}</svg>"

    return SVG.sub(widen, source)
