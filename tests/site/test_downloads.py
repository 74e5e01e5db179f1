"""The notebooks that pages offer: in the page's language, the same code, and figures that need no kernel."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import frontier_widgets
import nbformat
import pytest
from built_site import ROOT, tool
from nbclient import NotebookClient

from frontier_lab import plots

sys.path.insert(0, str(ROOT / "site"))
import claim_marks
import downloads
import drawings

BOOK = ROOT / "book"
NOTEBOOKS = sorted(
    file.relative_to(BOOK).as_posix()
    for file in BOOK.rglob("*.ipynb")
    if ".ipynb_checkpoints" not in file.parts
)
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
read_translations = cache(tool.read_translations)
QUOTED = ("明月几时有，把酒问青天。",)
"""Text that a model reads, which is what it is in every language."""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def states(notebook: Any) -> dict[str, Any]:
    """The saved models of a notebook's widgets."""
    return dict(notebook.metadata.get("widgets", {}).get(downloads.STATE, {}).get("state", {}))


def texts(notebook: Any) -> Iterator[str]:
    """What a reader of the notebook sees, drawings' Chinese descriptions left out."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            for mime, value in output.get("data", {}).items():
                if mime.startswith("text/"):
                    yield re.sub(r'data-alt-zh="[^"]*"', "", value)


@every_notebook
@pytest.mark.parametrize("language", ["", "en/"])
def test_each_figure_brings_its_code_and_data(site: Path, language: str, name: str) -> None:
    offered, stored = states(read(site / f"{language}_sources" / name)), states(read(BOOK / name))
    assert offered.keys() == stored.keys()
    for model_id, model in offered.items():
        if model["model_module"] != "anywidget":
            assert model == stored[model_id]
            continue
        component = frontier_widgets.components()[model["state"]["_anywidget_id"].rpartition(".")[2]]
        assert model["state"]["_esm"] == component.esm_path.read_text("utf8")
        held = {*model["state"], *(buffer["path"][0] for buffer in model.get("buffers", []))}
        assert set(component.data_traits) <= held


@every_notebook
def test_the_chinese_notebook_is_the_committed_one_without_the_marks_of_claims(site: Path, name: str) -> None:
    wanted = read(BOOK / name).cells
    for cell in wanted:
        if cell.cell_type == "markdown":
            cell.source = claim_marks.without_roles(cell.source)
            assert not re.search(r"\{(?:claim|derived|setting)\}`", cell.source)
    assert read(site / "_sources" / name).cells == wanted


@every_notebook
def test_the_english_notebook_is_in_english_and_runs_the_same_code(site: Path, name: str) -> None:
    english, chinese = read(site / "en" / "_sources" / name), read(BOOK / name)
    left = "\n".join(texts(english))
    for quoted in QUOTED:
        left = left.replace(quoted, "")
    assert downloads.HAN.findall(left) == []
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        assert (ours.cell_type, ours.id) == (theirs.cell_type, theirs.id)
        if ours.cell_type == "code":
            assert downloads.same_code(ours.source, theirs.source)


def keys_with_their_english(code: str, translated: str) -> Iterator[tuple[str, str, bool]]:
    """Chinese strings of a cell, their English, and whether the code looks something up by them.

    Words that are only shown are left out: those of f-strings and of ``print``.
    """

    def strings(node: ast.AST) -> Iterator[ast.Constant]:
        shown = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.Constant):
                yield from strings(child)
            elif isinstance(child.value, str) and not shown and not isinstance(node, ast.JoinedStr):
                yield child

    def looked_up(tree: ast.AST) -> set[str]:
        nodes: list[ast.expr | None] = []
        for node in ast.walk(tree):
            nodes += node.keys if isinstance(node, ast.Dict) else []
            nodes += [node.slice] if isinstance(node, ast.Subscript) else []
            nodes += [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        return {
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    ours, theirs = (ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", text)) for text in (code, translated))
    keys = looked_up(ours)
    for one, other in zip(strings(ours), strings(theirs), strict=True):
        text, english = str(one.value), str(other.value)
        if downloads.HAN.search(text):
            yield text, english, text in keys


def keys_in_two_translations(notebook: Any, known: dict[str, str]) -> dict[str, set[str]]:
    """Chinese strings by which the page's code looks something up, and that are not one string in English."""
    english: dict[str, set[str]] = {}
    keys: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            translated = downloads.translated_lines(cell.source, lambda text: known.get(text, text))
            for text, other, is_key in keys_with_their_english(cell.source, translated):
                english.setdefault(text, set()).add(other)
                keys |= {text} if is_key else set()
    return {key: english[key] for key in keys if len(english[key]) > 1}


@every_notebook
def test_cells_agree_on_the_english_of_the_keys_that_they_share(name: str) -> None:
    catalogue = read_translations()[name.removesuffix(".ipynb")]
    known = {str(message.id): str(message.string) for message in catalogue if message.id}
    assert keys_in_two_translations(read(BOOK / name), known) == {}


def test_a_key_that_two_cells_translate_differently_is_named() -> None:
    cells = [
        'given = {"连下一段": 1}',
        'print(given["连下一段"], "连下一段")',
        'rule == "改写"',
        '("改写",)',
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    known = {
        'given = {"连下一段": 1}': 'given = {"with the next": 1}',
        'print(given["连下一段"], "连下一段")': 'print(given["and the next"], "and so on")',
        'rule == "改写"': 'rule == "correct"',
        '("改写",)': '("correcting",)',
    }
    wanted = {"连下一段": {"with the next", "and the next"}, "改写": {"correct", "correcting"}}
    assert keys_in_two_translations(notebook, known) == wanted


def test_a_translation_that_is_other_code_is_refused() -> None:
    for source, translated in (
        ('print("二", 2)', 'print("two", 3)'),
        ('names = ["一", "二"]', 'names = ["one"]'),
        ('f(一="1")', 'f(one="1")'),
    ):
        with pytest.raises(ValueError, match="is other code than its source"):
            downloads.translated_code(source, {source: translated}.__getitem__)
    same = downloads.translated_code('print("共", n, "个")', lambda _: 'print("in all", n)')
    assert same == 'print("in all", n)'


def test_a_drawings_description_is_english_when_the_cell_runs_again() -> None:
    source = 'plots.show(\n    d,\n    zh="…",\n    en=f"Left: {a:.1f}. "\n    "Right.",\n)'
    wanted = source.replace('"…"', 'f"Left: {a:.1f}. "\n    "Right."')
    assert downloads.described_in_english(source) == wanted


def test_a_short_string_is_not_translated_inside_a_longer_one() -> None:
    source = "# 词元\n\n> 每个词元\n> 都有编号。\n\n| 词元 | 编号 |\n"
    known = {"词元": "Token", "编号": "Number", "每个词元 都有编号。": "Each token has a number."}
    wanted = "# Token\n\n> Each token has a number.\n\n| Token | Number |\n"
    assert downloads.translated_markdown(source, known) == wanted


@pytest.mark.slow
def test_an_english_notebook_runs(site: Path, tmp_path: Path) -> None:
    notebook = read(site / "en" / "_sources" / "28-2-efficient" / "index.ipynb")
    stored = [output.get("text") for cell in notebook.cells for output in cell.get("outputs", [])]
    folder = {"metadata": {"path": str(BOOK / "28-2-efficient")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    assert [output.get("text") for cell in notebook.cells for output in cell.get("outputs", [])] == stored


def drawn(*rows: str) -> str:
    """A drawing with a column of long names at its left, as a notebook stores it."""
    values = [[0.5]] * len(rows)
    return plots.heat(values, rows=rows, columns=["1"], width=3.0, zh="表", en="Table")._repr_html_()


def box(source: str) -> list[float]:
    found = re.search(r'viewBox="([^"]*)"', source)
    assert found
    return [float(part) for part in found[1].split()]


def test_a_drawing_gets_room_for_a_long_name_and_keeps_its_scale() -> None:
    source = drawn("short", "只有第一层全看，其余各层照旧")
    new = drawings.with_room(source)
    left, _, width, height = box(new)
    assert left < -10
    assert left + width == pytest.approx(box(source)[2], abs=0.1)
    assert height == box(source)[3]
    wide = [float(re.search(r"max-width:(\d+)px", text)[1]) for text in (source, new)]  # type: ignore[index]
    assert wide[1] / wide[0] == pytest.approx(width / box(source)[2], rel=0.01)


def test_a_drawing_whose_texts_fit_is_left_alone() -> None:
    source = drawn("a", "b")
    assert drawings.with_room(source) == source


def test_a_longer_english_name_is_given_room_in_the_download() -> None:
    source = drawn("全", "abcde")
    english = downloads.translated_html(
        source, {"全": "all cells seen, in each layer", "表": "table"}.__getitem__
    )
    assert drawings.with_room(source) == source
    assert box(drawings.with_room(english))[0] < -50
