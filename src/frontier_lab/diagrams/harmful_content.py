"""28.5.2: five labels of one sentence: what the source's rule reads of them, and what a filter must."""

from __future__ import annotations

from collections.abc import Mapping

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

MIDDLE = WIDEST / 2
START, LENGTH, TALL, STEP = 128.0, 150.0, 16.0, 30.0
"""Where bars begin, how long one of probability 1 is, how thick, and how far apart."""


def five_labels(*, sentence: str, scores: Mapping[str, float], threshold: float) -> Drawing:
    """A sentence that the rule of the highest label lets through and the rule of each label blocks.

    Args:
        sentence: of the data.
        scores: label to probability, ``toxic`` among them.
        threshold: of both rules.

    Raises:
        ValueError: the highest label is ``toxic``, or ``toxic`` is below the threshold.
    """
    highest = max(scores, key=scores.__getitem__)
    if highest == "toxic" or scores["toxic"] < threshold:
        raise ValueError(f"scores: got {dict(scores)}, wanted toxic over {threshold} and not the highest")
    numbers = "，".join(f"{label} {score:.3f}" for label, score in scores.items())
    spoken = ", ".join(f"{label} {score:.3f}" for label, score in scores.items())
    return diagram(
        bars(sentence, scores, threshold),
        rules(highest, scores, threshold),
        zh=f"左：一句话的五个标签各有一个概率：{numbers}，门限 {threshold:g}。右：原文只看最高的标签，那是 "
        f"{highest}，不是 toxic，于是放行；逐个标签看，{highest} 与 toxic 都过了门限，于是拦下。",
        en=f"Left: each of five labels has a probability of its own for one sentence: {spoken}; the "
        f"threshold is {threshold:g}. Right: the source reads the highest label alone, which is {highest} "
        f"and not toxic, and lets the sentence through; read label by label, {highest} and toxic are over "
        "the threshold, and the sentence is blocked.",
    )


def bars(sentence: str, scores: Mapping[str, float], threshold: float) -> Panel:
    """A bar for each label, and the threshold across them."""
    panel = Panel(WIDEST, 250)
    panel.label(MIDDLE, 18, "五个标签，各有各的概率", bold=True)
    panel.label(MIDDLE, 42, sentence, size=SMALL)
    for row, (label, score) in enumerate(scores.items()):
        top = 62 + STEP * row
        tone = KNOWN if score >= threshold else STRANGE
        panel.label(START - 8, top + 13, label, size=SMALL, anchor="end")
        panel.box(START, top, max(LENGTH * score, 2), TALL, tone=tone, filled=True)
        panel.label(START + LENGTH + 12, top + 13, f"{score:.3f}", size=SMALL, anchor="start")
    at = START + LENGTH * threshold
    panel.line((at, 54), (at, 62 + STEP * len(scores)), thickness=1.2)
    panel.label(at, 62 + STEP * len(scores) + 18, f"门限 {threshold:g}", size=SMALL)
    return panel


def rules(highest: str, scores: Mapping[str, float], threshold: float) -> Panel:
    """What the two rules do with these labels."""
    panel = Panel(WIDEST, 250)
    panel.label(MIDDLE, 18, "同样的概率，两种读法", bold=True)
    panel.label(MIDDLE, 52, "只看最高的标签（原文）", size=SMALL)
    panel.box(20, 62, WIDEST - 40, 34, f"最高的是 {highest}，不是 toxic", tone=STRANGE)
    panel.arrow((MIDDLE, 96), (MIDDLE, 112), tone=STRANGE)
    panel.label(MIDDLE, 128, "放行", bold=True)
    over = sum(score >= threshold for score in scores.values())
    panel.label(MIDDLE, 164, "逐个标签与门限比", size=SMALL)
    panel.box(20, 174, WIDEST - 40, 34, f"有 {over} 个标签过了门限", tone=KNOWN)
    panel.arrow((MIDDLE, 208), (MIDDLE, 224), tone=KNOWN)
    panel.label(MIDDLE, 240, "拦下", bold=True)
    return panel
