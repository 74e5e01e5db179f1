"""The page on attention views: BertViz draws its pictures from disk, without the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
PAGE = "28-4-interpretability/1-attention-visualization.html"
HEIGHTS = (270, 520)
"""Of the head view and of the model view, in CSS pixels."""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_views_of_bertviz_are_drawn(open_page: Open, root: str, language: str) -> None:
    page = open_page(root, f"en/{PAGE}" if language == "en" else PAGE)
    frames = page.locator("iframe.frontier-frame")
    assert frames.count() == len(HEIGHTS)
    for at, height in enumerate(HEIGHTS):
        frames.nth(at).scroll_into_view_if_needed()
        inside = frames.nth(at).content_frame.locator("body")
        inside.locator("svg line").first.wait_for(state="attached")
        assert inside.locator("svg line").count() > 100
        assert "[CLS]" in inside.text_content()
        assert frames.nth(at).bounding_box()["height"] == height
        label = frames.nth(at).get_attribute("aria-label")
        assert label.startswith("BertViz")
        assert label == frames.nth(at).get_attribute(f"data-alt-{language}")


def test_the_head_view_shows_the_layer_that_is_chosen(open_page: Open, http_root: str) -> None:
    page = open_page(http_root, PAGE)
    inside = page.locator("iframe.frontier-frame").first.content_frame
    inside.locator("svg line").first.wait_for(state="attached")
    opacity = """() => [...document.querySelectorAll('svg line')]
        .map((line) => line.getAttribute('stroke-opacity')).join()"""
    frame = next(f for f in page.frames if f.parent_frame is not None)
    before = frame.evaluate(opacity)
    inside.locator("#layer").select_option(index=2)
    frame.wait_for_function(f"before => ({opacity})() !== before", arg=before)


@pytest.mark.parametrize("page_of", [PAGE, "28-7-case-studies/3-interpretability.html"])
def test_a_phone_shows_grid_and_heat_map_one_above_the_other(
    open_page: Open, http_root: str, page_of: str
) -> None:
    page = open_page(http_root, page_of)
    page.set_viewport_size({"width": 390, "height": 844})
    for figure in page.locator(".fw-heads:visible").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".fw-head canvas").first.wait_for()
        grid, heat = (figure.locator(part).first.bounding_box() for part in (".fw-grid", ".fw-heat"))
        assert heat["y"] > grid["y"] + grid["height"]
        assert heat["width"] > 220
