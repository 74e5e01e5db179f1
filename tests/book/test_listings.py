"""Every listing of the source chapter has its place in the book, and a written one is executed there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pages
import pytest
import yaml

LISTINGS: list[dict[str, Any]] = yaml.safe_load((pages.BOOK / "listings.yml").read_text("utf8"))
PREFIX = "listing-"

SOURCE = {
    "28.1.1": 2, "28.1.2": 2, "28.1.3": 3, "28.1.4": 2,
    "28.2.1": 3, "28.2.2": 2, "28.2.3": 1, "28.2.4": 1,
    "28.3.1": 4, "28.3.2": 2, "28.3.3": 1,
    "28.4.1": 2, "28.4.2": 1, "28.4.3": 1, "28.4.4": 1,
    "28.5.1": 2, "28.5.2": 2, "28.5.3": 2, "28.5.4": 1,
    "28.6.1": 1, "28.6.2": 1, "28.6.3": 1,
    "28.7.1": 1, "28.7.2": 1, "28.7.3": 1,
    "28.8": 2,
}  # fmt: skip
"""Listings of each sub-section of the source chapter, counted in it."""


def cells() -> dict[str, list[tuple[str, Any]]]:
    """Listing id to the page and cell of each tag that names it."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for path in sorted(pages.BOOK.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in pages.tags(cell):
                if tag.startswith(PREFIX):
                    found.setdefault(tag.removeprefix(PREFIX), []).append(
                        (path.relative_to(pages.BOOK).as_posix(), cell)
                    )
    return found


def test_all_listings_of_the_source_are_there() -> None:
    expected = [f"{section}-{'abcd'[i]}" for section, count in SOURCE.items() for i in range(count)]
    assert len(expected) == 43
    assert [listing["id"] for listing in LISTINGS] == expected


def test_entries_are_complete_and_in_the_order_of_the_source() -> None:
    for listing in LISTINGS:
        assert set(listing) == {"id", "lines", "page", "status", "title"}, listing
        assert listing["status"] in ("written", "planned"), listing
        section, _, rest = listing["page"].partition("/")
        assert section.startswith("-".join(listing["id"].split("-")[0].split(".")[:2]) + "-"), listing
        assert Path(rest).suffix == ".ipynb", listing
    lines = [line for listing in LISTINGS for line in listing["lines"]]
    assert lines == sorted(lines)
    assert not [
        title for title, count in Counter(listing["title"] for listing in LISTINGS).items() if count > 1
    ]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing["id"])
def test_written_listing_is_executed_once_on_its_page(listing: dict[str, Any]) -> None:
    tagged = cells().get(listing["id"], [])
    if listing["status"] == "planned":
        assert not tagged, (
            f"{listing['id']} is planned in book/listings.yml, but {tagged[0][0]} has it: mark it written"
        )
        return
    assert [page for page, _ in tagged] == [listing["page"]], (
        f"{listing['id']} is tagged on {[p for p, _ in tagged]}"
    )
    ((_, cell),) = tagged
    assert cell.cell_type == "code"
    assert cell.source.strip()
    assert cell.execution_count is not None, f"{listing['id']} was not executed: run `make notebooks`"


def test_no_cell_is_tagged_with_a_listing_that_does_not_exist() -> None:
    assert set(cells()) <= {listing["id"] for listing in LISTINGS}


def test_something_is_written() -> None:
    assert [listing for listing in LISTINGS if listing["status"] == "written"]
