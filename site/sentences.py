"""The sentences of a page's prose, with the marks that they carry: what the ledger of claims is checked on.

Markdown is read by MyST's own parser, so that a role, a formula or a piece of code is never taken for words.
A sentence is what a reader would take for one, in Chinese and in English; a row of a table is one block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "html_image", "substitution"}
"""Those of ``_config.yml``; a test compares the two."""

PROSE = {
    "admonition",
    "note",
    "tip",
    "warning",
    "important",
    "hint",
    "seealso",
    "dropdown",
    "figure",
    "attention",
}
"""Directives that hold prose; it is read as well."""

CODE, MATH, ROLE = "\ue000", "\ue001", "\ue002"
"""What stands in a sentence's raw text in the place of a piece of code, a formula, a role."""

ENDS = {
    "zh": re.compile(r"[。！？]+[”’」』）]*"),
    "en": re.compile(r"(?:[.!?]+[\"'”’)\]]*(?=\s|[\ue000-\ue002]|$)|[。！？]+[”’」』）]*)"),
}
ABBREVIATIONS = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|et al|etc|approx|resp|Figs?|Eqs?|Secs?|Nos?|pp?|vol|Dr|Mr)|\b[A-Z])\.$",
)
"""Before a full stop that ends no sentence: an abbreviation, an initial."""


@dataclass(frozen=True)
class Mark:
    """A role in a sentence: ``{claim}`a,b`` has the name ``claim`` and the targets ``("a", "b")``."""

    role: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Sentence:
    """Words without code, formulas and roles; the marks; the bold spans that begin in it, as they read."""

    words: str
    marks: tuple[Mark, ...] = ()
    bold: tuple[str, ...] = ()
    starts_bold: bool = False

    def targets(self, role: str) -> list[str]:
        """Of the sentence's marks with this role."""
        return [target for mark in self.marks if mark.role == role for target in mark.targets]

    @property
    def is_cited(self) -> bool:
        """Whether it says what others found."""
        return any(mark.role.partition(":")[0] == "cite" for mark in self.marks)


@dataclass
class Block:
    """A paragraph, an item of a list, a heading, or a row of a table, under a heading of level two.

    ``section`` is empty before the first of these headings. ``lead`` is what stands before a list.
    """

    kind: str
    section: str
    sentences: list[Sentence] = field(default_factory=list)
    lead: str = ""

    @property
    def words(self) -> str:
        """Of all its sentences."""
        return "".join(sentence.words for sentence in self.sentences)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Of all its sentences."""
        return tuple(mark for sentence in self.sentences for mark in sentence.marks)


@cache
def _parser() -> Any:
    return create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)


def _flat(children: Sequence[Token]) -> tuple[str, list[Mark], list[tuple[int, int]]]:
    """Raw text of an inline token, its roles in order, and where its bold spans begin and end."""
    text, marks, spans, open_at = "", [], [], []
    for child in children:
        if child.type in ("text", "text_special"):
            text += child.content
        elif child.type in ("softbreak", "hardbreak"):
            text += "\n"
        elif child.type == "code_inline":
            text += CODE
        elif child.type.startswith(("math", "amsmath")):
            text += MATH
        elif child.type == "myst_role":
            text += ROLE
            names = tuple(name.strip() for name in child.content.split(","))
            marks.append(Mark(child.meta["name"], names))
        elif child.type == "strong_open":
            open_at.append(len(text))
        elif child.type == "strong_close":
            spans.append((open_at.pop(), len(text)))
    return text, marks, spans


def plain(raw: str) -> str:
    """Raw text as words: a piece of code or a formula leaves a gap, a role nothing."""
    words = raw.replace(ROLE, "").replace(CODE, " ").replace(MATH, " ")
    return re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", words).replace("\n", " ").strip()


def ends(raw: str, language: str) -> list[int]:
    """Where the sentences of a raw text end, the last one included."""
    found = []
    for match in ENDS[language].finditer(raw):
        if not ABBREVIATIONS.search(raw[: match.start()] + "."):
            found.append(match.end())
    if not found or raw[found[-1] :].strip():
        found.append(len(raw))
    return found


def _sentences(children: Sequence[Token], language: str) -> list[Sentence]:
    raw, marks, spans = _flat(children)
    found, start, roles = [], 0, iter(marks)
    for end in ends(raw, language):
        part = raw[start:end]
        here = tuple(next(roles) for _ in range(part.count(ROLE)))
        bold = tuple(plain(raw[a:b]) for a, b in spans if start <= a < end)
        begins = start + len(part) - len(part.lstrip())
        found.append(Sentence(plain(part), here, bold, any(a == begins for a, _ in spans)))
        start = end
    return [sentence for sentence in found if sentence.words or sentence.marks]


def sentences(text: str, language: str) -> list[Sentence]:
    """Those of a paragraph of Markdown, such as a string of a message catalogue.

    Args:
        text: Markdown without block structure.
        language: ``zh`` or ``en``: where a sentence ends.
    """
    found = _parser().parseInline(text)
    return [one for token in found for one in _sentences(token.children or [], language)]


def _content(token: Token) -> str:
    """What a directive holds, without its options."""
    text = re.sub(r"\A---\n.*?\n---\n", "", token.content, flags=re.S)
    return re.sub(r"\A(?::[\w-]+:.*\n)+", "", text)


def blocks(cells: Sequence[str], language: str = "zh") -> Iterator[tuple[int, Block]]:
    """Blocks of prose of a page's cells, each with the index of its cell.

    Args:
        cells: Markdown of each cell, empty for a cell of code.
        language: ``zh`` or ``en``.
    """
    section = ""
    for number, cell in enumerate(cells):
        for block in _blocks(cell, section, language):
            if block.kind == "h2":
                section = block.words
            elif block.kind == "h1":
                section = ""
            yield number, block


def _blocks(text: str, section: str, language: str) -> Iterator[Block]:
    stack: list[str] = []
    row: Block | None = None
    lead = ""
    for token in _parser().parse(text):
        if token.nesting == 1:
            stack.append(token.tag if token.type == "heading_open" else token.type.removesuffix("_open"))
            if token.type == "tr_open":
                row = Block("head" if "thead" in stack else "row", section)
        elif token.nesting == -1:
            if token.type == "tr_close" and row:
                yield row
                row = None
            stack.pop()
        elif token.type in ("fence", "colon_fence"):
            name = re.match(r"\{([\w:-]+)\}", token.info.strip())
            if name and name[1] in PROSE:
                yield from _blocks(_content(token), section, language)
        elif token.type == "inline":
            found = _sentences(token.children or [], language)
            if row:
                row.sentences += found
                continue
            block = Block(_kind(stack), section, found)
            if block.kind == "item":
                block.lead = lead
            else:
                lead = block.words
            if block.kind == "h2":
                section = block.words
            yield block


def _kind(stack: Sequence[str]) -> str:
    if re.fullmatch(r"h\d", stack[-1]):
        return stack[-1]
    return "item" if "list_item" in stack else "paragraph"
