"""What every page of the book must be: each check takes a notebook and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tools import notebooks as tool

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


SECTIONS = ("思想", "从零实现", "用库实现", "实验", "原文勘误", "前沿进展", "练习", "小结")
"""Beginnings of the level-two headings, in this order; others may stand between them."""

STILL = ("28.5.3", "28.5.5")
"""Pages for which no live figure is planned."""

EXERCISE = re.compile(r"""\bcheck\(\s*["']([\w.]+-\d+)["']""")
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
TIME = re.compile(r"\d\s?(?:(?:ns|µs|us|μs|ms|s|sec|min|seconds?|minutes?)\b|纳秒|微秒|毫秒|秒|分钟)")
LONG_FLOAT = re.compile(r"\d\.\d{7,}")
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|Users|work|tmp|usr|opt|var|mnt|private)/[\w.]|\b[A-Z]:\\\\?\w|\bfile://"
)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def lines(source: str) -> list[str]:
    """Lines of code that a reader reads: blank ones do not count."""
    return [line for line in source.splitlines() if line.strip()]


def headings(notebook: Any) -> Iterator[tuple[int, int, str]]:
    """Cell number, level and text of each heading."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for match in re.finditer(
                r"^(#{1,6}) +(.+?)\s*$", re.sub(r"^```.*?^```", "", cell.source, flags=re.S | re.M), re.M
            ):
                yield number, len(match[1]), match[2]


def has_view(cell: Any) -> bool:
    return any(tool.VIEW in output.get("data", {}) for output in cell.get("outputs", []))


def is_picture(cell: Any) -> bool:
    """Whether a cell shows something to look at."""
    if cell.cell_type == "markdown":
        return bool(
            re.search(
                r"!\[[^\]]+\]\(|^:{3,}\{figure\}|^```\{figure\}|data-component=|<svg\b", cell.source, re.M
            )
        )
    return has_view(cell) or any(
        "<svg" in output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])
    )


def anatomy(notebook: Any) -> list[str]:
    """Claim and picture first, then the sections in order, the live figure before the corrections."""
    found = []
    cells = notebook.cells
    titles = [text for _, level, text in headings(notebook) if level == 1]
    if len(titles) != 1 or not cells[0].source.lstrip().startswith("# "):
        found.append(f"level-one headings are {titles}, wanted one, at the start of the first cell")
    wanted = list(SECTIONS)
    places: dict[str, int] = {}
    for number, level, text in headings(notebook):
        if level == 2 and wanted and text.startswith(wanted[0]):
            places[wanted.pop(0)] = number
    if wanted:
        return [
            *found,
            f"no level-two heading begins with {wanted[0]!r} after {', '.join(places) or 'the start'}",
        ]
    opening = cells[: places["思想"]]
    if not any(
        re.search(r"(?:阅读|读完)\D{0,6}\d+\s*分钟", cell.source)
        for cell in opening
        if cell.cell_type == "markdown"
    ):
        found.append("the opening does not say the reading time (读完约 … 分钟)")
    if not any(is_picture(cell) for cell in opening):
        found.append("no picture stands before 思想")
    if not "".join(titles).startswith(STILL) and not any(
        has_view(cell) for cell in cells[places["实验"] : places["原文勘误"]]
    ):
        found.append("no cell between 实验 and 原文勘误 shows a live figure")
    return found


def setup(notebook: Any) -> list[str]:
    """The set-up cell is the first code cell, word for word, and does nothing here."""
    tagged = [cell for cell in code_cells(notebook) if "setup" in tags(cell)]
    if len(tagged) != 1 or code_cells(notebook)[0] is not tagged[0]:
        return [f"{len(tagged)} cells are tagged setup, wanted one, the first code cell"]
    found = []
    address = re.search(
        r'REPOSITORY_URL = os\.environ\.get\("REPOSITORY_URL"\) or "([^"]*)"', tagged[0].source
    )
    if address is None or tagged[0].source != tool.setup_source(address[1]):
        found.append("the set-up cell is not the one of tools/notebooks.py, word for word")
    elif address[1] and not re.fullmatch(r"https://[\w.-]+/[\w./~-]+", address[1]):
        found.append(f"the set-up cell clones {address[1]!r}, wanted an https address or none")
    if tagged[0].outputs:
        found.append("the set-up cell printed something outside Colab")
    return found


def execution(notebook: Any) -> list[str]:
    """Every cell ran, once, top to bottom in a fresh kernel, and none hides its result."""
    found = list(tool.problems(notebook))
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"execution counts are {counts}, wanted 1 to {len(counts)} in order")
    for number, cell in enumerate(notebook.cells):
        if (
            cell.cell_type == "code"
            and lines(cell.source)
            and lines(cell.source)[-1].split("#")[0].rstrip().endswith(";")
        ):
            found.append(f"cell {number} ends with a semicolon, which hides its result from nbval too")
        if cell.cell_type == "code" and not cell.source.strip():
            found.append(f"cell {number} is empty")
    return found


def size(notebook: Any) -> list[str]:
    """Cells are short: none over 40 lines, nine in ten at most 25, half of them at most 8."""
    counts = sorted(len(lines(cell.source)) for cell in code_cells(notebook) if "setup" not in tags(cell))
    if not counts:
        return ["no code cell beside the set-up"]
    found = []
    if counts[-1] > 40:
        found.append(f"the longest cell has {counts[-1]} lines, wanted at most 40")
    if sum(count <= 25 for count in counts) < 0.9 * len(counts):
        found.append(
            f"{sum(count > 25 for count in counts)} of {len(counts)} have over 25 lines, wanted one in ten"
        )
    if median(counts) > 8:
        found.append(f"the median cell has {median(counts)} lines, wanted at most 8")
    return found


def outputs(notebook: Any) -> list[str]:
    """Outputs are the same on every machine: no times, no long floats, no folders."""
    found = []
    for number, cell in enumerate(notebook.cells):
        for text in [text for output in cell.get("outputs", []) for text in tool.texts(output)]:
            for name, pattern in (("a time", TIME), ("a long float", LONG_FLOAT), ("a folder", MACHINE_PATH)):
                if match := pattern.search(text):
                    shown = text[max(0, match.start() - 20) : match.end() + 20].strip()
                    found.append(f"cell {number} shows {name}: …{shown}…")
    for number, cell in enumerate(notebook.cells):
        if match := MACHINE_PATH.search(cell.source):
            found.append(f"cell {number} names a folder of one machine: {match[0]}")
    return found


def exercises(notebook: Any) -> list[str]:
    """Three or more, each a stub that is checked as open and an executed solution in a dropdown."""
    found = []
    states: dict[str, set[str]] = {}
    folded = 0  # depth of {solution-start} with a dropdown around the cells
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for match in re.finditer(r"\{solution-(start|end)\}[^\n]*((?:\n:[^\n]*)*)", cell.source):
                folded = int("dropdown" in match[2]) if match[1] == "start" else 0
            continue
        printed = "".join(output.get("text", "") for output in cell.outputs)
        for name in EXERCISE.findall(cell.source):
            state = "solved" if f"✓ {name}" in printed else "open" if f"○ {name}" in printed else "silent"
            hidden = folded or {"hide-cell", "hide-input", "hide_cell", "hide_input"} & set(tags(cell))
            states.setdefault(name, set()).add(state if state != "solved" or hidden else "solved in the open")
    for name, got in states.items():
        if got != {"open", "solved"}:
            found.append(
                f"exercise {name} is {' and '.join(sorted(got))}, wanted an open stub and a folded solution"
            )
    if len(states) < 3:
        found.append(f"{len(states)} exercises, wanted three or more")
    return found


def citations(notebook: Any, known: set[str]) -> list[str]:
    """Every key cited is in the bibliography, and something is cited."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cited = {key.strip() for group in CITATION.findall(text) for key in group.split(",")}
    found = [f"{key} is cited but not in references.bib" for key in sorted(cited - known)]
    return found if cited else ["nothing is cited"]
