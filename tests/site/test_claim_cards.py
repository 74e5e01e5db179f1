"""Marks, notes and cards of claims: what a reader sees of the evidence, with and without scripts."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import frontier_widgets
import nbformat
import pytest
from bs4 import BeautifulSoup
from built_site import ROOT, page_names, tool
from test_pages import AXE, AXE_RUN, STILL, TOO_WIDE

from frontier_lab.claims import Claim, exact, paired, ratio, share
from frontier_lab.claims.estimates import NULLS
from frontier_lab.claims.ledger import read

sys.path.insert(0, str(ROOT / "site"))
import claim_lines
import claim_marks

Open = Callable[..., Any]
PAGE = "28-2-efficient/1-mixture-of-experts.html"
HEADS = "28-4-interpretability/1-attention-visualization.html"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CARD_BYTES = 6_000
"""Of the script that every page with marks loads, compressed."""

BOTH = pytest.mark.parametrize("language", ["zh", "en"])
MARKED = [name for name in page_names() if claim_marks.MARK in (tool.SITE / name).read_text("utf8")]
every_marked_page = pytest.mark.parametrize("name", MARKED or [PAGE])


def page_of(language: str, name: str = PAGE) -> str:
    return f"en/{name}" if language == "en" else name


def opened(page: Any) -> Any:
    """The page once its marks know their cards."""
    page.wait_for_selector("html[data-claims=ready]", state="attached")
    return page


def marks(page: Any) -> Any:
    return page.locator("a.claim-link")


def card(page: Any) -> Any:
    return page.locator(".claim-card")


# ---- a small book of its own, for every builder ------------------------------------------------------------

LINE = (
    "✓ far-recall | difference > 0.1 | 0.25 [0.18, 0.32] | n = 3 seeds, paired t | baseline 0.70 | factor 8"
)
OTHER = "✓ near-recall | share > 0.5 | 0.90 [0.80, 0.96] | n = 64 needle texts, Wilson"
WORDS = """
far-recall:
  kind: empirical
  model: {zh: 小模型, en: a small model}
  of: {zh: 隔远找回的比例之差, en: difference of recall far back}
  baseline: {zh: 压得太少, en: stretched too little}
  rival:
    zh: 别的原因
    en: another cause
    excluded_by: check-cause
    how: {zh: 量过了, en: it was measured}
near-recall:
  kind: empirical
  model: {zh: 小模型, en: a small model}
  of: {zh: 近处找回的比例, en: recall nearby}
  seeds: [0]
  rival: {zh: 运气, en: luck, excluded_by: null}
"""
PROSE = """# 标题

远处找回 25 %{claim}`far-recall`。近处与远处{claim}`near-recall,far-recall`，运气没有排除。
由公式得到{derived}`check-cause`。图这样读{setting}`reading`。

## 结果

完。
"""
CONF = """
import sys
sys.path[:0] = [{site!r}]
from claim_marks import setup_claims
extensions = ["myst_nb"]
nb_execution_mode = "off"
language = {language!r}
locale_dirs = [{locale!r}]
project = "book"
exclude_patterns = ["claims"]
def setup(app):
    setup_claims(app)
"""


def small_book(place: Path, prose: str = PROSE, language: str = "zh_CN") -> Path:
    """One page with two claims; what its cells printed is written by hand, for nothing here is judged."""
    book = place / "book"
    (book / "claims").mkdir(parents=True)
    (book / "claims" / "index.yml").write_text(WORDS, "utf8")
    cells = [nbformat.v4.new_markdown_cell(prose)]
    for tag, text in (("claim-far-recall", LINE), ("claim-near-recall", OTHER), ("check-cause", "ok")):
        output = nbformat.v4.new_output("stream", name="stdout", text=text + "\n")
        cells.append(nbformat.v4.new_code_cell("...", metadata={"tags": [tag]}, outputs=[output]))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    metadata = {"language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), book / "index.ipynb")
    settings = {"site": str(ROOT / "site"), "language": language, "locale": str(place / "locale")}
    (book / "conf.py").write_text(CONF.format(**settings), "utf8")
    return book


def made(book: Path, builder: str) -> tuple[Path, list[str]]:
    """Where Sphinx wrote, and its warnings."""
    target = book.parent / builder
    command = [sys.executable, "-m", "sphinx", "-q", "-b", builder, str(book), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return target, re.findall(r".*(?:WARNING|ERROR).*", done.stderr)


def test_a_page_without_a_browsers_scripts_has_numbered_notes(tmp_path: Path) -> None:
    target, said = made(small_book(tmp_path), "html")
    assert said == []
    page = BeautifulSoup((target / "index.html").read_text("utf8"), "html.parser")
    assert [link.get_text() for link in page.select("sup.claim-mark a")] == ["1", "2", "1"]
    assert "{claim}" not in page.get_text()
    assert "这样读。" in page.get_text()
    for link in page.select("sup a, .claim-links a, .claim-rows a"):
        assert page.find(id=str(link["href"]).removeprefix("#")), link
    first, second = page.select("#evidence li.claim-note")
    for words in ("隔远找回的比例之差", "0.25", "0.18", "0.32", "3 个种子", "小模型", "0.70 · 压得太少"):
        assert words in first.get_text()
    assert "已排除：量过了" in first.get_text()
    assert "未排除" in second.get_text()
    assert [link["href"] for link in first.select(".claim-back")] == ["#mark-1-1", "#mark-1-2"]
    assert page.select_one(".derived-mark a")["href"] == "#cell-check-cause"


def test_a_page_that_sums_up_others_has_their_notes_and_leads_to_their_cells(tmp_path: Path) -> None:
    book = small_book(tmp_path)
    prose = (
        "# 节\n\n| 页 | 测得 |\n|---|---|\n| 一 | 找回{claim}`far-recall`。由公式{derived}`check-cause` |\n"
    )
    (book / "section").mkdir()
    (book / "section" / "index.md").write_text(prose, "utf8")
    index = book / "index.ipynb"
    index.write_text(
        index.read_text("utf8").replace("完。", "完。\\n\\n```{toctree}\\nsection/index\\n```"), "utf8"
    )
    target, said = made(book, "html")
    assert said == []
    page = BeautifulSoup((target / "section" / "index.html").read_text("utf8"), "html.parser")
    assert page.select_one("td sup.claim-mark a")["href"] == "#evidence-far-recall"
    (note,) = page.select("#evidence li.claim-note")
    assert "隔远找回的比例之差" in note.get_text()
    cells = [
        page.select_one(".derived-mark a"),
        *note.select(".claim-rows a"),
        note.select_one(".claim-links a"),
    ]
    assert [link["href"] for link in cells] == [
        "../index.html#cell-check-cause",
        "../index.html#cell-check-cause",
        "../index.html#cell-claim-far-recall",
    ]


def test_paper_text_and_electronic_books_have_the_notes_too(tmp_path: Path) -> None:
    book = small_book(tmp_path)
    text = (made(book, "text")[0] / "index.txt").read_text("utf8")
    assert "25 %[1]。" in text
    assert "[2][1]" in text
    assert "0.25，95 % 区间 0.18 到 0.32" in text
    assert "未排除" in text
    electronic = (made(book, "epub")[0] / "index.xhtml").read_text("utf8")
    assert claim_marks.MARK in electronic
    assert "<svg" in electronic
    assert "隔远找回的比例之差" in electronic


def test_gettext_keeps_the_roles_in_their_sentences_and_takes_no_note(tmp_path: Path) -> None:
    texts = (made(small_book(tmp_path), "gettext")[0] / "index.pot").read_text("utf8")
    joined = texts.replace('"\n"', "")
    for role in ("{claim}`far-recall`", "{claim}`near-recall,far-recall`", "{setting}`reading`"):
        assert role in joined
    assert "隔远找回的比例之差" not in joined


def test_a_translated_sentence_keeps_its_marks_and_the_note_is_in_its_language(tmp_path: Path) -> None:
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo

    source = "远处找回 25 %{claim}`far-recall`。图这样读{setting}`reading`。"
    book = small_book(tmp_path, f"# 标题\n\n{source}\n", "en")
    catalogue = Catalog("en")
    catalogue.add(source, "Far back, 25 % {claim}`far-recall`. Read it so {setting}`reading`.")
    folder = tmp_path / "locale" / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "index.mo").open("wb") as stream:
        write_mo(stream, catalogue)
    target, said = made(book, "html")
    assert said == []
    page = BeautifulSoup((target / "index.html").read_text("utf8"), "html.parser")
    assert "Far back, 25 %1. Read it so." in page.get_text()
    assert "Evidence 1: difference of recall far back" in page.select_one("a.claim-link")["aria-label"]
    assert not re.search(r"[\u4e00-\u9fff]", page.select_one("#evidence").get_text())


def test_a_mark_without_its_claim_or_cell_is_a_warning(tmp_path: Path) -> None:
    prose = "# 标题\n\n一{claim}`nowhere`。二{derived}`check-nowhere`。\n"
    said = made(small_book(tmp_path, prose), "html")[1]
    assert any("the ledger has no claim 'nowhere'" in line for line in said)
    assert any("no cell of the book is tagged 'check-nowhere'" in line for line in said)


def test_readers_of_a_notebook_see_no_roles() -> None:
    source = "Far {claim}`far-recall`. By algebra {derived}`check-x`. So {setting}`reading`. {cite:p}`a2020b`"
    shown = "Far<sup>✓ far-recall</sup>. By algebra. So. {cite:p}`a2020b`"
    assert claim_marks.without_roles(source) == shown


# ---- the picture -------------------------------------------------------------------------------------------


def numbers_of(svg: str, kind: str) -> list[float]:
    """Where the marks of a kind stand, in the numbers of the claim."""
    tag = re.search(r'data-low="([^"]+)" data-high="([^"]+)"', svg)
    assert tag is not None
    low, high = map(float, tag.groups())
    places = re.findall(rf'd="M([\d.]+) [^"]*" class="{kind}"', svg)
    places += re.findall(rf'cx="([\d.]+)" cy="\d+" r="[\d.]+" class="{kind}"', svg)
    span = claim_lines.RIGHT - claim_lines.LEFT
    return [low + (float(x) - claim_lines.LEFT) / span * (high - low) for x in places]


@pytest.mark.parametrize(
    ("claim", "held", "bounds"),
    [
        (Claim("a", "difference > 0.1", paired([1, 2, 4], [0.5, 1.2, 3.4], "seed"), 0.7), 0, [0.1]),
        (Claim("a", "ratio > 1.2", ratio([2, 2.2, 2.1], [1, 1, 1.1], "seed"), 3.0), 1, [1.2]),
        (Claim("a", "share > 0.5", share([1] * 50 + [0] * 5, "text"), 0.125), 0.125, [0.5]),
        (Claim("a", "0.5 < share < 0.99", share([1] * 50 + [0] * 5, "text")), None, [0.5, 0.99]),
        (Claim("a", "abs(difference) < 2", paired([1, 2, 4.0], [1.1, 2, 3.8], "seed")), 0, [-2, 2]),
        (Claim("a", "count = 3003", exact(3003)), None, [3003]),
    ],
)
def test_a_line_shows_interval_bounds_and_baseline_where_they_are(
    claim: Claim, held: float | None, bounds: list[float]
) -> None:
    svg = claim_lines.drawn(claim, "words", "en")
    close = pytest.approx
    at = float(svg.partition('data-low="')[2].partition('"')[0])
    room = float(svg.partition('data-high="')[2].partition('"')[0]) - at
    assert numbers_of(svg, "value") == close([claim.estimate.value], abs=room / 500)
    assert numbers_of(svg, "bound") == close(bounds, abs=room / 500)
    assert numbers_of(svg, "reference") == close([] if held is None else [held], abs=room / 500)
    assert (claim.estimate.n > 0) == (len(numbers_of(svg, "interval")) == 1)
    assert len(set(re.findall(r"<text[^>]*>([^<]*)", svg))) >= 2
    label = re.search(r'aria-label="([^"]*)"', svg)
    assert label is not None
    assert f"{claim.estimate.value:.2f}" in unescape(label[1])


def test_every_method_of_an_estimate_has_its_words() -> None:
    assert set(claim_marks.METHODS) | {"exact"} == set(NULLS)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("difference > 0.1", "the whole interval lies above 0.1"),
        ("difference >= -3", "the whole interval lies at \u22123 or more"),
        ("difference < -0.5", "the whole interval lies below \u22120.5"),
        ("difference <= 2", "the whole interval lies at 2 or less"),
        ("-2 < effect < 5", "the whole interval lies between \u22122 and 5"),
        ("abs(difference) < 2", "no difference as large as 2"),
        ("count = 123456789", "exactly 123456789"),
    ],
)
def test_a_statement_is_said_in_words(statement: str, words: str) -> None:
    estimate = paired([1, 2, 4.0], [1.1, 2, 3.8], "seed")
    assert claim_marks.stated(Claim("a", statement, estimate), "en").startswith(words)


# ---- the built pages ---------------------------------------------------------------------------------------


def test_what_a_page_loads_for_its_marks_is_small_and_the_rest_waits(site: Path) -> None:
    assert len(gzip.compress(frontier_widgets.CLAIMS.read_bytes())) < CARD_BYTES
    for name in page_names():
        page = (site / name).read_text("utf8")
        assert ("frontier-claims.js" in page) == (claim_marks.MARK in page)
        assert "frontier-measures.js" not in page
        assert "frontier-texts" not in page


def test_every_claim_of_a_marked_page_has_its_note_in_both_languages(site: Path) -> None:
    assert MARKED
    known = {record.name: record for record in read(ROOT / "book")}
    for name in MARKED:
        page = BeautifulSoup((site / name).read_text("utf8"), "html.parser")
        language = "en" if name.startswith("en/") else "zh"
        for note in page.select("#evidence li.claim-note"):
            record = known[str(note["id"]).removeprefix("evidence-")]
            said = note.get_text().lower()
            assert getattr(record.of, language).lower() in said
            target, _, place = str(note.select_one(".claim-links a")["href"]).partition("#")
            there = (site / name).parent / target if target else site / name
            assert place == f"cell-{record.tag}"
            assert BeautifulSoup(there.read_text("utf8"), "html.parser").find(id=place)
            assert note.select_one("svg[role=img][aria-label]")
        assert len(page.select("#evidence li")) == len({a["href"] for a in page.select("a.claim-link")})


@BOTH
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_card_passes_axe(open_page: Open, http_root: str, language: str, scheme: str) -> None:
    page = opened(open_page(http_root, page_of(language), color_scheme=scheme))
    page.add_script_tag(path=AXE)
    marks(page).nth(1).click()
    card(page).wait_for()
    page.evaluate(STILL)
    found = page.evaluate(AXE_RUN, ".claim-card")
    found += page.evaluate(AXE_RUN, "#evidence")
    found += page.evaluate(AXE_RUN, ".claim-mark")
    assert found == [], "\n".join(found)


@BOTH
def test_a_phone_shows_the_whole_card_within_its_screen(open_page: Open, root: str, language: str) -> None:
    page = opened(open_page(root, page_of(language), **PHONE))
    before = page.evaluate("document.documentElement.scrollHeight")
    for at in range(marks(page).count()):
        marks(page).nth(at).scroll_into_view_if_needed()
        marks(page).nth(at).tap()
        box = card(page).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844
        text = card(page).inner_text()
        assert "95 %" in text
        assert page.locator(".claim-card .claim-svg text").first.evaluate(
            "el => el.getBoundingClientRect().height >= 11"
        )
        assert page.evaluate(TOO_WIDE, 390) == []
        above = box["y"] > 844 - box["y"] - box["height"]
        page.touchscreen.tap(3, box["y"] - 40 if above else box["y"] + box["height"] + 40)  # the margin
        assert card(page).count() == 0
    assert page.evaluate("document.documentElement.scrollHeight") == before


def test_the_keyboard_alone_opens_reads_leaves_and_closes_a_card(open_page: Open, file_root: str) -> None:
    page = opened(open_page(file_root, PAGE))
    marks(page).first.evaluate("el => el.focus({ focusVisible: true })")
    assert marks(page).first.get_attribute("aria-expanded") == "true"
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = page.evaluate("!!document.activeElement.closest('.claim-card')")
        if not inside:
            break
        stops.append(page.evaluate("document.activeElement.textContent"))
    assert len(stops) >= 3
    assert "看这个格子" in stops
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#evidence-few-experts-busy"
    page.keyboard.press("Escape")
    assert card(page).count() == 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "claim-card"
    page.keyboard.press("Escape")
    assert card(page).count() == 0
    assert page.evaluate("document.activeElement.id") == "mark-2-1"


def test_a_mouse_sees_the_card_on_resting_and_no_line_of_the_page_moves(
    open_page: Open, http_root: str
) -> None:
    page = opened(open_page(http_root, PAGE))
    where = """() => [...document.querySelectorAll("article p")].filter((p) => !p.closest(".claim-card"))
        .map((p) => p.getBoundingClientRect().top)"""
    before = page.evaluate(where)
    marks(page).first.hover()
    card(page).wait_for()
    assert page.evaluate(where) == before
    card(page).hover()
    page.wait_for_timeout(500)
    assert card(page).count() == 1
    page.mouse.move(1270, 890)
    card(page).wait_for(state="detached")


def test_without_scripts_a_mark_leads_to_its_note_and_back(browser: Any, file_root: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file_root + PAGE)
    marks(page).nth(1).click()
    assert page.url.endswith("#evidence-few-experts-busy")
    page.locator("#evidence-few-experts-busy .claim-back").click()
    assert page.url.endswith("#mark-2-1")
    context.close()


def test_a_link_of_the_card_leads_to_the_cell(open_page: Open, file_root: str) -> None:
    page = opened(open_page(file_root, page_of("en")))
    marks(page).first.click()
    card(page).get_by_role("link", name="See the cell").click()
    assert card(page).count() == 0
    assert page.url.endswith("#cell-claim-router-tilts")
    assert "router-tilts" in page.locator("#cell-claim-router-tilts").inner_text()


def test_print_has_the_notes_and_no_card(open_page: Open, http_root: str) -> None:
    page = opened(open_page(http_root, PAGE))
    marks(page).first.click()
    page.emulate_media(media="print")
    assert not card(page).is_visible()
    assert page.locator("#evidence-router-tilts").is_visible()


# ---- measured again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "claim"), [(PAGE, "few-experts-busy"), (HEADS, "focus-is-not-worth")], ids=["experts", "heads"]
)
def test_a_reader_measures_a_claim_again_on_fresh_inputs(
    open_page: Open, root: str, name: str, claim: str
) -> None:
    page = opened(open_page(root, name))
    page.locator(f"a.claim-link[href='#evidence-{claim}']").first.click()
    scripts = "[...document.scripts].map(s => s.src.split('/').pop().split('?')[0])"
    assert "frontier-measures.js" not in page.evaluate(scripts)
    button = card(page).get_by_role("button", name="在这里重新量一次")
    button.click()
    page.wait_for_function("document.querySelectorAll('.claim-card path.again').length === 1")
    assert "frontier-measures.js" in page.evaluate(scripts)
    said = card(page).get_by_role("status").inner_text()
    found = re.search(r"合计 24 个新输入：([\d.]+)，95 % 区间 ([\d.]+) 到 ([\d.]+)", said)
    assert found, said
    record = next(record for record in read(ROOT / "book") if record.name == claim)
    low, high = (float(found[i]) for i in (2, 3))
    stored = record.claim.estimate
    margin = 2 * (stored.high - stored.low) + 0.1
    assert low - margin < stored.value < high + margin
    card(page).get_by_role("button", name="再量一次").click()
    page.wait_for_function("document.querySelectorAll('.claim-card path.again').length === 2")
    assert "合计 48 个新输入" in card(page).get_by_role("status").inner_text()


def test_recall_is_measured_on_the_text_that_the_page_brings(open_page: Open, root: str) -> None:
    page = opened(open_page(root, PAGE))
    page.add_script_tag(url=f"{root}_static/frontier-measures.js")
    said = page.evaluate(
        """() => window.frontierMeasure("positions-break-recall", 5, async (done, count) => {
            if (done === 2) throw new Error(`${done} of ${count}`);
        }).catch((error) => error.message)"""
    )
    assert said == "2 of 32"


def test_a_measurement_that_cannot_be_made_says_so(open_page: Open, http_root: str) -> None:
    def empty(page: Any) -> None:
        page.route("**/frontier-checkpoint-*", lambda route: route.fulfill(body=""))

    page = opened(open_page(http_root, page_of("en"), before=empty))
    page.locator("a.claim-link[href='#evidence-few-experts-busy']").click()
    card(page).get_by_role("button", name="Measure it again here").click()
    said = "It could not be measured: The file frontier-checkpoint-mixtral-unbalanced-40.js cannot be loaded."
    page.wait_for_function(
        "said => document.querySelector('.claim-again-status').textContent === said", arg=said
    )


def test_every_measure_has_what_it_loads(site: Path) -> None:
    words = json.loads(claim_marks.MEASURES.read_text("utf8"))
    registry = (ROOT / "widgets" / "src" / "claims" / "measures" / "registry.ts").read_text("utf8")
    wanted = re.findall(r'shelf\.model\("([^"]+)"\)', registry)
    assert len(words) >= 4
    for name in wanted:
        assert (site / "_static" / f"frontier-checkpoint-{name}.js").is_file()
    for name in re.findall(r'shelf\.(?:ledger|streams)\("([^"]+)"\)', registry):
        assert (site / "_static" / f"frontier-texts-{name}.js").is_file()
