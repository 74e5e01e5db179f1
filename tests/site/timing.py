"""How long a figure takes to follow a slider, measured against the machine that it runs on."""

from __future__ import annotations

import math
import statistics
from typing import Any

STEP = 16
"""Milliseconds from the movement of a slider to the laid-out figure: one frame."""

PARAGRAPHS = 5.5
"""Milliseconds for 200 paragraphs, drawn between the steps, on this project's machine when it is quiet."""

MEASURE = """async (input) => {
    const root = input.closest(".fw-root");
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
    const spent = [];
    for (let i = 0; i < 120; i++) {
        await new Promise(requestAnimationFrame);
        const paragraphs = timed(draw);
        const before = input.getAttribute("aria-valuetext");
        const began = performance.now();
        if (input.value === input.max) input.value = input.min;
        else input.stepUp();
        input.dispatchEvent(new Event("input", { bubbles: true }));
        const still = () => input.getAttribute("aria-valuetext") === before;
        for (let turn = 0; turn < 100 && still(); turn++) await null;
        root.getBoundingClientRect();
        spent.push([input.value, performance.now() - began, paragraphs]);
        if (still()) throw new Error("the figure did not follow");
    }
    list.remove();
    return spent;
}"""


def step_within_a_frame(slider: Any) -> None:
    """Assert that a figure follows the slider of a Playwright locator within a frame.

    The least of many times for each position, since a busy machine only adds; then the median position.
    Between the steps the browser draws a fixed list of paragraphs: where that takes longer than
    ``PARAGRAPHS`` (this machine or its neighbours are slow now), a step may take longer by the same factor.
    """
    spent = slider.evaluate(MEASURE)
    least: dict[str, float] = {}
    for position, step, _ in spent:
        least[position] = min(step, least.get(position, math.inf))
    assert len(least) >= 4
    allowed = STEP * max(1.0, statistics.median(drawn for *_, drawn in spent) / PARAGRAPHS)
    assert statistics.median(least.values()) <= allowed, (allowed, least)
