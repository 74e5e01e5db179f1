"""Prose is taken apart as a reader would: sentences, their marks, and what is bold in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sentences import EXTENSIONS, Mark, blocks, sentences

ROOT = Path(__file__).resolve().parents[2]


def words(text: str, language: str) -> list[str]:
    return [sentence.words for sentence in sentences(text, language)]


def test_markdown_is_read_as_the_site_reads_it() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    assert set(config["parse"]["myst_enable_extensions"]) == EXTENSIONS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("甲。乙！丙？", ["甲。", "乙！", "丙？"]),
        ("甲；乙，丙：丁", ["甲；乙，丙：丁"]),
        ("他说“甲。”乙。", ["他说“甲。”", "乙。"]),
        ("（甲。）乙。", ["（甲。）", "乙。"]),
        ("到 0.25 为止。Llama 3.1 也是。", ["到 0.25 为止。", "Llama 3.1 也是。"]),
        ("用 `a。b` 与 $x。y$。乙。", ["用   与  。", "乙。"]),
        ("**粗。** 乙。", ["粗。", "乙。"]),
        ("甲\n乙。", ["甲乙。"]),
        ("为什么？！乙。", ["为什么？！", "乙。"]),
    ],
)
def test_chinese_sentences(text: str, wanted: list[str]) -> None:
    assert words(text, "zh") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One is. Two is! Is three?", ["One is.", "Two is!", "Is three?"]),
        ("It is 0.25 higher. So is s = 8.", ["It is 0.25 higher.", "So is s = 8."]),
        (
            "Others, e.g. Llama 3.1, do. We do, cf. Fig. 2.",
            ["Others, e.g. Llama 3.1, do.", "We do, cf. Fig. 2."],
        ),
        ("Su et al. found it. YaRN vs. NTK.", ["Su et al. found it.", "YaRN vs. NTK."]),
        ("By J. Doe. lower case follows.", ["By J. Doe.", "lower case follows."]),
        ("He said “one.” Two.", ["He said “one.”", "Two."]),
        ("(One.) Two.", ["(One.)", "Two."]),
        ("See `a. B`. $x. Y$ is. *Two.* Three.", ["See  .", "is.", "Two.", "Three."]),
        ("**One is bold.** Two is not.", ["One is bold.", "Two is not."]),
        ("One\nis. Two.", ["One is.", "Two."]),
    ],
)
def test_english_sentences(text: str, wanted: list[str]) -> None:
    assert words(text, "en") == wanted


def test_a_mark_belongs_to_the_sentence_that_it_stands_in() -> None:
    first, second, third = sentences(
        "甲 95 %{claim}`a, b`。乙{derived}`check-c`。见 {cite:p}`su2021`。", "zh"
    )
    assert first.marks == (Mark("claim", ("a", "b")),)
    assert first.words == "甲 95 %。"
    assert second.targets("derived") == ["check-c"]
    assert second.targets("claim") == []
    assert third.is_cited
    assert not first.is_cited


def test_a_role_in_code_is_no_mark() -> None:
    (only,) = sentences("写成 `` {claim}`a` ``。", "zh")
    assert only.marks == ()


def test_bold_spans_belong_to_the_sentence_in_which_they_begin() -> None:
    first, second = sentences("**一句话**：甲与 **乙 $x$ 丙**。丁 **戊**。", "zh")
    assert first.bold == ("一句话", "乙   丙")
    assert first.starts_bold
    assert second.bold == ("戊",)
    assert not second.starts_bold


def test_blocks_know_their_section_and_what_they_are() -> None:
    page = [
        "# 题\n\n开头。\n\n学会：\n\n- 甲。\n- 乙。\n",
        "",
        "## 思想\n\n丙。\n\n### 小题\n\n> 丁。\n",
        "戊。\n\n## 小结\n\n己。",
    ]
    found = [(number, block.kind, block.section, block.words) for number, block in blocks(page)]
    assert found == [
        (0, "h1", "", "题"),
        (0, "paragraph", "", "开头。"),
        (0, "paragraph", "", "学会："),
        (0, "item", "", "甲。"),
        (0, "item", "", "乙。"),
        (2, "h2", "", "思想"),
        (2, "paragraph", "思想", "丙。"),
        (2, "h3", "思想", "小题"),
        (2, "paragraph", "思想", "丁。"),
        (3, "paragraph", "思想", "戊。"),
        (3, "h2", "思想", "小结"),
        (3, "paragraph", "小结", "己。"),
    ]
    assert [block.lead for _, block in blocks(page) if block.kind == "item"] == ["学会："] * 2


def test_a_row_of_a_table_is_one_block_with_the_sentences_of_its_cells() -> None:
    page = ["| 原文 | 实际 |\n|---|---|\n| 甲 | 乙{claim}`a`。丙 |\n"]
    head, row = (block for _, block in blocks(page))
    assert (head.kind, row.kind) == ("head", "row")
    assert [sentence.words for sentence in row.sentences] == ["甲", "乙。", "丙"]
    assert row.marks == (Mark("claim", ("a",)),)


def test_prose_in_directives_is_read_and_other_content_is_not() -> None:
    page = [
        ":::{note}\n甲。\n:::\n\n```{admonition} 题\n:class: tip\n乙。\n```\n\n"
        "```python\nprint('丙。')\n```\n\n"
        "```{solution-start} x\n:class: dropdown\n```\n\n<div>丁。</div>\n\n$$\nx。\n$$\n"
    ]
    assert [block.words for _, block in blocks(page)] == ["甲。", "乙。"]
