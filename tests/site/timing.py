"""How long figures take to be there and to follow a slider, measured against the machine that it runs on."""

from __future__ import annotations

import math
import statistics
from typing import Any

STEP = 16
"""Milliseconds from the movement of a slider to the laid-out figure: one frame."""

PARAGRAPHS = 5.5
"""Milliseconds for 200 paragraphs, beside what is measured, on this project's quiet machine."""

DRAWN = """
    const list = document.createElement("div");
    const draw = () => {
        list.replaceChildren(...Array.from({ length: 200 }, (_, i) => {
            const line = document.createElement("p");
            line.textContent = `词元 ${i}: token ${i * 7919}`;
            return line;
        }));
        list.getBoundingClientRect();
    };
    document.body.append(list);
    const timed = (work) => {
        const began = performance.now();
        work();
        return performance.now() - began;
    };
"""

MEASURE = f"""async (input) => {{
    const root = input.closest(".fw-root");
    {DRAWN}
    const spent = [];
    for (let i = 0; i < 120; i++) {{
        await new Promise(requestAnimationFrame);
        const paragraphs = timed(draw);
        const before = input.getAttribute("aria-valuetext");
        const began = performance.now();
        if (input.value === input.max) input.value = input.min;
        else input.stepUp();
        input.dispatchEvent(new Event("input", {{ bubbles: true }}));
        const still = () => input.getAttribute("aria-valuetext") === before;
        for (let turn = 0; turn < 100 && still(); turn++) await null;
        root.getBoundingClientRect();
        spent.push([input.value, performance.now() - began, paragraphs]);
        if (still()) throw new Error("the figure did not follow");
    }}
    list.remove();
    return spent;
}}"""

PROBE = f"""async () => {{
    {DRAWN}
    const spent = [];
    for (let i = 0; i < 12; i++) {{
        await new Promise(requestAnimationFrame);
        spent.push(timed(draw));
    }}
    list.remove();
    return spent;
}}"""

USABLE = 300
"""Milliseconds from the parsed page to figures that answer."""

WATCH = """new MutationObserver(() => {
    if (document.documentElement?.dataset.frontier === "done") window.usable ??= performance.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-frontier"] });"""


def slowness(drawn: list[float]) -> float:
    """How many times longer the paragraphs took than on this project's quiet machine; at least 1."""
    return max(1.0, statistics.median(drawn) / PARAGRAPHS)


def usable_soon(page: Any) -> None:
    """Assert that a page's figures answer within ``USABLE`` of its parsing; ``WATCH`` is its init script.

    The least of seven loads counts; where the paragraphs, drawn after each, take longer, loading may too.
    """
    spent, drawn = [], []
    for _ in range(7):
        page.reload(wait_until="commit")
        page.wait_for_function("window.usable !== undefined")
        spent.append(
            page.evaluate("window.usable - performance.getEntriesByType('navigation')[0].domInteractive")
        )
        drawn += page.evaluate(PROBE)
    allowed = USABLE * slowness(drawn)
    assert 0 < min(spent) <= allowed, (round(allowed), [round(ms) for ms in spent])


def step_within_a_frame(slider: Any) -> None:
    """Assert that a figure follows the slider of a Playwright locator within a frame.

    The least of many times for each position, since a busy machine only adds; then the median position.
    Between the steps the browser draws a fixed list of paragraphs: where that takes longer, so may a step.
    """
    spent = slider.evaluate(MEASURE)
    least: dict[str, float] = {}
    for position, step, _ in spent:
        least[position] = min(step, least.get(position, math.inf))
    assert len(least) >= 4
    allowed = STEP * slowness([drawn for *_, drawn in spent])
    assert statistics.median(least.values()) <= allowed, (allowed, least)
