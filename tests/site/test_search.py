"""The search that a reader uses, in both languages: it finds what the book has, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from built_site import page_names, tool
from playwright.sync_api import expect

PROBE = yaml.safe_load(Path(__file__).with_name("queries.yml").read_text("utf8"))
FOLDERS = {"chinese": "", "english": "en/"}
FOUND = "document.querySelector('#search-results .search-summary')?.textContent"
LINKS = "#search-results ul.search > li > a"
RECALL = 0.98
Search = Callable[[str], list[str]]


@pytest.fixture
def search(open_page: Callable[..., Any]) -> Callable[[str, str], Search]:
    """``search(root, language)`` opens a search page and gives a function from a query to the pages found."""

    def start(root: str, language: str) -> Search:
        base = root + FOLDERS[language]
        page = open_page(root, f"{FOLDERS[language]}search.html")

        def ask(query: str) -> list[str]:
            page.goto(f"{base}search.html?q={quote(query)}")
            page.wait_for_function(FOUND)
            links = page.locator(LINKS).evaluate_all("all => all.map((link) => link.pathname + link.hash)")
            start = page.evaluate("new URL('.', location).pathname")
            return [link.removeprefix(start).partition("#")[0].removesuffix(".html") for link in links]

        return ask

    return start


def test_the_probe_asks_enough_different_things() -> None:
    chinese = [probe["query"] for probe in PROBE["chinese"]]
    assert len(chinese) >= 60
    for queries in (chinese, [probe["query"] for probe in PROBE["english"]]):
        assert len(set(queries)) == len(queries)
    compounds = [query for query in chinese if len(query) >= 4 and tool.HAN.fullmatch(query[0])]
    mixed = [query for query in chinese if tool.HAN.search(query) and query.strip()[0].isascii()]
    assert len(compounds) >= 20
    assert len(mixed) >= 6


@pytest.mark.parametrize("language", FOLDERS)
def test_the_wanted_page_is_among_the_first_five(
    search: Callable[[str, str], Search], file_root: str, language: str
) -> None:
    ask = search(file_root, language)
    answers = {probe["query"]: ask(probe["query"]) for probe in PROBE[language]}
    missed = [
        f"{probe['query']}: wanted {probe['page']}, got {answers[probe['query']][:5]}"
        for probe in PROBE[language]
        if probe["page"] not in answers[probe["query"]][:5]
    ]
    recall = 1 - len(missed) / len(answers)
    assert recall >= RECALL, f"recall@5 is {recall:.1%}, wanted {RECALL:.0%}:\n" + "\n".join(missed)


def test_what_a_page_is_about_comes_first(search: Callable[[str, str], Search], file_root: str) -> None:
    ask = search(file_root, "chinese")
    for query in ("混合专家模型", "均衡损失从哪里来", "塌缩与恢复", "Mixtral"):
        assert ask(query)[0] == "28-2-efficient/1-mixture-of-experts", query
    assert ask("高效架构")[0] == "28-2-efficient/index"
    assert ask("术语表")[0] == "glossary"


def test_nonsense_finds_nothing(search: Callable[[str, str], Search], root: str) -> None:
    for language in FOLDERS:
        ask = search(root, language)
        found = {query: pages for query in PROBE["nothing"] if (pages := ask(query))}
        assert not found


@pytest.mark.parametrize("language", FOLDERS)
def test_a_word_that_objects_have_by_birth_is_searched_like_any_other(
    search: Callable[[str, str], Search], file_root: str, language: str
) -> None:
    ask = search(file_root, language)  # an uncaught error fails the test when it ends
    for query in PROBE["inherited"]:
        assert len(ask(query)) <= len(page_names()) // 2, query


@pytest.mark.parametrize("language", FOLDERS)
@pytest.mark.parametrize("broken", ["searchindex.js", "_static/searchtools.js", "a crash"])
def test_a_search_that_fails_says_so(browser: Any, http_root: str, language: str, broken: str) -> None:
    page = browser.new_page()
    if broken == "a crash":
        crash = "document.addEventListener('DOMContentLoaded', () => { Search._parseQuery = null; })"
        page.add_init_script(crash)
    else:
        page.route(f"**/{broken}*", lambda route: route.abort())
    page.goto(f"{http_root}{FOLDERS[language]}search.html?q=softmax")
    title = {"chinese": "搜索没能完成", "english": "The search did not finish"}[language]
    place = page.locator("#search-results")
    expect(place.locator("h2")).to_have_text(title)
    advice = {"chinese": "请刷新页面", "english": "Reload the page"}[language]
    expect(place.locator("p")).to_contain_text(advice)
    page.wait_for_timeout(1200)  # the dots of a search at work come every half second
    expect(place.locator("h2")).to_have_text(title)
    page.close()


def test_a_query_typed_into_a_page_leads_to_its_results(open_page: Callable[..., Any], root: str) -> None:
    page = open_page(root, "28-2-efficient/index.html")
    page.keyboard.press("Control+k")
    field = page.locator("#pst-search-dialog[open] input[name=q]")
    field.fill("负载均衡损失")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_function(FOUND)
    assert (
        page.locator(LINKS).first.get_attribute("href").startswith("28-2-efficient/1-mixture-of-experts.html")
    )
