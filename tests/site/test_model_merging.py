"""ModelMerging in a real browser, on a page from disk that holds nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frontier_widgets import ModelMerging
from frontier_widgets.model_merging.rules import Merge, merge
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
from timing import MEASURE, STEP, slowness

from frontier_lab.figure_data import browser_models, model_merging, task_vectors

Open = Callable[..., Any]
NAME = "ModelMerging"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    checkpoints = {"merging": browser_models.script("merging")}
    checkpoints |= {name: task_vectors.script(name) for name in task_vectors.NAMES}
    return pages_of(NAME, tmp_path_factory.mktemp("merging"), checkpoints)


def counts(page: Any) -> list[str]:
    found: list[str] = page.locator(".fw-right-count").all_text_contents()
    return found


def set_weight(page: Any, task: int, weight: float) -> None:
    page.locator(".fw-sliders input").nth(task).fill(str(weight))


def measured(page: Any) -> None:
    """Wait until nothing shown is an estimate."""
    page.wait_for_function(
        "[...document.querySelectorAll('.fw-right-count')].every((one) => one.dataset.kind === 'exact')"
        " && ![...document.querySelectorAll('.fw-answers code')].some((one) => one.textContent === '…')"
    )


def wanted(how: Merge, steps: int = 80) -> list[str]:
    """What PyTorch's merged model scores."""
    weights = merge(task_vectors.base(), task_vectors.vectors(steps), how)
    return [f"{count} / 32" for count in model_merging.measured(weights).tolist()[:3]]


@pytest.mark.parametrize("view", ["figure", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_rule_of_axe_holds(open_page: Open, pages: str, language: str, scheme: str, view: str) -> None:
    page = open_page(pages, f"{language}.html", color_scheme=scheme)
    page.evaluate(OPEN_FOLDS)
    page.locator(".fw-board svg").wait_for()
    if view == "table":
        page.locator(".fw-tools button").first.click()
    else:
        page.locator(".fw-root > .fw-row button").first.click()  # the story
        set_weight(page, 2, 0.8)  # an estimate, and the answers that go with it
    page.add_script_tag(path=AXE)
    assert page.evaluate(AXE_RUN) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_page(open_page: Open, pages: str, width: int) -> None:
    for name in ("zh", "en"):
        page = open_page(pages, f"{name}.html", viewport={"width": width, "height": 800})
        page.evaluate(OPEN_FOLDS)
        page.locator(".fw-board svg").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # What is drawn lies within its drawing.
        assert page.evaluate(
            """[...document.querySelectorAll(".fw-board svg text")].every((text) => {
                const [box, sheet] = [text, text.closest("svg")].map((one) => one.getBoundingClientRect());
                return box.left >= sheet.left - 1 && box.right <= sheet.right + 1 && box.top >= sheet.top - 1;
            })"""
        )


def test_moved_offline_the_real_model_answers_as_pytorchs_does(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", before=offline)
    page.locator(".fw-board svg").wait_for()
    assert scripts(page) == []
    opening = ModelMerging()
    assert counts(page) == [f"{round(opening.estimate()[task])} / 32" for task in opening.tasks]
    set_weight(page, 0, 0.9)
    assert all(text.startswith("约 ") for text in counts(page))
    assert "约" in page.locator(".fw-headline").text_content()
    measured(page)
    assert scripts(page) == ["frontier-checkpoint-merging.js", "frontier-checkpoint-merging-80.js"]
    assert counts(page) == wanted(Merge((0.9, 0.75, 0.75)))
    page.get_by_role("radio", name="320").check()
    page.get_by_role("checkbox").uncheck()
    measured(page)
    assert scripts(page)[2:] == ["frontier-checkpoint-merging-320.js"]
    assert counts(page) == wanted(Merge((0.9, 0.75, 0.75), embedding=False), 320)


@pytest.mark.parametrize(
    ("label", "how"),
    [
        ("TIES", Merge((0.75, 0.75, 0.75), rule="ties")),
        ("DARE", Merge((0.75, 0.75, 0.75), rule="dare")),
        ("NuSLERP", Merge((0.75, 0.75, 0.75), rule="nuslerp")),
    ],
)
def test_a_rule_without_a_grid_is_measured_in_the_page(
    open_page: Open, pages: str, label: str, how: Merge
) -> None:
    page = open_page(pages, "en.html")
    page.locator("[data-fold=rules] summary").click()
    page.get_by_role("radio", name=label).check()
    assert "was not measured beforehand" in page.locator(".fw-headline").text_content()
    measured(page)
    assert counts(page) == wanted(how)


def test_a_new_move_cancels_the_work_on_the_old_one(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    for weight in (0.1, 0.2, 0.3, 0.4, 0.6):
        set_weight(page, 1, weight)
        page.wait_for_timeout(200)  # longer than the rest: each begins
    measured(page)
    assert counts(page) == wanted(Merge((0.75, 0.6, 0.75)))


def test_the_readers_own_prompt_is_answered_by_five_models(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    page.locator(".fw-prompt-input").fill("z y a =")
    page.wait_for_function(
        "document.querySelector('.fw-key').textContent.includes('自己判断') &&"
        " ![...document.querySelectorAll('.fw-answers code')].some((one) => one.textContent === '…')"
    )
    base, vectors = task_vectors.base(), task_vectors.vectors(80)
    ones = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), model_merging.DEFAULT]
    said = [model_merging.answer(merge(base, vectors, Merge(one)), "z y a =").strip() for one in ones]
    assert page.locator(".fw-answers code").all_text_contents() == said
    page.locator(".fw-chips button").nth(1).click()
    assert page.locator(".fw-prompt-input").input_value() == model_merging.prompts()["strings"][0].prompt


def test_without_its_weights_the_figure_says_so_and_keeps_its_estimates(open_page: Open, pages: str) -> None:
    def without(page: Any) -> None:
        page.route("**/frontier-checkpoint-*", lambda route: route.fulfill(body=""))

    page = open_page(pages, "zh.html", before=without)
    set_weight(page, 0, 0.9)
    page.wait_for_function(
        "/载入不了权重文件 frontier-checkpoint-merging.js/"
        ".test(document.querySelector('.fw-status').textContent)"
    )
    assert all(text.startswith("约 ") for text in counts(page))


def test_every_control_is_reached_and_moved_with_keys_alone(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    seen = stops(page, 40)
    for part in ("带我看一遍", "用方向键移动", "平面是", "算术专家加多少", "专家练了", "词嵌入也合并"):
        assert any(part in name for name in seen), (part, seen)
    for part in ("出一道题", "换一条合并规则", "三个一起加", "表格视图", "复位"):
        assert any(part in name for name in seen), (part, seen)
    page.locator(".fw-handle").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert page.locator(".fw-sliders output").all_text_contents() == ["0.80", "1.00", "0.75"]


def test_a_press_on_the_plane_moves_the_point_there(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html")
    box = page.locator(".fw-board svg").bounding_box()
    page.mouse.click(box["x"] + 40 + (box["width"] - 48) * 0.25, box["y"] + 8 + (box["height"] - 46) * 0.75)
    assert page.locator(".fw-sliders output").all_text_contents() == ["0.00", "0.00", "0.75"]
    assert page.evaluate("document.activeElement.className") == "fw-handle"


def test_on_glass_a_tap_moves_the_point_and_a_thumb_still_scrolls(open_page: Open, pages: str) -> None:
    page = open_page(pages, "zh.html", viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    box = page.locator(".fw-board svg").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 8, box["y"] + 8)
    assert page.locator(".fw-sliders output").all_text_contents() == ["1.50", "1.50", "0.75"]
    touch = "(one) => getComputedStyle(document.querySelector(one)).touchAction"
    assert page.evaluate(touch, ".fw-board") == "auto"
    assert page.evaluate(touch, ".fw-handle") == "none"


def test_room_is_kept_and_filled_when_the_figure_comes_near(open_page: Open, pages: str) -> None:
    page = open_page(pages, "far.html", viewport={"width": 820, "height": 700})
    assert page.locator(".fw-board").count() == 0
    before = page.evaluate(TOP_OF_THE_NEXT)
    assert page.evaluate("document.querySelector('.fw-root').offsetHeight") > 900
    page.evaluate(f"scrollTo(0, {SCROLL})")
    page.locator(".fw-board svg").wait_for()
    assert abs(page.evaluate(TOP_OF_THE_NEXT) - before) <= 60
    after = page.evaluate(TOP_OF_THE_NEXT)
    for task, weight in ((0, 0.0), (1, 0.0), (2, 0.0), (0, 1.0)):
        set_weight(page, task, weight)
        measured(page)
        assert page.evaluate(TOP_OF_THE_NEXT) == after, "what stands below the figure moved"


@pytest.mark.parametrize("width", [980, 820, 722, 640, 390])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_room_is_what_the_figure_takes(open_page: Open, pages: str, language: str, width: int) -> None:
    page = open_page(pages, f"{language}.html", viewport={"width": width, "height": 700})
    page.locator(".fw-board svg").wait_for()
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
        assert len(lines) == 1 + 2 * 2 * 8**3
        assert lines[0] == (
            "steps,embedding,weight_arithmetic,weight_strings,weight_style,arithmetic,strings,style,text_loss"
        )
    else:
        assert file.stat().st_size > 5000


@pytest.mark.speed
@pytest.mark.parametrize("slider", [0, 2])
def test_the_figure_follows_a_slider_within_a_frame(open_page: Open, pages: str, slider: int) -> None:
    page = open_page(pages, "zh.html")
    page.route("**/frontier-checkpoint-*", lambda route: route.fulfill(body=""))
    spent = page.locator(".fw-sliders input").nth(slider).evaluate(MEASURE)
    allowed = STEP * slowness([probe for _, _, probe in spent])
    times = sorted(step for _, step, _ in spent)
    assert times[len(times) // 2] <= allowed, times
