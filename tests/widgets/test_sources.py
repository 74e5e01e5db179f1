"""The figures' sources stay readable: short files, short lines, and folders that depend in one direction."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WIDGETS = Path(__file__).parents[2] / "widgets"
SOURCES = sorted(
    file.relative_to(WIDGETS)
    for folder in ("src", "tests")
    for file in (WIDGETS / folder).rglob("*")
    if file.suffix in {".ts", ".css"}
)
MODULES = sorted(file.relative_to(WIDGETS) for file in WIDGETS.glob("*.mjs"))
LONGEST_FILE = 400
LONGEST_LINE = 110
ADDRESS = re.compile(r'import \w+ from "[^"]+";')

ALLOWED = {
    "base": set(),
    "reader": {"base"},
    "host": {"base"},
    "claims": {"base", "reader", "long_context_strategies"},
}
"""Folders of ``src`` that a folder may import from; a figure from the base and the reader.

What measures a claim again stretches positions as the figure of long contexts does."""
FIGURE = {"base", "reader"}


def overlong(name: str, text: str) -> list[str]:
    """What is too long in a file: the file itself, and its lines by number; an address cannot be broken."""
    lines = text.splitlines()
    found = [
        f"{name}:{i} has {len(line)} columns"
        for i, line in enumerate(lines, 1)
        if len(line) > LONGEST_LINE and not ADDRESS.fullmatch(line)
    ]
    return found + ([f"{name} has {len(lines)} lines"] if len(lines) > LONGEST_FILE else [])


@pytest.mark.parametrize("file", [*SOURCES, *MODULES], ids=str)
def test_a_source_is_short(file: Path) -> None:
    assert not overlong(str(file), (WIDGETS / file).read_text("utf8"))


def test_what_is_too_long_would_be_seen() -> None:
    assert overlong("a.ts", "x" * 111) == ["a.ts:1 has 111 columns"]
    assert overlong("a.ts", "x\n" * 401) == ["a.ts has 401 lines"]


def imported(file: Path, text: str) -> set[str]:
    """Folders of ``src`` that a file of it imports from, its own left out."""
    root = Path("src")
    found = set()
    for address in re.findall(r'(?:from|import|@import) "(\.[^"]+)"', text):
        target = (WIDGETS / file.parent / address).resolve()
        if target.is_relative_to(WIDGETS / root):
            found.add(target.relative_to(WIDGETS / root).parts[0])
    return found - {file.relative_to(root).parts[0]}


@pytest.mark.parametrize("file", [file for file in SOURCES if file.parts[0] == "src"], ids=str)
def test_a_folder_imports_only_what_lies_below_it(file: Path) -> None:
    folder = file.parts[1]
    above = imported(file, (WIDGETS / file).read_text("utf8")) - ALLOWED.get(folder, FIGURE)
    assert not above, f"{file} imports from {sorted(above)}"


def test_an_import_from_above_would_be_seen() -> None:
    text = 'import { h } from "../base/dom";\nimport type { State } from "../moe_routing/state";\n'
    assert imported(Path("src/reader/model.ts"), text) == {"base", "moe_routing"}
