"""The page of all claims is made from the ledger, whole, and has its English from there."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import made_up_book
import pytest

from frontier_lab.claims import evidence, ledger

ROOT = Path(__file__).resolve().parents[3]
HAN = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff01-\uff60]")


def book(tmp_path: Path, **changes: Any) -> Path:
    made = made_up_book.write(tmp_path, entries={"far-recall": {**made_up_book.words(), **changes}})
    (made / "28-0-made-up" / "index.md").write_text("# 28.0 节\n", "utf8")
    return made


def test_the_committed_page_is_what_the_ledger_gives() -> None:
    committed = (ROOT / "book" / "evidence.md").read_text("utf8")
    assert committed == evidence.chinese(ROOT / "book"), "run `make evidence`"


def test_a_claim_is_there_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    page = evidence.chinese(book(tmp_path, fared={"zh": "经住了", "en": "it stood"}))
    words = unescape(re.sub(r"<[^>]+>", "\n", page))
    for told in (
        "28.0 节",
        "28.0.1 页",
        "找回的比例之差",
        "difference > 0.1",
        "0.25",
        "[0.18, 0.32]",
        "256 段捞针文本",
        "paired t",
        "0.42 M 参数",
        "种子 0",
        "0.70",
        "原样",
        "差别来自微调",
        "另一种解释已排除",
        "不微调时同样",
        "经住了",
    ):
        assert told in words, told
    for link in (
        f"{made_up_book.PAGE}.html#{place}" for place in ("evidence-far-recall", "cell-claim-far-recall")
    ):
        assert f'href="{link}"' in page
    assert f'href="{made_up_book.PAGE}.html#cell-check-untuned"' in page
    assert 'data-section="28-0-made-up" data-kind="empirical" data-fared="excluded attacked"' in page


def test_a_rival_that_is_not_excluded_is_said_to_be_so(tmp_path: Path) -> None:
    page = evidence.chinese(book(tmp_path, rival={"zh": "甲", "en": "one", "excluded_by": None}))
    assert "<b>另一种解释未排除</b>" in page
    assert 'data-fared="open"' in page


def test_words_cannot_leave_their_place(tmp_path: Path) -> None:
    page = evidence.chinese(book(tmp_path, of={"zh": "甲 < 乙 & <b>", "en": "one"}))
    assert "甲 &lt; 乙 &amp; &lt;b&gt;" in page


def test_every_chinese_text_of_the_page_has_its_english(tmp_path: Path) -> None:
    made = book(tmp_path, fared={"zh": "经住了", "en": "it stood"})
    english = evidence.english(made, {"28-0-made-up": "28.0 Section", made_up_book.PAGE: "28.0.1 Page"})
    lines = evidence.chinese(made).split("\n")
    shown = [line.lstrip("# ") for line in lines if line and not line.startswith("<")]
    shown += [unescape(text).strip() for line in lines for text in re.findall(r">([^<>]*)<", line)]
    wanted = {text for text in shown if HAN.search(text)}
    assert wanted == english.keys()
    assert english["28.0 节"] == "28.0 Section"
    assert english["256 段捞针文本"] == "256 needle texts"
    assert not any(HAN.search(text) for text in english.values())


def test_the_same_chinese_has_the_same_english(tmp_path: Path) -> None:
    made = book(tmp_path, of={"zh": "原样", "en": "as it was"})
    with pytest.raises(
        ledger.LedgerError, match="'原样' is 'as it was' in one claim and 'unchanged' in another"
    ):
        evidence.english(made, {})


def test_a_book_without_claims_has_a_page_that_says_so(tmp_path: Path) -> None:
    assert evidence.chinese(tmp_path).endswith("书里还没有论断。\n")


def test_the_command_writes_the_page_and_not_one_of_a_ledger_with_faults(tmp_path: Path) -> None:
    made = book(tmp_path)
    command = [sys.executable, "-m", "frontier_lab.claims", "--write", "--book", str(made)]
    assert "1 claims" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    target = made / "evidence.md"
    assert target.read_text("utf8") == evidence.chinese(made)
    target.unlink()
    (made / "claims" / f"{made_up_book.PAGE}.yml").unlink()
    assert subprocess.run(command, capture_output=True).returncode == 1
    assert not target.exists()
