"""A page from disk that holds one figure and nothing else, and what is asked of every figure on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import frontier_widgets

SCROLL = 5000
"""Pixels above the figure on the page ``far.html``, where it is far away."""

OPEN_FOLDS = "for (const fold of document.querySelectorAll('details')) fold.open = true"
TOP_OF_THE_NEXT = "document.querySelector('#after').getBoundingClientRect().top + scrollY"
"""Where what follows the figure begins, in pixels."""


def _put(folder: Path, name: str, component: str, language: str, above: int = 0) -> None:
    """A page with the figure alone, between two paragraphs."""
    (folder / f"{name}.html").write_text(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{component}</title>'
        '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'</head><body><main><h1>{component}</h1><div style="height:{above}px"></div>'
        f'<div data-component="{component}"></div><p id="after">after</p><div style="height:{above}px"></div>'
        "</main>"
        '<script src="registry.js"></script><script src="frontier-host.js"></script></body></html>',
        "utf8",
    )


def pages_of(component: str, folder: Path, checkpoints: Mapping[str, str] | None = None) -> str:
    """Lays out ``zh.html``, ``en.html`` and ``far.html``, whose figure is far below its beginning.

    Args:
        component: the figure's name.
        folder: where the pages and their scripts are written.
        checkpoints: by name, the scripts that the figure may add.

    Returns:
        The folder's address.
    """
    shutil.copyfile(frontier_widgets.HOST, folder / "frontier-host.js")
    (folder / "registry.js").write_text(frontier_widgets.registry_script([component]), "utf8")
    for name, script in (checkpoints or {}).items():
        (folder / f"frontier-checkpoint-{name}.js").write_text(script, "utf8")
    _put(folder, "zh", component, "zh")
    _put(folder, "en", component, "en")
    _put(folder, "far", component, "zh", SCROLL)
    return folder.as_uri() + "/"


def offline(page: Any) -> None:
    page.context.set_offline(True)


def scripts(page: Any) -> list[str]:
    """Checkpoints that the page has asked for, in order."""
    found: list[str] = page.evaluate(
        "[...document.scripts].map(({ src }) => src.split('/').at(-1)).filter((at) => /checkpoint/.test(at))"
    )
    return found


def check_room(page: Any) -> None:
    """The height that is kept for the figure is the one that it takes, within 60 pixels."""
    page.wait_for_function("document.querySelector('.fw-root').style.minHeight")  # kept once sizes are known
    kept, own = page.evaluate(
        """() => {
            const root = document.querySelector(".fw-root");
            const kept = parseFloat(root.style.minHeight);
            root.style.minHeight = "0";
            return [kept, root.offsetHeight];
        }"""
    )
    assert abs(kept - own) <= 60, (kept, own)


def check_story(page: Any, steps: int, height: int) -> None:
    """The Chinese tour points at one thing a step, and both are within a window of that height."""
    page.get_by_role("button", name="带我看一遍").click()
    for step in range(steps):
        page.wait_for_timeout(60)
        assert f"第 {step + 1} 步，共 {steps} 步" in page.locator(".fw-story-panel").text_content()
        assert page.locator("[data-fw-pointed]").count() == 1
        for place in (".fw-story-panel", "[data-fw-pointed]"):
            box = page.locator(place).bounding_box()
            assert box["y"] < height, (step, place, box)
            assert box["y"] + box["height"] > 0, (step, place, box)
        page.get_by_role("button", name=re.compile("下一步|结束导览")).last.click()
    assert page.locator(".fw-story-panel").is_hidden()


def taken(page: Any, kind: str, folder: Path) -> Path:
    """The file that the English figure's button of that kind gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {kind}").click()
    file = folder / "file"
    download.value.save_as(file)
    return file
