"""The ledger is read whole or not at all, and its check sees what no longer holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_up_book
import pytest
import yaml

from frontier_lab.claims import ledger

ROOT = Path(__file__).resolve().parents[3]
Entry = dict[str, Any]


def problems(book: Path) -> list[str]:
    with pytest.raises(ledger.LedgerError) as caught:
        ledger.read(book)
    return caught.value.problems


def test_a_record_joins_the_line_of_its_cell_with_its_words(tmp_path: Path) -> None:
    (record,) = ledger.read(made_up_book.write(tmp_path))
    assert (record.name, record.page, record.cell) == ("far-recall", made_up_book.PAGE, 1)
    assert record.tag == "claim-far-recall"
    assert record.claim.line() == made_up_book.LINE
    assert record.claim.estimate.unit == "needle"
    assert record.of == ledger.Text("找回的比例之差", "difference in recall")
    assert record.rival
    assert record.rival.excluded_by == "check-untuned"
    assert record.seeds == (0,)
    assert ledger.refuted([record]) == []


def test_records_stand_in_the_order_of_their_cells(tmp_path: Path) -> None:
    first = made_up_book.code("", "claim-a", printed="✓ a | count = 3 | 3 exact")
    entries = {"far-recall": made_up_book.words(), "a": made_up_book.words()}
    del entries["a"]["baseline"]
    book = made_up_book.write(tmp_path, [first, *made_up_book.cells()], entries)
    assert [record.name for record in ledger.read(book)] == ["a", "far-recall"]


def lacking(*path: str) -> Callable[[Entry], None]:
    def change(entry: Entry) -> None:
        for key in path[:-1]:
            entry = entry[key]
        del entry[path[-1]]

    return change


def having(value: Any, *path: str) -> Callable[[Entry], None]:
    def change(entry: Entry) -> None:
        for key in path[:-1]:
            entry = entry[key]
        entry[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lacking("kind"), "kind: got None, wanted one of empirical"),
        (having("theory", "kind"), "kind: got 'theory'"),
        (having(["empirical"], "kind"), "kind: got ['empirical']"),
        (lacking("of"), "of: got None, wanted zh and en"),
        (lacking("of", "en"), "of: got ['zh'], wanted zh and en"),
        (having("x", "of", "fr"), "of: got ['en', 'fr', 'zh']"),
        (having("", "model", "en"), "model: en: got ''"),
        (having(8, "model", "zh"), "model: zh: got 8"),
        (having("召回之差", "of", "en"), "of: en: got Chinese"),
        (lacking("baseline"), "baseline: wanted words here if"),
        (lacking("rival"), "rival is missing"),
        (having("none", "rival"), "rival: got 'none'"),
        (lacking("rival", "zh"), "rival: got ['en'], wanted zh and en"),
        (lacking("rival", "excluded_by"), "excluded_by is missing"),
        (having("check-gone", "rival", "excluded_by"), "no cell of the book is tagged 'check-gone'"),
        (having("claim-far-recall", "rival", "excluded_by"), "names the claim itself"),
        (lacking("rival", "how"), "rival: how is missing"),
        (having("x", "rival", "by"), "rival: unknown by"),
        (having("x", "note"), "unknown note"),
        (lacking("seeds"), "seeds are missing: the interval is over needle texts"),
        (having([0.5], "seeds"), "seeds: got [0.5]"),
        (having("well", "fared"), "fared: got 'well', wanted zh and en"),
    ],
)
def test_words_that_are_not_whole_are_refused(
    tmp_path: Path, change: Callable[[Entry], None], complaint: str
) -> None:
    entry = made_up_book.words()
    change(entry)
    (problem,) = problems(made_up_book.write(tmp_path, entries={"far-recall": entry}))
    assert problem.startswith(f"claims/{made_up_book.PAGE}.yml: far-recall: ")
    assert complaint in problem


def test_a_rival_that_nothing_excludes_needs_no_how(tmp_path: Path) -> None:
    entry = made_up_book.words()
    entry["rival"] = {"zh": "甲", "en": "one", "excluded_by": None}
    (record,) = ledger.read(made_up_book.write(tmp_path, entries={"far-recall": entry}))
    assert record.rival == ledger.Rival(ledger.Text("甲", "one"), None)


def test_a_formula_needs_no_rival(tmp_path: Path) -> None:
    entry = {**made_up_book.words(), "kind": "formula"}
    del entry["rival"]
    (record,) = ledger.read(made_up_book.write(tmp_path, entries={"far-recall": entry}))
    assert record.rival is None


def test_a_paired_interval_over_seeds_is_over_as_many_as_are_named(tmp_path: Path) -> None:
    line = made_up_book.LINE.replace("256 needle texts", "3 seeds")
    page = [made_up_book.code("", "claim-far-recall", printed=line), made_up_book.cells()[2]]
    (problem,) = problems(made_up_book.write(tmp_path, page))
    assert "seeds: got 1, and the interval is over 3" in problem


Cells = list[dict[str, Any]]


def untagged(page: Cells) -> None:
    page[1]["metadata"]["tags"] = []


def without_output(page: Cells) -> None:
    page[1]["outputs"] = []


def twice_printed(page: Cells) -> None:
    page[1]["outputs"] *= 2


def unreadable(page: Cells) -> None:
    page[1]["outputs"][0]["text"] = [made_up_book.LINE.replace("[0.18", "[wide")]


def another_statement(page: Cells) -> None:
    page[1]["source"] = [made_up_book.SOURCE.replace("> 0.1", "> 0.2")]


def there_twice(page: Cells) -> None:
    page.append(made_up_book.claim_cell())


def check_twice(page: Cells) -> None:
    page.append(page[2])


def another_claim(page: Cells) -> None:
    page.append(made_up_book.code("", "claim-b", printed="✓ b | count = 3 | 3 exact"))


@pytest.mark.parametrize(
    ("change", "complaints"),
    [
        (untagged, ["has no tag claim-far-recall", "no cell of the book is tagged claim-far-recall"]),
        (without_output, ["got 0 lines of it in the output"]),
        (twice_printed, ["got 2 lines of it in the output"]),
        (unreadable, ["wanted one that `claim` printed"]),
        (another_statement, ["the code states 'difference > 0.2', the output 'difference > 0.1'"]),
        (there_twice, ["claim-far-recall is also the tag of 28-0-made-up/1-page.ipynb, cell 1"]),
        (check_twice, ["check-untuned is also the tag of 28-0-made-up/1-page.ipynb, cell 2"]),
        (another_claim, ["b: it has no words in claims/28-0-made-up/1-page.yml"]),
    ],
)
def test_cells_that_are_not_whole_are_refused(
    tmp_path: Path, change: Callable[[Cells], None], complaints: list[str]
) -> None:
    page = made_up_book.cells()
    change(page)
    found = problems(made_up_book.write(tmp_path, page))
    assert len(found) == len(complaints)
    for problem, complaint in zip(found, complaints, strict=True):
        assert complaint in problem


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ("- far-recall", "got list, wanted a mapping of claims"),
        ("far-recall: [", "while parsing"),
        ("far-recall: yes", "far-recall: got True, wanted"),
        ("a: {kind: formula, kind: empirical}", "line 1: the key 'kind' is there twice"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, entries: str, complaint: str) -> None:
    found = problems(made_up_book.write(tmp_path, entries=entries))
    assert complaint in found[0]
    assert "far-recall: it has no words" in found[-1]


def test_words_belong_to_the_page_of_their_cell_and_to_one_file(tmp_path: Path) -> None:
    book = made_up_book.write(tmp_path)
    other = book / "claims" / "28-0-made-up" / "2-other.yml"
    other.write_text(yaml.safe_dump({"far-recall": made_up_book.words()}), "utf8")
    assert problems(book) == [
        "claims/28-0-made-up/2-other.yml: there is no page 28-0-made-up/2-other.ipynb",
        f"claims/28-0-made-up/2-other.yml: far-recall: is also in claims/{made_up_book.PAGE}.yml",
    ]
    (book / "claims" / f"{made_up_book.PAGE}.yml").unlink()
    assert f"its cell is on {made_up_book.PAGE}: move the words there" in problems(book)[1]


def check(book: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "frontier_lab.claims", "--check", "--book", str(book)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_check_judges_again_and_ends_with_one_line_for_each_problem(tmp_path: Path) -> None:
    book = made_up_book.write(tmp_path / "sound")
    assert check(book).stdout == "==> 1 claims hold on their intervals\n"
    page = made_up_book.cells()
    page[1]["outputs"][0]["text"] = [made_up_book.LINE.replace("[0.18, ", "[-0.18, ")]
    done = check(made_up_book.write(tmp_path / "refuted", page))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "interval -0.18 to 0.32, wanted 'difference > 0.1' of the whole interval" in line


def test_the_claims_of_the_book_hold() -> None:
    records, found = ledger.collect(ROOT / "book")
    assert [*found, *ledger.refuted(records)] == []
