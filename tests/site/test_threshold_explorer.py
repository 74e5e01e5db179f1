"""ThresholdExplorer in a real browser, on a page from disk that holds nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frontier_widgets import ThresholdExplorer
from frontier_widgets.threshold_explorer.decisions import Rates, operating
from keyboard import stops
from lone_figure import OPEN_FOLDS, SCROLL, TOP_OF_THE_NEXT, check_room, check_story, offline, pages_of, taken
from test_pages import AXE, AXE_RUN
from timing import step_within_a_frame

Open = Callable[..., Any]
NAME = "ThresholdExplorer"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pages_of(NAME, tmp_path_factory.mktemp("thresholds"))


def shown(page: Any) -> list[int]:
    """Numbers of the headline."""
    return [int(number) for number in re.findall(r"\d+", page.locator(".fw-headline").text_content())]


def said(found: Rates) -> list[int]:
    """What the headline says of the lower sentences, in the order of the Chinese."""
    return [found.harmless, found.blocked, found.harmful, found.missed]


def set_level(page: Any, level: float) -> None:
    page.locator(".fw-axis input").fill(str(level))


@pytest.mark.parametrize("view", ["figure", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_rule_of_axe_holds(open_page: Open, pages: str, language: str, scheme: str, view: str) -> None:
    page = open_page(pages, f"{language}.html", color_scheme=scheme)
    page.evaluate(OPEN_FOLDS)
    page.locator(".fw-board svg").first.wait_for()
    if view == "table":
        page.locator(".fw-tools button").first.click()
    else:
        page.locator(".fw-root > .fw-row button").first.click()  # the story
    page.add_script_tag(path=AXE)
    assert page.evaluate(AXE_RUN) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_page(open_page: Open, pages: str, width: int) -> None:
    for name in ("zh", "en"):
        page = open_page(pages, f"{name}.html", viewport={"width": width, "height": 800})
        page.evaluate(OPEN_FOLDS)
        page.locator(".fw-board svg").first.wait_for()
        for part in range(2, 5):
            page.get_by_role("radio").nth(part).check()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            # What is drawn lies within its drawing.
            outside = page.evaluate(
                """[...document.querySelectorAll(".fw-figure svg text")].filter((text) => {
                    const place = (one) => one.getBoundingClientRect();
                    const [box, sheet] = [place(text), place(text.closest("svg"))];
                    return box.width && (box.left < sheet.left - 1 || box.right > sheet.right + 1
                        || box.top < sheet.top - 1 || box.bottom > sheet.bottom + 1);
                }).map(({ textContent }) => textContent)"""
            )
            assert outside == [], (name, part)


def test_words_on_one_line_do_not_run_into_each_other(open_page: Open, pages: str) -> None:
    for name in ("zh", "en"):
        page = open_page(pages, f"{name}.html", viewport={"width": 320, "height": 800})
        for radio in (0, 1):
            page.get_by_role("radio").nth(radio).check()
            assert page.evaluate(
                """[...document.querySelectorAll(".fw-strips svg")].every((sheet) => {
                    const words = [...sheet.querySelectorAll("text")];
                    const boxes = words.map((one) => one.getBoundingClientRect());
                    const apart = (a, b) => a.right <= b.left || a.bottom <= b.top + 2;
                    return boxes.every((a, i) => boxes.slice(i + 1).every((b) => apart(a, b) || apart(b, a)));
                })"""
            ), (name, radio)


def test_offline_it_counts_as_its_twin_does(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", before=offline)
    page.locator(".fw-board svg").first.wait_for()
    for at, name in enumerate(("bert", "heads")):
        page.get_by_role("radio").nth(at).check()
        for level in (-2.0, 0.0, 1.5):
            set_level(page, level)
            twin = ThresholdExplorer(filter=name, threshold=1 / (1 + 2.718281828459045**-level))
            assert shown(page)[-4:] == said(twin.rates())
            seen = twin.rates("seen")
            assert shown(page)[-5] in (200, seen.missed + seen.blocked)


def test_each_label_and_calibration_count_as_the_twin_does(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    page.get_by_role("radio").nth(1).check()
    page.locator("[data-fold=labels] summary").click()
    page.locator(".fw-labels input").nth(3).fill("-2")
    twin = ThresholdExplorer(filter="heads", shifts=[0, 0, 0, -2, 0])
    assert shown(page)[-4:] == said(twin.rates())
    page.get_by_role("checkbox").check()
    twin.calibrated = True
    assert shown(page)[-4:] == said(twin.rates())
    page.locator("[data-fold=labels] button").click()
    twin.shifts = [0.0] * 5
    assert shown(page)[-4:] == said(twin.rates())


def test_every_control_is_reached_and_moved_with_keys_alone(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    page.evaluate(OPEN_FOLDS)
    seen = stops(page, 60)
    for part in (
        "带我看一遍",
        "过滤器",
        "换成",
        "阈值",
        "用方向键移动",
        "曲线",
        "一千句里会怎样",
        "有害的占",
    ):
        assert any(part in name for name in seen), (part, seen)
    for part in ("漏一句抵", "每个标签", "粗话", "概率先校准", "换一个群体名", "分类看", "表格视图", "复位"):
        assert any(part in name for name in seen), (part, seen)
    page.locator(".fw-axis input").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".fw-axis output").text_content() == "0.48"
    page.locator(".fw-handle").focus()
    page.keyboard.press("ArrowDown")
    points = operating(*ThresholdExplorer().scored())
    shown_now = shown(page)[-4:]
    assert shown_now in [said(Rates(80, point.missed, 80, point.blocked)) for point in points]


def test_a_press_on_the_sentences_moves_the_threshold_there(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    box = page.locator(".fw-strips .fw-board").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60, steps=5)
    page.mouse.up()
    level = float(page.locator(".fw-axis input").input_value())
    assert level > 7
    line = page.locator(".fw-strips path[stroke-width='2.5']").first.bounding_box()
    assert abs(line["x"] - (box["x"] + box["width"] - 20)) <= 4
    thumb = page.locator(".fw-axis input").bounding_box()
    middle = thumb["x"] + 8 + (level + 8) / 16 * (thumb["width"] - 16)
    assert abs(middle - line["x"]) <= 2, "the slider's thumb stands under the line"


def test_the_point_is_dragged_along_its_curve(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    page.get_by_role("radio").nth(1).check()
    point = page.locator(".fw-handle")
    box = point.bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 14)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] - 60, steps=6)
    page.mouse.up()
    _, blocked, _, missed = shown(page)[-4:]
    points = operating(*ThresholdExplorer(filter="heads").scored())
    assert (missed, blocked) in [(one.missed, one.blocked) for one in points]
    assert blocked > 7
    assert missed < 41


def test_on_glass_a_tap_moves_the_threshold_and_a_thumb_still_scrolls(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    board = page.locator(".fw-strips .fw-board")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 16, box["y"] + 60)
    assert float(page.locator(".fw-axis input").input_value()) > 7
    touch = "(one) => getComputedStyle(document.querySelector(one)).touchAction"
    assert page.evaluate(touch, ".fw-board") == "auto"
    assert page.evaluate(touch, ".fw-handle") == "none"


def test_room_is_kept_and_filled_when_the_figure_comes_near(open_page: Open, pages: str) -> None:
    page = open_page(pages, "far.html", viewport={"width": 820, "height": 700})
    assert page.locator(".fw-board").count() == 0
    before = page.evaluate(TOP_OF_THE_NEXT)
    assert page.evaluate("document.querySelector('.fw-root').offsetHeight") > 700
    page.evaluate(f"scrollTo(0, {SCROLL})")
    page.locator(".fw-board svg").first.wait_for()
    assert abs(page.evaluate(TOP_OF_THE_NEXT) - before) <= 60
    after = page.evaluate(TOP_OF_THE_NEXT)
    for radio in (1, 0, 6, 5):
        page.get_by_role("radio").nth(radio).check()
        for level in (-3, 0, 6):
            set_level(page, level)
            assert abs(page.evaluate(TOP_OF_THE_NEXT) - after) <= 1, "what stands below the figure moved"


@pytest.mark.parametrize("width", [980, 820, 722, 640, 390])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_room_is_what_the_figure_takes(open_page: Open, pages: str, language: str, width: int) -> None:
    page = open_page(pages, f"{language}.html", viewport={"width": width, "height": 700})
    page.locator(".fw-board svg").first.wait_for()
    check_room(page)


def test_the_story_points_and_stays_in_sight(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    check_story(page, steps=7, height=800)


@pytest.mark.parametrize("kind", ["SVG", "PNG", "CSV"])
def test_the_figure_can_be_taken_away(open_page: Open, pages: str, kind: str, tmp_path: Path) -> None:
    page = open_page(pages, "en.html")
    file = taken(page, kind, tmp_path)
    if kind == "CSV":
        lines = file.read_text("utf8").splitlines()
        records = ThresholdExplorer().to_records()
        assert len(lines) == 1 + len(records)
        assert lines[0] == ",".join(records[0])
        last = [str(value) for value in records[-1].values()]
        assert [float(a) if a[-1:].isdigit() else a for a in lines[-1].split(",")] == [
            float(a) if a[-1:].isdigit() else a for a in last
        ]
    else:
        assert file.stat().st_size > 5000


@pytest.mark.speed
@pytest.mark.parametrize(
    "slider", [".fw-axis input", "[data-fold=thousand] input", ".fw-labels input >> nth=2"]
)
def test_the_figure_follows_a_slider_within_a_frame(open_page: Open, pages: str, slider: str) -> None:
    """With every fold open, whose drawings follow as well; a few positions, each taken many times."""
    page = open_page(pages, "zh.html")
    page.get_by_role("radio").nth(1).check()
    page.evaluate(OPEN_FOLDS)
    moved = page.locator(slider)
    moved.evaluate("(input) => { input.max = Math.min(Number(input.max), Number(input.value) + 0.5); }")
    moved.evaluate(
        "(input) => { if (input.step === '1') input.max = 8; else input.min = Number(input.max) - 0.5; }"
    )
    step_within_a_frame(moved)
