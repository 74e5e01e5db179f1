"""AttackPlayground in a real browser, on a page from disk that holds nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frontier_widgets import AttackPlayground
from keyboard import stops
from lone_figure import (
    OPEN_FOLDS,
    SCROLL,
    TOP_OF_THE_NEXT,
    check_room,
    check_story,
    offline,
    pages_of,
    scripts,
    taken,
)
from test_pages import AXE, AXE_RUN
from timing import step_within_a_frame

from frontier_lab.figure_data import attack_playground, attack_tables, browser_models
from frontier_lab.methods import attacks
from frontier_lab.methods.attacks import Attack, Moves
from frontier_lab.texts.synonyms import candidates

Open = Callable[..., Any]
NAME = "AttackPlayground"

OWN = "The wicked king gave great riches to his faithful servant, and the people rejoiced with loud voices."


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    checkpoints = {
        attack_playground.LIVE: browser_models.script(attack_playground.LIVE),
        attack_tables.NAME: attack_tables.script(attack_tables.NAME),
    }
    return pages_of(NAME, tmp_path_factory.mktemp("attack"), checkpoints)


def drawn(page: Any) -> None:
    page.locator(".fw-drawing svg").first.wait_for()


def known(page: Any) -> None:
    """Wait until nothing that is shown is of an older state."""
    page.wait_for_timeout(250)
    page.wait_for_function(
        "!document.querySelector('.fw-stale')"
        " && !/正在|is reading/.test(document.querySelector('.fw-headline').textContent)"
    )


def slide(page: Any, slider: int, value: int) -> None:
    page.locator(".fw-controls input").nth(slider).fill(str(value))


def counts(page: Any) -> list[list[int]]:
    """Of each attack: queries, changed words, and whether it has succeeded."""
    titles = page.locator(".fw-card .fw-caption").all_text_contents()
    outcomes = page.locator("[data-outcome]").evaluate_all("(all) => all.map((one) => one.dataset.outcome)")
    return [
        [*(int(number) for number in re.findall(r"\d+", title)), outcome == "won"]
        for title, outcome in zip(titles, outcomes, strict=True)
    ]


def wanted(
    text: str, *, rare: bool = False, most: int = 0, seed: int = 0, shuffled: bool = False
) -> list[Attack]:
    """What the lab's attacks find on PyTorch's classifier."""
    of = attacks.moves(text, (lambda word: candidates(word, share=0.0)) if rare else candidates)
    of = Moves(of.words, of.options, min(most or of.most, len(of.options)))
    score = attack_playground.victim().score
    label = int(score([text])[0].argmax())
    chance = attack_playground.generator(seed, attack_playground.ORDER)
    search = attacks.greedy(of, label, order=chance if shuffled else "deletion")
    greedy = attack_playground.found_by(search, score)
    texts = attack_playground.random_texts(of, label, greedy.queries, seed)
    return [greedy, attack_playground.found_by(texts, score)]


def check(page: Any, found: list[Attack]) -> None:
    """The cards show what the lab finds: queries, success, and where it succeeds the very text."""
    slide(page, 0, 99)
    for place, (attack, (queries, changed, won)) in enumerate(zip(found, counts(page), strict=True)):
        assert [queries, won] == [attack.queries, attack.succeeded]
        if attack.succeeded or place == 0:
            inserted = page.locator(".fw-card").nth(place).locator("ins").all_text_contents()
            assert inserted == [attack.swaps[at] for at in sorted(attack.swaps)]
            assert changed == len(attack.swaps)


@pytest.mark.parametrize("view", ["figure", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_rule_of_axe_holds(open_page: Open, pages: str, language: str, scheme: str, view: str) -> None:
    page = open_page(pages, f"{language}.html", color_scheme=scheme)
    drawn(page)
    page.evaluate(OPEN_FOLDS)
    if view == "table":
        page.locator(".fw-tools button").first.click()
    else:
        page.locator(".fw-root > .fw-row button").first.click()  # the story
        page.locator(".fw-word").nth(6).click()
        page.locator(".fw-options label").nth(1).click()
        known(page)
    page.add_script_tag(path=AXE)
    assert page.evaluate(AXE_RUN) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_page(open_page: Open, pages: str, width: int) -> None:
    for name in ("zh", "en"):
        page = open_page(pages, f"{name}.html", viewport={"width": width, "height": 800})
        drawn(page)
        page.evaluate(OPEN_FOLDS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # What is drawn lies within its drawing.
        assert page.evaluate(
            """[...document.querySelectorAll(".fw-drawing svg text")].every((text) => {
                const [box, sheet] = [text, text.closest("svg")].map((one) => one.getBoundingClientRect());
                return box.left >= sheet.left - 1 && box.right <= sheet.right + 1 && box.top >= sheet.top - 1;
            })"""
        )


def test_offline_it_opens_without_a_script_and_attacks_as_the_lab_does(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", before=offline)
    drawn(page)
    verses = [example["text"] for example in AttackPlayground().examples]
    check(page, wanted(verses[0]))
    page.locator("select").select_option("9")
    check(page, wanted(verses[9]))
    page.locator("[data-fold=rules] summary").click()
    page.get_by_role("radio", name="随机").check()
    check(page, wanted(verses[9], shuffled=True))
    assert scripts(page) == []
    page.get_by_role("radio", name="任何词义").check()
    known(page)
    check(page, wanted(verses[9], rare=True, shuffled=True))
    assert sorted(scripts(page)) == [
        f"frontier-checkpoint-{name}.js" for name in sorted((attack_tables.NAME, attack_playground.LIVE))
    ]
    page.get_by_role("button", name="再抽一次").click()
    known(page)
    check(page, wanted(verses[9], rare=True, shuffled=True, seed=1))


def test_the_readers_own_sentence_and_fewer_words_are_attacked_as_the_lab_does(
    open_page: Open, pages: str
) -> None:
    page = open_page(pages, "en.html", before=offline)
    page.locator(".fw-verse-input").fill(OWN)
    known(page)
    assert (
        page.locator("select").evaluate("(list) => list.selectedOptions[0].textContent") == "My own sentence"
    )
    check(page, wanted(OWN))
    slide(page, 1, 2)
    known(page)
    check(page, wanted(OWN, most=2))
    of = attacks.moves(OWN, candidates)
    model = attack_tables.linear()
    label = int(model.probabilities([OWN])[0].argmax())
    worst = attacks.worst_case(attack_playground.everywhere(of), label, model.contribution, model.bias)
    least = next(k for k, (margin, _) in enumerate(worst) if margin <= 0)
    line = page.locator(".fw-bound-line").text_content()
    assert f"With {least - 1} word" in line
    for at, word in worst[least][1].items():
        assert f"{of.words[at]} → {word}" in line


def test_a_swap_by_hand_is_read_by_the_classifier(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", before=offline)
    drawn(page)
    example = AttackPlayground().examples[0]
    at, options = next(iter(example["options"].items()))
    page.locator(".fw-word").nth(int(at)).click()
    page.get_by_role("radio", name=options[0]).check()
    known(page)
    swapped = AttackPlayground(swaps={at: options[0]}).verse
    score = attack_playground.victim().score([swapped])[0].tolist()
    shown = page.locator(".fw-reading data").evaluate_all("(all) => all.map((one) => Number(one.value))")
    assert shown == pytest.approx(score, abs=1e-5)
    assert "查询过 1 次" in page.locator(".fw-reading").text_content()


def test_a_new_move_cancels_the_work_on_the_old_one(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    drawn(page)
    for seed in range(1, 5):
        page.evaluate("document.querySelector('[data-fold=rules]').open = true")
        page.get_by_role("button", name="再抽一次").click()
        page.wait_for_timeout(180 if seed % 2 else 20)  # longer than the rest, or shorter
    known(page)
    check(page, wanted(AttackPlayground().examples[0]["text"], seed=4))


def test_without_its_scripts_the_figure_says_so_and_keeps_what_it_has(open_page: Open, pages: str) -> None:
    def without(page: Any) -> None:
        page.route("**/frontier-checkpoint-*", lambda route: route.fulfill(body=""))

    page = open_page(pages, "zh.html", before=without)
    drawn(page)
    page.locator(".fw-verse-input").fill(OWN)
    page.wait_for_function(
        "[...document.querySelectorAll('.fw-source')].some((one) => /载入不了文件 frontier-checkpoint-/"
        ".test(one.textContent))"
    )
    page.locator("select").select_option("1")
    check(page, wanted(AttackPlayground().examples[1]["text"]))


def test_every_control_is_reached_and_moved_with_keys_alone(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    drawn(page)
    seen = stops(page, 40)
    for part in ("带我看一遍", "例句", "改写这句", "一次一次查", "查询次数", "最多换几个词"):
        assert any(part in name for name in seen), (part, seen)
    for part in ("所有句子", "重要的词", "换一种攻击", "线性模型，所有句子", "表格视图", "复位"):
        assert any(part in name for name in seen), (part, seen)
    page.locator(".fw-word[tabindex='0']").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.locator(".fw-word[aria-selected=true]").text_content().startswith("disciples")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    known(page)
    assert page.locator(".fw-word[aria-selected=true]").text_content().startswith("adherents")
    page.locator(".fw-word[aria-selected=true]").focus()
    page.keyboard.press("Escape")
    assert page.locator(".fw-word[aria-selected=true]").count() == 0


def test_room_is_kept_and_filled_when_the_figure_comes_near(open_page: Open, pages: str) -> None:
    page = open_page(pages, "far.html", viewport={"width": 820, "height": 700})
    assert page.locator(".fw-drawing").count() == 0
    before = page.evaluate(TOP_OF_THE_NEXT)
    assert page.evaluate("document.querySelector('.fw-root').offsetHeight") > 900
    page.evaluate(f"scrollTo(0, {SCROLL})")
    drawn(page)
    assert abs(page.evaluate(TOP_OF_THE_NEXT) - before) <= 60
    after = page.evaluate(TOP_OF_THE_NEXT)
    for queries in range(12, -1, -1):
        slide(page, 0, queries)
        assert page.evaluate(TOP_OF_THE_NEXT) == after, (
            f"what stands below the figure moved at query {queries}"
        )
    page.locator(".fw-word").nth(6).click()
    page.locator(".fw-options label").nth(1).click()
    known(page)
    assert page.evaluate(TOP_OF_THE_NEXT) == after, "what stands below the figure moved with a swap"


@pytest.mark.parametrize("width", [1280, 980, 820, 722, 640, 390])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_room_is_what_the_figure_takes(open_page: Open, pages: str, language: str, width: int) -> None:
    page = open_page(pages, f"{language}.html", viewport={"width": width, "height": 700})
    drawn(page)
    check_room(page)


def test_the_story_points_and_stays_in_sight(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    drawn(page)
    check_story(page, steps=7, height=800)
    assert scripts(page) == []


@pytest.mark.parametrize("kind", ["SVG", "PNG", "CSV"])
def test_the_figure_can_be_taken_away(open_page: Open, pages: str, kind: str, tmp_path: Path) -> None:
    page = open_page(pages, "en.html")
    drawn(page)
    file = taken(page, kind, tmp_path)
    if kind == "CSV":
        lines = file.read_text("utf8").splitlines()
        assert lines[0] == "attack,query,text,lead,held,accuracy_left"
        greedy, random = wanted(AttackPlayground().examples[0]["text"])
        assert len(lines) == 1 + greedy.queries + random.queries + 3 * 51
    else:
        assert file.stat().st_size > 5000


@pytest.mark.speed
def test_the_figure_follows_its_slider_within_a_frame(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    drawn(page)
    step_within_a_frame(page.locator(".fw-controls input").first)
