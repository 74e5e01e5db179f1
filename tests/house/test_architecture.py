"""The pictures in docs/architecture.md against the imports: what is drawn is so, what is so is drawn.

A picture is a Mermaid flowchart whose nodes are labelled with a path of the repository; a file belongs to the
node with the longest path that it lies in. Written by hand and not with import-linter, because one picture
spans Python, notebooks and TypeScript, and the picture itself is to be the contract.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"```mermaid\n(.*?)```", re.S)
NODE = re.compile(r'(\w+)\["([^"<]+)')
LABEL = re.compile(r'\["[^"]*"\]')
EDGE = re.compile(r"^\s*(\w+)\s*-->\s*(\w+(?:\s*&\s*\w+)*)\s*$", re.M)
IMPORT = re.compile(r"""^(?:import|export)\s(?:[^;]*?\sfrom\s)?["'](\.[^"']*)["']""", re.M)
PYTHON_ROOTS = (ROOT / "src", ROOT / "widgets", ROOT / "site", ROOT)
"""Where a Python module's name starts."""
IGNORED = {"node_modules", "__pycache__", ".ipynb_checkpoints", "static"}


Arrow = tuple[str, str]


@dataclass
class Picture:
    """One flowchart: nodes by name with their path, and the arrows between names."""

    rooms: dict[str, Path]
    arrows: set[Arrow] = field(default_factory=set)

    def room(self, file: Path) -> str | None:
        """The node that a file belongs to."""
        holding = [(len(path.parts), name) for name, path in self.rooms.items() if within(file, path)]
        return max(holding)[1] if holding else None


def within(file: Path, path: Path) -> bool:
    return file == path or path in file.parents


def pictures(text: str) -> list[Picture]:
    """The flowcharts of a document.

    Raises:
        ValueError: an arrow names a node that has no path, or a path that does not exist.
    """
    found = []
    for block in BLOCK.findall(text):
        rooms = {name: ROOT / label.strip() for name, label in NODE.findall(block)}
        arrows = {
            (start, end.strip())
            for start, ends in EDGE.findall(LABEL.sub("", block))
            for end in ends.split("&")
        }
        if missing := {name for arrow in arrows for name in arrow} - rooms.keys():
            raise ValueError(f"arrows: got nodes {sorted(missing)}, wanted nodes labelled with a path")
        if gone := [str(path.relative_to(ROOT)) for path in rooms.values() if not path.exists()]:
            raise ValueError(f"nodes: got paths {gone}, wanted paths of the repository")
        found.append(Picture(rooms, arrows))
    return found


def python_modules(source: str, file: Path) -> Iterator[str]:
    """Dotted names that a Python source imports, those of ``from a import b`` with ``a.b`` as well."""
    package = python_name(file.parent) if file.suffix == ".py" else ""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for name in node.names:
                yield f"{base}.{name.name}"


def python_name(place: Path) -> str:
    for root in PYTHON_ROOTS:
        if within(place, root) and place != root:
            return ".".join(place.relative_to(root).with_suffix("").parts)
    return ""


@cache
def python_file(name: str) -> Path | None:
    """The file of this repository that a dotted name comes from: of its longest part that is a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for root in PYTHON_ROOTS:
            place = root.joinpath(*parts[:length])
            if place.with_suffix(".py").is_file():
                return place.with_suffix(".py")
            if (place / "__init__.py").is_file():
                return place / "__init__.py"
    return None


def notebook_source(file: Path) -> str:
    cells = [cell for cell in json.loads(file.read_text("utf8"))["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in [*"".join(cell["source"]).splitlines(), ""]]
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in lines)


@cache
def imported(file: Path) -> tuple[Path, ...]:
    """Files of this repository that a file imports, wherever in the file it does so."""
    if file.suffix == ".ts":
        targets = [(file.parent / address).resolve() for address in IMPORT.findall(file.read_text("utf8"))]
        return tuple(t for target in targets for t in (target.with_suffix(".ts"), target) if t.is_file())
    source = notebook_source(file) if file.suffix == ".ipynb" else file.read_text("utf8")
    found = (python_file(name) for name in python_modules(source, file))
    return tuple(target for target in found if target)


def sources(picture: Picture) -> Iterator[Path]:
    for path in set(picture.rooms.values()):
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix in {".py", ".ts", ".ipynb"} and not IGNORED & set(file.parts):
                yield file


def imports(picture: Picture) -> dict[Arrow, list[str]]:
    """Arrows that the files have, each with the imports behind it."""
    found: dict[Arrow, list[str]] = {}
    for file in sources(picture):
        here = picture.room(file)
        for target in imported(file):
            there = picture.room(target)
            if here and there and here != there:
                line = f"{file.relative_to(ROOT)} imports {target.relative_to(ROOT)}"
                found.setdefault((here, there), []).append(line)
    return found


def undrawn(arrows: set[Arrow], found: Mapping[Arrow, list[str]]) -> list[str]:
    """One line for each arrow that the files have and a picture lacks."""
    lacking = sorted((arrow, lines) for arrow, lines in found.items() if arrow not in arrows)
    return [f"{start} --> {end} is not drawn: {lines[0]}" for (start, end), lines in lacking]


DRAWN = pictures(DOCUMENT.read_text("utf8"))
every_picture = pytest.mark.parametrize("picture", DRAWN, ids=lambda picture: next(iter(picture.rooms)))


@every_picture
def test_every_import_is_drawn(picture: Picture) -> None:
    lacking = undrawn(picture.arrows, imports(picture))
    assert not lacking, "\n".join(lacking)


@every_picture
def test_every_arrow_is_an_import(picture: Picture) -> None:
    assert not picture.arrows - imports(picture).keys()


@every_picture
def test_no_arrow_leads_back(picture: Picture) -> None:
    left = set(picture.arrows)
    while left:
        ends = {end for _, end in left} - {start for start, _ in left}
        assert ends, f"a circle: {sorted(left)}"
        left = {(start, end) for start, end in left if end not in ends}


@every_picture
def test_an_arrow_taken_away_is_missed(picture: Picture) -> None:
    found = imports(picture)
    for start, end in picture.arrows:
        lacking = undrawn(picture.arrows - {(start, end)}, found)
        assert [line.partition(" is ")[0] for line in lacking] == [f"{start} --> {end}"]


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ("lab --> nowhere", "wanted nodes labelled with a path"),
        ('gone["src/no_such_place"]\n  lab --> gone', "wanted paths of the repository"),
    ],
)
def test_a_picture_of_what_is_not_there_is_refused(drawn: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pictures(f'```mermaid\ngraph TD\n  lab["src/frontier_lab"]\n  {drawn}\n```')
