"""The page of all claims is whole without scripts; with them its rows are chosen by what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_up_book
import pytest
from built_site import ROOT

from frontier_lab.claims import evidence

CLAIMS = ("excluded", "open", "formula")


def entries() -> dict[str, Any]:
    found = {name: made_up_book.words() for name in CLAIMS}
    found["open"]["rival"] = {"zh": "甲", "en": "one", "excluded_by": None}
    found["formula"]["kind"] = "formula"
    del found["formula"]["rival"]
    return found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The tables of a book with two sections and four claims, as the site shows them."""
    cells = [
        made_up_book.code("", f"claim-{name}", printed=made_up_book.LINE.replace("far-recall", name))
        for name in CLAIMS
    ]
    made = made_up_book.write(
        tmp_path / "book", [made_up_book.prose("# 一"), *cells, made_up_book.cells()[2]], entries()
    )
    (made / "28-0-made-up" / "index.md").write_text("# 28.0 节\n", "utf8")
    blocks = evidence.chinese(made).split("\n\n")
    form = next(block for block in blocks if block.startswith("<form"))
    table = next(block for block in blocks if block.startswith("<table"))
    other = table.replace("28-0-made-up", "28-9-other").split("<tr ")
    script = (ROOT / "site" / "assets" / "evidence.js").read_text("utf8")
    style = (ROOT / "site" / "assets" / "book.css").read_text("utf8")
    form = form.replace("</select>", '<option value="28-9-other">28.9</option></select>', 1)
    target = tmp_path / "page.html"
    target.write_text(
        f'<!doctype html><html lang="zh"><title>一</title><style>{style}</style><script>{script}</script>'
        f'<main class="bd-article">{form}<section id="one">{table}</section>'
        f'<section id="two">{other[0]}<tr {other[1]}</tbody></table></section></main>',
        "utf8",
    )
    return target


def shown(view: Any) -> int:
    return int(view.locator(".evidence-table tbody tr:visible").count())


def test_rows_are_chosen_and_empty_sections_go(browser: Any, page: Path) -> None:
    view = browser.new_page()
    view.goto(page.as_uri())
    said = view.locator(".evidence-filter output")
    assert (shown(view), said.text_content()) == (4, "4 / 4")
    view.get_by_label("结果").select_option("open")
    assert (shown(view), said.text_content()) == (1, "1 / 4")
    assert not view.locator("#two").is_visible()
    view.get_by_label("结果").select_option("")
    view.get_by_label("节").select_option("28-9-other")
    assert shown(view) == 1
    assert not view.locator("#one").is_visible()
    view.get_by_label("类别").select_option("formula")
    assert shown(view) == 0
    view.close()


def test_without_scripts_the_lists_are_hidden_and_all_rows_there(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    view = context.new_page()
    view.goto(page.as_uri())
    assert shown(view) == 4
    assert not view.locator(".evidence-filter").is_visible()
    context.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, page: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    view = context.new_page()
    view.goto(page.as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert view.locator(".evidence-label:visible").count() > 4
    context.close()
