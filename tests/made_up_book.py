"""A book of one page and one claim, for tests that spoil it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

PAGE = "28-0-made-up/1-page"
LINE = (
    "✓ far-recall | difference > 0.1 | 0.25 [0.18, 0.32] | n = 256 needle texts, paired t | baseline 0.70 "
    "| yarn 0.95, factor 8"
)
SOURCE = (
    'claim("far-recall", "difference > 0.1", paired(yarn, base, "needle"), baseline=0.7, yarn=0.95, factor=8)'
)


def words() -> dict[str, Any]:
    """The entry of the claim in ``book/claims``."""
    return {
        "kind": "empirical",
        "model": {"zh": "0.42 M 参数", "en": "0.42 M parameters"},
        "of": {"zh": "找回的比例之差", "en": "difference in recall"},
        "baseline": {"zh": "原样", "en": "unchanged"},
        "rival": {
            "zh": "差别来自微调",
            "en": "tuning makes the difference",
            "excluded_by": "check-untuned",
            "how": {"zh": "不微调时同样", "en": "it is there without tuning"},
        },
        "seeds": [0],
    }


def code(source: str, *tags: str, printed: str = "") -> dict[str, Any]:
    """A cell that ran."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [printed + "\n"]}] if printed else []
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {"tags": list(tags)},
        "source": source.splitlines(keepends=True),
        "outputs": outputs,
    }


def prose(text: str) -> dict[str, Any]:
    """A cell of Markdown."""
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def claim_cell() -> dict[str, Any]:
    """The cell of the claim."""
    return code(SOURCE, "claim-far-recall", printed=LINE)


def cells() -> list[dict[str, Any]]:
    """Of the page."""
    return [
        prose("# 28.0.1 页"),
        claim_cell(),
        code("assert True", "check-untuned"),
    ]


def write(
    book: Path, page: list[dict[str, Any]] | None = None, entries: dict[str, Any] | str | None = None
) -> Path:
    """Write the book, with other cells or words where they are given, and return its folder."""
    notebook = {
        "cells": cells() if page is None else page,
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    target = book / f"{PAGE}.ipynb"
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(notebook), "utf8")
    said = {"far-recall": words()} if entries is None else entries
    file = book / "claims" / f"{PAGE}.yml"
    file.parent.mkdir(parents=True)
    file.write_text(said if isinstance(said, str) else yaml.safe_dump(said, allow_unicode=True), "utf8")
    return book
