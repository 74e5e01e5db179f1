"""Every page, in both languages, over http and from disk: complete, quiet, accessible, light, translated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import frontier_widgets
import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from built_site import ROOT, complete, page_names, tool

AXE = ROOT / "widgets" / "node_modules" / "axe-core" / "axe.min.js"
FIGURE = "[data-component], script[type='application/vnd.jupyter.widget-view+json']"
PICTURES = {".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp", ".ico"}
TEXT_BUDGET = 1_200_000
FIGURE_BUDGET = 300_000
FRAME_BUDGET = 300_000
"""More where other people's pictures bring their own libraries, in frames."""

CHINESE = re.compile(r"[\u3400-\u9fff\u3001-\u303f\uff01-\uff60]+")
MATHS_LEFT = re.compile(r"\$\$|\\\(|\\\[|\\begin\{")
NO_PROSE = ["annotation", "code", "pre", "script", "style"]
PHONE = {"width": 390, "height": 844}
every_page = pytest.mark.parametrize("name", page_names() or ["index.html"])
"""Where there is no site, the fixture ``site`` says so."""

every_pair = pytest.mark.parametrize(
    "name", [name for name in page_names() if not name.startswith("en/")] or ["index.html"]
)
"""The Chinese page of each pair; its English twin is ``en/`` and the same name."""

CHINESE_ON_ENGLISH_PAGES = (
    "中文",  # the switch to the other language; the language of the notebook on Colab
    "明月几时有，把酒问青天。",  # the poem that is routed in 28.2.1
)
"""All the Chinese that an English page may show, besides the tokens of the figures."""


def axe_run(wanted: str) -> str:
    """The script that runs those rules of axe for whose ``id`` the expression ``wanted`` holds."""
    return f"""async (within) => {{
        const wanted = (id) => {wanted};
        const rules = axe.getRules().map((rule) => [rule.ruleId, {{ enabled: wanted(rule.ruleId) }}]);
        const options = {{ rules: Object.fromEntries(rules), resultTypes: ["violations"] }};
        const {{ violations }} = await axe.run(within ?? document, options);
        const why = (node) => node.failureSummary.replaceAll("\\n", " ");
        const say = (id, node) => [id, node.target.join(" "), node.html, why(node)];
        return violations.flatMap(({{ id, nodes }}) => nodes.map((node) => say(id, node).join("\\n    ")));
    }}"""


ON_COLOURS = "['color-contrast', 'color-contrast-enhanced', 'link-in-text-block'].includes(id)"
AXE_RUN = axe_run("true")
"""Every rule that axe has: those of WCAG A, AA and AAA, best practices, experimental and old ones."""

AXE_COLOURS = axe_run(ON_COLOURS)
"""The rules whose answer depends on the scheme."""

AXE_BUT_COLOURS = axe_run(f"!{ON_COLOURS}")
"""The rules whose answer depends on the words: names, languages, and how lines break."""

UNFOLD = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const fold of document.querySelectorAll(".toggle-hidden")) fold.querySelector("button")?.click();
}"""

STILL = (
    "() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => null))).then(() => true)"
)

TEXTS = """() => {
    const read = ["alt", "aria-label", "aria-valuetext", "content", "placeholder", "title"];
    const found = [];
    const note = (el, text) => found.push([!!el.closest(".fw-root"), el.outerHTML.slice(0, 200), text]);
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.nodeType === Node.ELEMENT_NODE)
            for (const name of read) if (node.hasAttribute(name)) note(node, node.getAttribute(name));
        if (node.nodeType === Node.TEXT_NODE && !node.parentElement.closest("script, style"))
            note(node.parentElement, node.data);
    }
    return found;
}"""
"""What a reader sees or hears, hidden or not: whether it is in a figure, its element, and the text."""

TOO_WIDE = """(width) => {
    const page = document.documentElement;
    if (page.scrollWidth <= width) return [];
    const ends = (el) => el.getBoundingClientRect().right;
    const hides = (el) => getComputedStyle(el).overflowX !== "visible";
    const clipped = (el) => el && el !== page && (hides(el) || clipped(el.parentElement));
    return [...document.body.querySelectorAll("*")]
        .filter((el) => ends(el) > width + 1 && !clipped(el.parentElement))
        .map((el) => `to ${ends(el)} px: ${el.outerHTML.slice(0, 200)}`)
        .concat(`the page is ${page.scrollWidth} px wide`);
}"""

OUTSIDE = """() => [...document.querySelectorAll(".fw-root")].flatMap((root) => {
    const edge = root.getBoundingClientRect().right + 1;
    const scrolls = (el) => ["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(el).overflowX);
    const kept = (el) => el !== root && (scrolls(el) || kept(el.parentElement));
    return [...root.querySelectorAll(":not(svg *)")]
        .filter((el) => el.getBoundingClientRect().right > edge && !kept(el.parentElement))
        .map((el) => `to ${el.getBoundingClientRect().right} px of ${edge}: ${el.outerHTML.slice(0, 200)}`);
})"""
"""What of a live figure stands beyond its edge, where the page's own edge may cut it unseen."""

CUT_TEXTS = """() => [...document.querySelectorAll("figure.frontier-figure svg")].flatMap((drawing) => {
    const room = drawing.getBoundingClientRect();
    const spare = (box) => (box.height > box.width ? 4 : 1); // a turned line is set with space above it
    const cut = (box) => box.left < room.left - spare(box) || box.right > room.right + spare(box);
    return [...drawing.querySelectorAll("text")]
        .filter((text) => cut(text.getBoundingClientRect()))
        .map((text) => `${text.textContent} in ${drawing.getAttribute("aria-label")}`);
})"""

COLOURS = """() => ["body", "article p", "pre", ".fw-root"].map((selector) => {
    const { color, backgroundColor } = getComputedStyle(document.querySelector(selector));
    return [color, backgroundColor];
})"""


@cache
def ids(name: str) -> frozenset[str]:
    """The places in a page that a link can lead to."""
    return frozenset(str(tag["id"]) for tag in source(name).find_all(id=True))


@cache
def source(name: str) -> BeautifulSoup:
    """The page as it was built, before any script; not to be changed."""
    return BeautifulSoup((tool.SITE / name).read_text("utf8"), "html.parser")


def has_figure(name: str) -> bool:
    return bool(source(name).select(FIGURE))


def a_page_with_figure_and_code() -> str:
    """The first one, by which what all pages share is judged."""
    return next(name for name in page_names() if has_figure(name) and source(name).select("pre"))


def test_the_site_has_pages_in_both_languages(site: Path) -> None:
    names = page_names()
    chinese = {name for name in names if not name.startswith("en/")}
    english = {name.removeprefix("en/") for name in names if name.startswith("en/")}
    assert chinese == english
    documents = {file.relative_to(ROOT / "book").with_suffix("") for file in (ROOT / "book").rglob("*.ipynb")}
    documents |= {file.relative_to(ROOT / "book").with_suffix("") for file in (ROOT / "book").rglob("*.md")}
    written = {document.as_posix() for document in documents if "_build" not in document.parts}
    assert written <= {name.removesuffix(".html") for name in chinese}
    assert any(has_figure(name) for name in names)


# ---- a visit -----------------------------------------------------------------------------------------------


def assert_complete(page: Any, name: str) -> None:
    """All figures are there, and what the page asked for keeps within its budget.

    Requests, console and errors are judged when the test ends.
    """
    assert page.locator("html").get_attribute("lang") == ("en" if name.startswith("en/") else "zh-CN")
    places = page.locator(FIGURE).count()
    assert places == len(source(name).select(FIGURE))
    assert page.locator("[data-ready='1']").count() == places
    assert page.locator("[data-ready='failed'], .fw-error, .fwh-message").count() == 0
    if places:
        assert page.locator("html").get_attribute("data-frontier") == "done"
        assert page.locator(".fw-root").count() == places

    sizes = {
        file: (tool.SITE / file).stat().st_size for file in page.diary.files if (tool.SITE / file).is_file()
    }
    counted = {file: size for file, size in sizes.items() if Path(file).suffix not in PICTURES}
    frames = bool(source(name).select("iframe.frontier-frame"))
    budget = TEXT_BUDGET + FIGURE_BUDGET * bool(places) + FRAME_BUDGET * frames
    listing = "\n".join(
        f"{size:9} {file}" for file, size in sorted(counted.items(), key=lambda item: -item[1])
    )
    assert name in counted
    assert sum(counted.values()) <= budget, f"{sum(counted.values())} bytes, wanted {budget}:\n{listing}"


def switch_language(page: Any, root: str, target: str) -> None:
    """Press the button that leads to the twin; the diary of files starts anew."""
    page.diary.files.clear()
    page.locator("a.lang-switch").click()
    page.wait_for_url(root + target)
    complete(page)


def expect_theme(page: Any, theme: str) -> None:
    """Wait until the page has followed the system's scheme."""
    page.wait_for_selector(f"html[data-theme={theme}]", state="attached")


def violations(page: Any, script: str) -> list[str]:
    """What axe has against the folded page and then against the unfolded one, without what is said twice."""
    page.evaluate(STILL)
    page.add_script_tag(path=AXE)
    found = page.evaluate(script, "summary") if page.locator("summary").count() else []
    page.evaluate(UNFOLD)
    page.evaluate(STILL)
    return list(dict.fromkeys([*found, *page.evaluate(script)]))


def assert_none(found: list[str]) -> None:
    """Nothing was found; the first forty are shown."""
    assert not found, f"{len(found)} found\n" + "\n".join(found[:40])


def chinese_left(page: Any) -> list[str]:
    """What an English page shows or reads out in Chinese and should not."""
    tokens = routed_texts()
    left = []
    for in_figure, element, text in page.evaluate(TEXTS):
        for allowed in CHINESE_ON_ENGLISH_PAGES:
            text = text.replace(allowed, "")
        if any(not in_figure or run not in tokens for run in CHINESE.findall(text)):
            left.append(f"{text.strip()[:80]!r} in {element}")
    return left


# A page is loaded once for all that is asked of it, and its twin is reached by the button that leads there.


@every_pair
def test_at_a_desk_a_page_and_its_english_are_complete_quiet_light_and_pass_axe(
    open_page: Callable[..., Any], http_root: str, subtests: pytest.Subtests, name: str
) -> None:
    page = open_page(http_root, name, color_scheme="light")
    with subtests.test("complete"):
        assert_complete(page, name)
    with subtests.test("no text of a drawing is cut"):
        assert_none(page.evaluate(CUT_TEXTS))
    with subtests.test("axe, every rule"):
        assert page.locator("html").get_attribute("data-theme") == "light"
        assert_none(violations(page, AXE_RUN))
    with subtests.test("axe, colours of the dark scheme"):
        page.emulate_media(color_scheme="dark")
        expect_theme(page, "dark")
        assert_none(violations(page, AXE_COLOURS))
    page.emulate_media(color_scheme="light")
    switch_language(page, http_root, f"en/{name}")
    with subtests.test("complete in English"):
        assert_complete(page, f"en/{name}")
    with subtests.test("no text of a drawing is cut in English"):
        assert_none(page.evaluate(CUT_TEXTS))
    with subtests.test("axe in English"):
        assert_none(violations(page, AXE_BUT_COLOURS))


@every_pair
def test_on_a_phone_from_disk_a_page_and_its_english_are_complete_quiet_light_narrow_and_translated(
    open_page: Callable[..., Any], file_root: str, subtests: pytest.Subtests, name: str
) -> None:
    page = open_page(file_root, f"en/{name}", viewport=PHONE, has_touch=True, is_mobile=True)
    with subtests.test("complete in English"):
        assert_complete(page, f"en/{name}")
    with subtests.test("no Chinese is left"):
        assert_none(chinese_left(page))
    with subtests.test("no sideways scrolling in English"):
        assert_none(page.evaluate(TOO_WIDE, PHONE["width"]))
    switch_language(page, file_root, name)
    with subtests.test("complete"):
        assert_complete(page, name)
    with subtests.test("no sideways scrolling"):
        assert_none(page.evaluate(TOO_WIDE, PHONE["width"]))


@every_page
def test_a_figure_keeps_within_its_edge(open_page: Callable[..., Any], file_root: str, name: str) -> None:
    if not source(name).select(FIGURE):
        return
    page = open_page(file_root, name, viewport=PHONE)
    for width in (PHONE["width"], 1200):
        page.set_viewport_size({"width": width, "height": 800})
        for figure in page.locator(".fw-root").all():
            figure.scroll_into_view_if_needed()
        page.wait_for_timeout(500)  # what waits until it is near stands now
        assert_none(page.evaluate(OUTSIDE))


def test_a_visit_sees_what_is_wrong(open_page: Callable[..., Any], http_root: str) -> None:
    page = open_page(http_root, "glossary.html", color_scheme="light")
    page.evaluate(
        """() => {
            const style = document.createElement("style");
            style.textContent = "[data-theme=dark] #faint { color: #222; background: #000; }";
            const faint = Object.assign(document.createElement("p"), { id: "faint", textContent: "faint" });
            document.querySelector("article").append(style, faint, document.createElement("button"));
        }"""
    )
    assert [found.splitlines()[0] for found in violations(page, AXE_RUN)] == ["button-name"]
    assert [found.splitlines()[0] for found in violations(page, AXE_BUT_COLOURS)] == ["button-name"]
    assert violations(page, AXE_COLOURS) == []
    page.emulate_media(color_scheme="dark")
    expect_theme(page, "dark")
    assert [found.splitlines()[0] for found in violations(page, AXE_COLOURS)] == ["color-contrast"]
    assert any("明月" not in left and "术语" in left for left in chinese_left(page))
    page.evaluate("document.querySelector('#faint').style.width = '2000px'")
    assert page.evaluate(TOO_WIDE, 1280)
    scripts = {file.relative_to(tool.SITE).as_posix() for file in tool.SITE.rglob("frontier-*.js")}
    page.diary.files |= scripts
    with pytest.raises(AssertionError, match="wanted"):
        assert_complete(page, "glossary.html")


# ---- loading -----------------------------------------------------------------------------------------------


@every_page
def test_files_come_from_the_site_itself(site: Path, name: str) -> None:
    page = source(name)
    loading = [str(tag["href"]) for tag in page.find_all("link")]
    for attribute in ("src", "srcset", "data", "poster"):
        loading += [str(tag[attribute]) for tag in page.find_all(attrs={attribute: True})]
    outside = [address for address in loading if re.match(r"(?:[a-z]+:)?//", address)]
    assert not outside
    scripts = " ".join(str(tag["src"]).lower() for tag in page.select("script[src]"))
    assert "fontawesome" not in scripts
    assert "mathjax" not in scripts
    assert "katex" not in scripts
    assert not list(tool.SITE.rglob("fontawesome*.js"))


@every_page
def test_links_inside_the_site_lead_to_a_page_and_place(site: Path, name: str) -> None:
    base = (tool.SITE / name).as_uri()
    broken = []
    for link in source(name).select("a[href], link[href]"):
        address = urljoin(base, str(link["href"]))
        if not address.startswith("file:"):
            continue
        file, _, place = address.partition("#")
        target = Path(file.removeprefix("file://").partition("?")[0])
        if not target.is_file():
            broken.append(str(link["href"]))
            continue
        there = target.relative_to(tool.SITE).as_posix()
        if place and target.suffix == ".html" and unquote(place) not in ids(there):
            broken.append(str(link["href"]))
    assert not broken


# ---- reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "chosen"), [("light", "dark"), ("dark", "light")])
def test_the_chosen_scheme_wins_over_the_systems(
    open_page: Callable[..., Any], http_root: str, system: str, chosen: str
) -> None:
    name = a_page_with_figure_and_code()
    by_system = open_page(http_root, name, color_scheme=chosen).evaluate(COLOURS)
    page = open_page(http_root, name, color_scheme=system)
    assert page.evaluate(COLOURS) != by_system
    page.evaluate(
        "scheme => { localStorage.setItem('mode', scheme); localStorage.setItem('theme', scheme); }", chosen
    )
    page.reload()
    complete(page)
    assert page.locator("html").get_attribute("data-theme") == chosen
    assert page.locator(".fw-root").first.get_attribute("data-fw-theme") == chosen
    assert page.evaluate(COLOURS) == by_system


def test_paper_is_white_in_the_dark_scheme_too(open_page: Callable[..., Any], http_root: str) -> None:
    name = a_page_with_figure_and_code()
    page = open_page(http_root, name, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate(STILL)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for furniture in (".bd-sidebar-primary", ".bd-header-article", ".fw-tools", "a.headerlink"):
        assert not page.locator(furniture).first.is_visible(), furniture
    assert page.locator(".fw-drawing svg:visible").count() > 0
    page.add_script_tag(path=AXE)
    faint = [violation for violation in page.evaluate(AXE_RUN) if violation.startswith("color-contrast\n")]
    assert not faint, "\n".join(faint[:40])


@every_page
def test_formulas_are_rendered_at_build_time_with_mathml(site: Path, name: str) -> None:
    page = source(name)
    assert not page.select(".katex-error")
    for rendered in page.select(".katex"):
        assert rendered.select_one("math"), f"a formula has no MathML: {rendered.get_text()[:80]}"
    texts = [text for text in page.find_all(string=True) if not text.find_parent(NO_PROSE)]
    left = [text.strip()[:80] for text in texts if MATHS_LEFT.search(text)]
    assert not left


def test_the_page_with_formulas_has_them(site: Path) -> None:
    notebooks = [file for file in (ROOT / "book").rglob("*.ipynb") if "_build" not in file.parts]
    for notebook in notebooks:
        cells = [cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "markdown"]
        displayed = sum(cell.count("$$") // 2 for cell in cells)
        name = notebook.relative_to(ROOT / "book").with_suffix(".html").as_posix()
        for page in (name, f"en/{name}"):
            assert len(source(page).select(".math .katex-display, div.math .katex")) >= displayed
            assert bool(source(page).select("math")) == any("$" in cell for cell in cells)


def routed_texts() -> str:
    """The texts that figures route, which stay what they are in every language."""
    data = json.loads(frontier_widgets.components()["MoERouting"].data_path.read_text("utf8"))
    return "".join(data["tokens"]) + "".join(CHINESE_ON_ENGLISH_PAGES)


# ---- buttons -----------------------------------------------------------------------------------------------


@every_page
def test_the_download_button_gives_the_notebook(site: Path, name: str) -> None:
    document = name.removeprefix("en/").removesuffix(".html")
    notebook = ROOT / "book" / f"{document}.ipynb"
    buttons = source(name).select("a[download]")
    assert len(buttons) == notebook.is_file()
    for button in buttons:
        target = (tool.SITE / name).parent / str(button["href"])
        assert target.resolve().is_relative_to(tool.SITE)
        assert target.name == notebook.name
        nbformat.validate(nbformat.read(target, as_version=4))
        assert target.resolve().is_relative_to((tool.SITE / name[: 3 * name.startswith("en/")]) / "_sources")


def colab_links(page: BeautifulSoup) -> list[Any]:
    return [
        tag["href"] for tag in page.select("a[href]") if isinstance(tag, Tag) and "colab" in str(tag["href"])
    ]


@every_page
def test_the_colab_button_names_the_repository_or_is_absent(site: Path, name: str) -> None:
    document = name.removeprefix("en/").removesuffix(".html")
    repository = tool.repository_url()
    wanted = []
    if (ROOT / "book" / f"{document}.ipynb").is_file() and repository.startswith("https://github.com/"):
        path = repository.removeprefix("https://github.com/")
        wanted = [f"https://colab.research.google.com/github/{path}/blob/main/book/{document}.ipynb"]
    assert colab_links(source(name)) == wanted


@pytest.mark.parametrize(
    ("repository", "wanted"),
    [
        (
            "https://github.com/o/r",
            ["https://colab.research.google.com/github/o/r/blob/main/book/part/page.ipynb"],
        ),
        ("https://gitlab.com/o/r", []),
        ("", []),
    ],
)
def test_colab_opens_what_lies_on_github_and_nothing_else(
    tmp_path: Path, repository: str, wanted: list[str]
) -> None:
    settings = {
        "extensions": ["myst_nb", "frontier_site"],
        "html_theme": "sphinx_book_theme",
        "html_theme_options": {"article_header_end": ["article-buttons.html"]},
        "templates_path": [str(ROOT / "site" / "templates")],
        "frontier_repository": repository,
    }
    book = tmp_path / "book"
    (book / "part").mkdir(parents=True)
    (book / "conf.py").write_text(
        "".join(f"{name} = {value!r}\n" for name, value in settings.items()), "utf8"
    )
    (book / "index.md").write_text("# Book\n\n```{toctree}\npart/page\n```\n", "utf8")
    cells = [nbformat.v4.new_markdown_cell("# Page")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "part" / "page.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(book), str(tmp_path / "html")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "part" / "page.html").read_text("utf8")
    assert colab_links(BeautifulSoup(page, "html.parser")) == wanted
    index = (tmp_path / "html" / "index.html").read_text("utf8")
    assert "colab" not in index  # a page of prose is no notebook
