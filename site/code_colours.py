"""Highlighted code, without spans that show nothing: a quarter of the HTML of a page with much code.

Pygments gives every name, bracket and comma a span with a class, and the theme's styles colour these as plain
text. They are left out of the page, and so are those of operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.token import Name, Operator, Punctuation, Text, Whitespace  # type: ignore[import-untyped]
from sphinx.highlighting import PygmentsBridge

PLAIN = frozenset({Name, Name.Namespace, Operator, Punctuation, Whitespace})
"""What both styles, light and dark, show in the colour of plain text, and operators; not their subtypes.

Operators have a colour in the styles; but each dot is one, and dots in green say nothing.
"""


class SparingFormatter(HtmlFormatter):  # type: ignore[misc]
    """Pygments' formatter, to which the tokens of ``PLAIN`` are text."""

    def format(self, tokensource: Iterable[tuple[Any, str]], outfile: Any) -> None:
        """Write the highlighted tokens to ``outfile``."""
        super().format(((Text if kind in PLAIN else kind, text) for kind, text in tokensource), outfile)


def setup_code_colours() -> None:
    """Have Sphinx write code with it."""
    PygmentsBridge.html_formatter = SparingFormatter
