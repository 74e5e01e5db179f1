"""Numbers in prose are compared with their claim's: equal as printed, with their sign, side and unit."""

from __future__ import annotations

import dataclasses

import pytest
from claim_numbers import faults, numbers

from frontier_lab.claims import parse
from frontier_lab.claims.ledger import Record, Text

LINE = (
    "✓ far-recall | difference > 0.1 | 0.25 [0.18, 0.32] | n = 3 seeds, paired t | baseline 0.70 "
    "| yarn 0.95, factor 8, texts 480"
)


def record(line: str = LINE) -> Record:
    claim = parse(line)
    words = Text("甲", "one")
    return Record(claim.name, "page", 1, "empirical", claim, words, words)


def zh(words: str, *lines: str) -> list[str]:
    return faults(words, [record(line) for line in lines or (LINE,)], "zh")


def en(words: str, *lines: str) -> list[str]:
    return faults(words, [record(line) for line in lines or (LINE,)], "en")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("找回 95 %，隔 480 个词元", [0.95, 480]),
        ("0–64 与 64-128，3×5", [0, 64, 64, 128, 3, 5]),
        ("从 -0.25 到 −0.1，差+2", [-0.25, -0.1, 2]),
        ("1,024 个，250,880 项，1.5 万，0.42 M，8K", [1024, 250880, 15000, 420000, 8000]),
        ("高 25 个百分点，即 1/8", [0.25, 0.125]),
        ("25 percentage points, 3 points, 95%", [0.25, 0.03, 0.95]),
        ("in 2024, (2025), Nov 2026, since 1997; 2024 年 7 月 3 日，7 月", []),
        ("2000 个词元, 2048 tokens", [2000, 2048]),
        ("第 28.1 节、28.1.2、28.1.1-3、第 2 章、图 3、Table 2, Section 4.1", []),
        ("Llama 2, Llama 3.1, GPT-2, SmolLM2-135M, Qwen2.5-1M, int8, H200, top-5, recall@5, 4-D, 2nd", []),
        ("YaRN 95 %、ALiBi 73 %", [0.95, 0.73]),
        ("s = 8 时", [8]),
        ("3 倍，5x", [3, 5]),
    ],
)
def test_numbers_are_found_and_names_are_not(words: str, wanted: list[float]) -> None:
    assert [number.value for number in numbers(words)] == pytest.approx(wanted)


@pytest.mark.parametrize(
    "words",
    [
        "找回 95 %，比原样（70 %）高 0.25，区间 0.18 到 0.32。",
        "高 25 个百分点，s = 8，隔 480 个词元，3 个种子。",
        "差别超过 0.1。",
        "多出 0.3。",
        "它们相差很多。",
    ],
)
def test_sentences_that_say_what_was_measured_pass_in_chinese(words: str) -> None:
    assert zh(words) == []


@pytest.mark.parametrize(
    "words",
    [
        "It finds 95 %, 0.25 higher than unchanged (70 %), between 0.18 and 0.32.",
        "It rises by 25 percentage points at s = 8, 480 tokens back, over 3 seeds.",
        "The difference is more than 0.1.",
        "They differ by a lot.",
    ],
)
def test_sentences_that_say_what_was_measured_pass_in_english(words: str) -> None:
    assert en(words) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("找回 96 %。", "96 % is no number of far-recall"),
        ("找回 95.3 %。", "95.3 % is no number"),
        ("高 0.26。", "0.26 is no number"),
        ("高 2.5。", "2.5 is no number"),
        ("1 个。", "1 is no number"),
        ("s = 4 时。", "4 is no number"),
        ("差别是 −0.25。", "−0.25 is no number"),
        ("低 0.25。", "0.25 reads as less, and the estimate is 0.25"),
        ("少了 25 个百分点。", "25 个百分点 reads as less"),
        ("差别不到 0.1。", "0.1 is said to be on the other side than in 'difference > 0.1'"),
        ("差别至多 10 %。", "on the other side"),
        ("3 段文本。", "3 texts: far-recall is over seeds"),
        ("九成找回。", "'九成' is a number in words"),
        ("多了一半。", "'一半' is a number in words"),
        ("是两三倍。", "'两三倍' is a number in words"),
        ("三分之一。", "'三分之一' is a number in words"),
        ("三个种子。", "'三个种子' is a number in words"),
    ],
)
def test_a_fault_in_chinese_is_named(words: str, complaint: str) -> None:
    (fault,) = zh(words)
    assert complaint in fault


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("It finds 96 %.", "96 % is no number"),
        ("It is 0.25 lower.", "0.25 reads as less"),
        ("It drops by 25 points.", "25 points reads as less"),
        ("The difference is less than 0.1.", "on the other side"),
        ("The difference is < 0.1.", "on the other side"),
        ("Over 3 texts.", "3 texts: far-recall is over seeds"),
        ("It finds half of them.", "'half' is a number in words"),
        ("Twice as many.", "'Twice' is a number in words"),
        ("One in ten.", "'One in ten' is a number in words"),
        ("Ten times as many.", "'Ten times' is a number in words"),
    ],
)
def test_a_fault_in_english_is_named(words: str, complaint: str) -> None:
    (fault,) = en(words)
    assert complaint in fault


NEGATIVE = "✓ loss | difference < -0.1 | -0.25 [-0.32, -0.18] | n = 48 texts, paired t"


def test_a_negative_estimate_is_said_with_its_sign_or_as_less() -> None:
    for words in ("低 0.25 nat。", "少了 0.25。", "差别是 −0.25。", "损失小 0.25，48 段文本。"):
        assert zh(words, NEGATIVE) == []
    for words in ("It is 0.25 lower.", "It falls by 0.25.", "It is −0.25 over 48 texts."):
        assert en(words, NEGATIVE) == []
    for words in ("高 0.25 nat。", "差别是 0.25。", "上升 0.25。"):
        assert "0.25 reads as more, and the estimate is -0.25" in zh(words, NEGATIVE)[0]
    for words in ("It is 0.25 higher.", "It rises by 0.25.", "The difference is 0.25."):
        assert "0.25 reads as more" in en(words, NEGATIVE)[0]


def test_the_interval_changing_its_unit_is_seen() -> None:
    assert zh("3 个种子。") == []
    assert (
        "3 seeds: far-recall is over needle texts"
        in zh("3 个种子。", LINE.replace("3 seeds", "3 needle texts"))[0]
    )
    assert "3 seeds" in en("over 3 seeds.", LINE.replace("3 seeds", "3 needle texts"))[0]


def test_a_count_that_is_a_value_of_the_claim_may_have_any_unit() -> None:
    assert zh("480 段文本。") == []
    assert zh("64 个词元。", LINE.replace("480", "64")) == []


def test_numbers_may_come_from_any_claim_of_the_sentence() -> None:
    assert zh("高 0.25，损失低 0.18。", LINE, NEGATIVE) == []


def test_a_whole_number_below_ten_is_no_rounded_one() -> None:
    line = "✓ a | ratio > 5 | 5.23 [5.10, 5.40] | n = 9 texts, paired t of logs | values 12.3"
    assert zh("5 倍以上。", line) == []
    assert zh("5.2 倍。", line) == []
    assert zh("12 次。", line) == []
    assert "6 is no number" in zh("6 倍。", line.replace("5.23", "5.80").replace("5.40", "6.10"))[0]


def test_no_difference_is_said_to_be_less_than_the_bound() -> None:
    line = "✓ a | abs(difference) < 0.05 | 0.01 [-0.01, 0.03] | n = 9 texts, paired t, sees 0.04"
    assert zh("相差不到 0.05，看得出 0.04。", line) == []
    assert "on the other side" in zh("相差超过 0.05。", line)[0]


def test_a_percentage_may_be_kept_as_one() -> None:
    assert zh("95 %。", LINE.replace("yarn 0.95", "yarn 95")) == []


def test_a_claim_is_not_changed_by_the_check() -> None:
    assert dataclasses.replace(record()) == record()
