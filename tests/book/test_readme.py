"""What both READMEs say of the kernels is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import frontier_kernels

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_number_formats_are_all_named(name: str) -> None:
    paragraphs = (ROOT / name).read_text("utf8").split("\n\n")
    (about,) = [text for text in paragraphs if "AVX-512" in text]
    formats = set(frontier_kernels.build_info().dtypes)
    assert set(re.findall(r"b?float\d+", about)) == formats
