"""How wide a text may become: an estimate from above, because the reader's browser chooses the font."""

from __future__ import annotations

import unicodedata
from functools import cache

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font, LoadFlags

MARGIN = 1.04
"""For a font that is a little wider than the one measured with."""
EM = 1000
"""Units that the font is measured at."""


@cache
def _font(bold: bool) -> FT2Font:
    # It comes with Matplotlib, so it is the same everywhere; of the usual fonts for pages it is the widest.
    font = FT2Font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(EM, 72)
    return font


@cache
def _advance(character: str, bold: bool, chinese: bool) -> float:
    """Width of one character in ems."""
    wide = unicodedata.east_asian_width(character)
    if wide in "WF" or (chinese and wide == "A"):  # quotes and signs take a whole square in Chinese fonts
        return 1.0
    glyph = _font(bold).load_char(ord(character), flags=LoadFlags.NO_HINTING)
    return float(glyph.linearHoriAdvance) / 65536 / EM


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Units that a line of text takes at most.

    Args:
        text: one line.
        size: of the letters, in units of the drawing.
        bold: written so.
    """
    chinese = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    return MARGIN * size * sum(_advance(character, bold, chinese) for character in text)
