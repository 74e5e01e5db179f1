"""Every page follows the anatomy of the book, and each check sees the fault that it is for."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pages
import pytest

from frontier_lab import zoo

PAGES = sorted(path for path in pages.BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
CHAPTER = [path for path in PAGES if "appendix" not in path.parts and path.stem != "index"]
"""The appendix is for looking things up, and a section's first page leads to the others: they have no claim
to correct, and nothing to practise."""

OF_CHAPTERS = (pages.anatomy, pages.exercises)
OF_ALL = (pages.setup, pages.execution, pages.size, pages.outputs)
CHECKS = (*OF_CHAPTERS, *OF_ALL)
Check = Callable[[Any], list[str]]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def bibliography() -> set[str]:
    text = (pages.BOOK / "references.bib").read_text("utf8")
    return set(re.findall(r"^@\w+\{([^,\s]+),", text, re.M))


def test_the_book_has_pages() -> None:
    assert PAGES, "book/ has no notebook: every other check here would pass by checking nothing"


@pytest.mark.parametrize("check", OF_ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page(path: Path, check: Check) -> None:
    found = check(read(path))
    assert not found, f"{path.name}:\n" + "\n".join(found)


@pytest.mark.parametrize("check", OF_CHAPTERS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", CHAPTER, ids=lambda path: path.stem)
def test_page_of_a_chapter(path: Path, check: Check) -> None:
    found = check(read(path))
    assert not found, f"{path.name}:\n" + "\n".join(found)


def test_the_appendix_has_a_card_of_every_model() -> None:
    page = read(pages.BOOK / "appendix" / "models.ipynb")
    shown = [re.findall(r'catalogue\.card\("([\w-]+)"\)', cell.source) for cell in pages.code_cells(page)]
    cards = [name for names in shown for name in names]
    assert sorted(cards) == sorted(zoo.RECIPES)


@pytest.mark.parametrize("path", CHAPTER, ids=lambda path: path.stem)
def test_page_cites_what_the_bibliography_has(path: Path) -> None:
    found = pages.citations(read(path), bibliography())
    assert not found, f"{path.name}:\n" + "\n".join(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_stored_state_has_no_code_and_every_view_its_model(path: Path) -> None:
    notebook = read(path)
    state = notebook.metadata.get("widgets", {}).get(pages.tool.STATE, {"state": {}})["state"]
    shown = [
        output["data"][pages.tool.VIEW]["model_id"]
        for cell in pages.code_cells(notebook)
        for output in cell.outputs
        if pages.tool.VIEW in output.get("data", {})
    ]
    assert set(shown) <= set(state)
    figures = [model["state"] for model in state.values() if model["model_module"] == "anywidget"]
    assert all(saved["_esm"] == pages.tool.PLACEHOLDER and not saved["_css"] for saved in figures)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_is_stored_as_the_tool_writes_it(path: Path) -> None:
    notebook = read(path)
    again = pages.tool.normalise(notebook, path.relative_to(pages.BOOK).as_posix())
    assert nbformat.writes(again, version=4) + "\n" == path.read_text("utf8"), "run `make notebooks`"


# ---- the checks see faults ---------------------------------------------------------------------------------


def code(source: str, *outputs: Any, count: int, tags: tuple[str, ...] = ()) -> Any:
    return nbformat.v4.new_code_cell(
        source, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)}
    )


def printed(text: str) -> Any:
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def sound_page() -> Any:
    """The smallest page without a fault."""
    text = nbformat.v4.new_markdown_cell
    view = nbformat.v4.new_output(
        "execute_result", {pages.tool.VIEW: {"model_id": "m"}, "text/plain": "W()"}, execution_count=2
    )
    cells = [
        text("# 28.0 题目\n\n论点。阅读约 5 分钟。\n\n![图的说明](picture.svg)"),
        code(pages.tool.setup_source(""), count=1, tags=("setup",)),
        *(text(f"## {name} {{cite}}`one`") for name in pages.SECTIONS[:4]),
        code("MoERouting()", view, count=2),
        *(text(f"## {name}") for name in pages.SECTIONS[4:7]),
    ]
    for i in range(3):
        name = f"28.0-{i}"
        cells.append(code(f'check("{name}", stub)', printed(f"○ {name}：尚未完成\n"), count=3 + 2 * i))
        cells.append(
            code(f'check("{name}", solution)', printed(f"✓ {name}\n"), count=4 + 2 * i, tags=("hide-cell",))
        )
    return nbformat.v4.new_notebook(cells=[*cells, text("## 小结")])


def test_the_sound_page_is_sound() -> None:
    page = sound_page()
    assert [fault for check in CHECKS for fault in check(page)] == []
    assert pages.citations(page, {"one"}) == []


def edit(find: str, replace: str) -> Callable[[Any], None]:
    def change(page: Any) -> None:
        cell = next(cell for cell in page.cells if find in cell.source)
        cell.source = cell.source.replace(find, replace)

    return change


def last_output(text: str) -> Callable[[Any], None]:
    def change(page: Any) -> None:
        page.cells[-2].outputs.append(printed(text))

    return change


def untag(page: Any) -> None:
    page.cells[-2].metadata.tags = []


def no_view(page: Any) -> None:
    page.cells[6].outputs = []


def error(page: Any) -> None:
    page.cells[6].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[])]


def warn(page: Any) -> None:
    page.cells[6].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="UserWarning: x"))


def skipped(page: Any) -> None:
    page.cells[6].execution_count = None


def swapped(page: Any) -> None:
    page.cells[2], page.cells[3] = page.cells[3], page.cells[2]


@pytest.mark.parametrize(
    ("check", "change", "message"),
    [
        (pages.anatomy, edit("# 28.0", "28.0"), "level-one headings"),
        (pages.anatomy, edit("## 原文勘误", "## 其他"), "原文勘误"),
        (pages.anatomy, swapped, "从零实现"),
        (pages.anatomy, edit("阅读约 5 分钟", ""), "reading time"),
        (pages.anatomy, edit("![图的说明](picture.svg)", ""), "no picture"),
        (pages.anatomy, no_view, "no cell between"),
        (pages.setup, edit("import subprocess\n", ""), "word for word"),
        (pages.setup, edit('or ""', 'or "/srv/book.git"'), "wanted an https address"),
        (pages.setup, edit('or ""', 'or "https://a.b/c"; x = "'), "word for word"),
        (pages.execution, edit("MoERouting()", "MoERouting();"), "semicolon"),
        (pages.execution, skipped, "was not executed"),
        (pages.execution, error, "raised ValueError"),
        (pages.execution, warn, "stderr"),
        (pages.execution, last_output("<object at 0x7f00deadbeef>"), "shows an address"),
        (pages.size, edit("MoERouting()", "\n".join(["x = 1"] * 41)), "wanted at most 40"),
        (pages.size, edit("MoERouting()", "\n".join(["x = 1"] * 26)), "over 25 lines"),
        (pages.outputs, last_output("took 3.2 ms"), "a time"),
        (pages.outputs, last_output("共 12 秒内"), "a time"),
        (pages.outputs, last_output("0.12345678"), "a long float"),
        (pages.outputs, last_output("/home/reader/model"), "a folder"),
        (pages.outputs, edit("MoERouting()", 'open("/tmp/x")'), "a folder of one machine"),
        (pages.exercises, untag, "solved in the open"),
        (pages.exercises, edit('check("28.0-2", solution)', "1"), "exercise 28.0-2"),
        (pages.exercises, edit('check("28.0-2", stub)', "1"), "exercise 28.0-2"),
    ],
)
def test_check_sees(check: Check, change: Callable[[Any], None], message: str) -> None:
    page = copy.deepcopy(sound_page())
    change(page)
    assert message in "\n".join(check(page))


def test_citation_check_sees_an_unknown_key_and_a_page_without_any() -> None:
    page = sound_page()
    assert pages.citations(page, {"two"}) == ["one is cited but not in references.bib"]
    page.cells = [page.cells[0]]
    assert pages.citations(page, {"one"}) == ["nothing is cited"]


def test_median_check_sees_long_cells() -> None:
    page = sound_page()
    for cell in pages.code_cells(page)[1:]:
        cell.source = "\n".join(["x = 1"] * 9)
    assert pages.size(page) == ["the median cell has 9 lines, wanted at most 8"]
