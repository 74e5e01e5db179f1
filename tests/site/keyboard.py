"""What a reader without a mouse comes past."""

from __future__ import annotations

from typing import Any

NAME = """() => {
    const el = document.activeElement;
    if (el === document.body) return null;
    const legend = el.closest("fieldset")?.querySelector("legend")?.textContent;
    return el.getAttribute("aria-label") ?? legend ?? el.labels?.[0]?.textContent ?? el.textContent;
}"""


def stops(page: Any, most: int) -> list[str]:
    """The names of what Tab comes to, in order, until it leaves the page; ``most`` presses at most."""
    seen: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        if (name := page.evaluate(NAME)) is None:
            break
        seen.append(name)
    return seen
