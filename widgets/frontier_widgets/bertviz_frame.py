"""BertViz's pictures in a frame of their own, without the network.

BertViz loads RequireJS, jQuery and D3 from a public server. On a page that opens from disk they are not
there, and where RequireJS is there it takes the page's other scripts apart. Here its own script runs in a
sandboxed frame, beside the parts of jQuery and D3 that it uses (``widgets/build.mjs`` puts them together).
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

LIBRARIES = Path(__file__).with_name("bertviz_libraries.js")
STYLE = "body{margin:0;font:14px sans-serif;background:#fff;color:#000;color-scheme:light}"
DIGITS = 3


@dataclass(frozen=True)
class Frame:
    """A picture that a page shows in a frame.

    Attributes:
        document: the frame's whole page.
        title: what it shows, for those who cannot see it, in Chinese.
        english: the same in English.
        height: in CSS pixels.
    """

    document: str
    title: str
    english: str
    height: int

    def _repr_html_(self) -> str:
        return (
            f'<iframe class="frontier-frame" sandbox="allow-scripts" '
            f'aria-label="{html.escape(self.title)}" data-alt-zh="{html.escape(self.title)}" '
            f'data-alt-en="{html.escape(self.english)}" srcdoc="{html.escape(self.document)}" '
            f'style="width:100%;height:{self.height}px;border:0;background:#fff"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Frame({self.title})"


@functools.cache
def _libraries() -> str:
    return LIBRARIES.read_text("utf8")


def rounded(attention: Sequence[Tensor]) -> list[Tensor]:
    """Weights with ``DIGITS`` digits, which is what a picture shows: a page carries a third of the bytes."""
    return [layer.double().round(decimals=DIGITS) for layer in attention]


def frame(view: Any, *, zh: str, en: str, height: int) -> Frame:
    """A view of BertViz as a frame.

    Args:
        view: what ``head_view`` or ``model_view`` give with ``html_action="return"``.
        zh: what it shows, in Chinese.
        en: the same in English.
        height: in CSS pixels.

    Raises:
        ValueError: BertViz writes its pages in another way than this module knows, so that something would
            still be asked of the network.
    """
    body = re.sub(r'<script src="https://[^"]*require[^"]*"></script>', "", view.data)
    body = re.sub(r"require\.config\(\{.*?\n\}\);", "", body, flags=re.S)
    body = re.sub(r"/\*\*.*?\*/", "", body, flags=re.S)
    body = re.sub(r"bertviz-[0-9a-f]{32}", "bertviz", body)
    body = body.replace('<select id="layer">', '<select id="layer" aria-label="Layer">')
    body = body.replace('<select id="filter">', '<select id="filter" aria-label="Attention">')
    if found := re.search(r"https?://(?!www\.w3\.org)[^\s\"'<]+", body):
        raise ValueError(f"view: got one that asks for {found[0]}, wanted one of BertViz 1.4")
    # A token may be "</script>": inside the script it has to be written so that it does not end it.
    before, opening, script = body.partition('<script type="text/javascript">')
    code, closing, after = script.rpartition("</script>")
    body = before + opening + code.replace("</", "<\\/") + closing + after
    document = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(en)}</title>'
        f"<style>{STYLE}</style><script>{_libraries()}</script>{body}</html>"
    )
    return Frame(document, zh, en, height)
