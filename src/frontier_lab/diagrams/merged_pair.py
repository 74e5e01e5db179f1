"""28.7.2: what two experts and their merge answer to one prompt of each kind and to one that needs both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

EDGE = 2.0
GAP = 9.0
WIDE = (WIDEST - 2 * EDGE - 2 * GAP) / 3
"""Of a box: three stand beside each other."""
HIGH = 34.0
STEP = 74.0
"""From one prompt to the next."""
NAMES = ("算术专家", "字母专家", "合并后")


def asked(prompts: Sequence[str], wanted: Sequence[str], said: Mapping[str, Sequence[str]]) -> Drawing:
    """A row for each prompt, a column for each model, and in each box the answer, right or wrong.

    Args:
        prompts: one about numbers, one about letters, one that needs both.
        wanted: their right answers.
        said: by model, its answers to them; the models are ``NAMES``.

    Raises:
        ValueError: there are not three prompts with an answer each, or the models are not ``NAMES``.
    """
    if tuple(said) != NAMES:
        raise ValueError(f"said: got {', '.join(said)}, wanted {', '.join(NAMES)}")
    counts = {len(prompts), len(wanted), *(len(answers) for answers in said.values())}
    if counts != {3}:
        raise ValueError(f"prompts, wanted, said: got {sorted(counts)} of a kind, wanted three")
    panel = Panel(WIDEST, 34 + 3 * STEP)
    for column, name in enumerate(NAMES):
        panel.label(EDGE + column * (WIDE + GAP) + WIDE / 2, 18, name, bold=True, room=WIDE + GAP)
    for row, (prompt, answer) in enumerate(zip(prompts, wanted, strict=True)):
        top = 34 + row * STEP
        panel.label(EDGE, top + 20, prompt, anchor="start", room=WIDEST / 2)
        panel.label(WIDEST - EDGE, top + 20, f"应答 {answer}", size=SMALL, anchor="end", soft=True, room=150)
        for column, answers in enumerate(said.values()):
            hit = answers[row] == answer
            left, words = EDGE + column * (WIDE + GAP), f"{'✓' if hit else '✗'} {answers[row]}"
            panel.box(left, top + 30, WIDE, HIGH, words, tone=KNOWN if hit else STRANGE, filled=hit)
    right = {name: [a == w for a, w in zip(answers, wanted, strict=True)] for name, answers in said.items()}
    listed = [f"{name}答 {'、'.join(answers)}" for name, answers in said.items()]
    english = dict(zip(NAMES, ("the sums expert", "the letters expert", "the merged model"), strict=True))
    told = [f"{english[name]} says {', '.join(answers)}" for name, answers in said.items()]
    count = {name: sum(hits) for name, hits in right.items()}
    return diagram(
        panel,
        zh=f"三道题，{'，'.join(prompts)}，正确答案是 {'、'.join(wanted)}。{'；'.join(listed)}。"
        f"各答对 {'、'.join(str(n) for n in count.values())} 道。",
        en=f"Three prompts, {', '.join(prompts)}, whose right answers are {', '.join(wanted)}: "
        f"{'; '.join(told)}. They answer {', '.join(str(n) for n in count.values())} of them right.",
    )
