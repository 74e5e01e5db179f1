"""28.1.4: from a question through an index and passages to an answer, and where a false passage gets in."""

from __future__ import annotations

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

MIDDLE = WIDEST / 2
WIDE = 150.0
LEFT, RIGHT = 84.0, WIDEST - 84.0
DOWN = 22.0
"""Where the question goes by itself, past the index, to the reader."""


def pipeline(*, place: str, true: str, false: str) -> Drawing:
    """The same question twice: with the right passage in the library, and with a false one.

    Args:
        place: that the question is about.
        true: its capital.
        false: what the false passage says in its place.
    """
    return diagram(
        flow(place, true, is_false=False),
        flow(place, false, is_false=True),
        zh=f"同一个问题走两遍：问“{place} 的首都？”，编码，到索引里找最近的段落，连同问题交给阅读器，"
        f"写出答案。左边文库里的段落说是 {true}，答案就是 {true}；右边有人把文库里的那一段换成了 {false}，"
        f"检索、阅读器都没变，答案变成 {false}。",
        en=f"The same question takes the same way twice: “The capital of {place}?” is encoded, the index "
        f"gives the nearest passage, the reader gets both and writes the answer. On the left the library's "
        f"passage says {true}, and so does the answer. On the right somebody has put a passage with {false} "
        f"into the library; retriever and reader are the same, and the answer is {false}.",
    )


def flow(place: str, city: str, *, is_false: bool) -> Panel:
    """One way from the question to the answer."""
    tone = STRANGE if is_false else KNOWN
    panel = Panel(WIDEST, 380)
    title = "同一个问题，文库里换成假话" if is_false else "同一个问题，文库里是真话"
    panel.label(MIDDLE, 18, title, bold=True)
    panel.label(RIGHT, 48, "假段落从这里进来" if is_false else "段落", size=SMALL, room=WIDE)
    panel.arrow((RIGHT, 54), (RIGHT, 70), tone=tone)
    panel.box(LEFT - WIDE / 2, 72, WIDE, 44, "问题", f"{place} 的首都？")
    panel.box(RIGHT - WIDE / 2, 72, WIDE, 44, "文库", f"……{city}……", tone=tone, filled=True)
    panel.arrow((LEFT, 116), (LEFT, 146))
    panel.label(LEFT - 8, 135, "编码", size=SMALL, anchor="end", soft=True, room=50)
    panel.arrow((RIGHT, 116), (RIGHT, 146), tone=tone)
    panel.label(RIGHT + 8, 135, "编码", size=SMALL, anchor="start", soft=True, room=75)
    panel.box(DOWN + 20, 148, RIGHT + WIDE / 2 - DOWN - 20, 36, "索引：找最近的段落")
    panel.arrow((MIDDLE, 184), (MIDDLE, 212), tone=tone)
    panel.box(MIDDLE - 122, 214, 244, 36, f"取回：{place} 的首都是 {city}", tone=tone, filled=True)
    panel.arrow((MIDDLE, 250), (MIDDLE, 278), tone=tone)
    panel.box(MIDDLE - 102, 280, 204, 36, "阅读器：照着段落写")
    panel.arrow((DOWN, 116), (DOWN, 298), (MIDDLE - 103, 298))  # it reads the question as well
    panel.arrow((MIDDLE, 316), (MIDDLE, 342), tone=tone)
    panel.box(MIDDLE - 102, 344, 204, 34, f"答案：{city}", tone=tone, filled=True)
    return panel
