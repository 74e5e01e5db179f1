"""The stored vectors, which hold the TypeScript side too, are what the numpy twins compute now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import golden
import pytest

TESTS = Path(__file__).parents[2] / "widgets" / "tests"


def same(stored: Any, fresh: Any, where: str) -> None:
    """Equal, but for the last digits of floats, in which machines differ."""
    if isinstance(fresh, dict):
        assert stored.keys() == fresh.keys(), where
        for key in fresh:
            same(stored[key], fresh[key], f"{where}.{key}")
    elif isinstance(fresh, (list, tuple)):
        assert len(stored) == len(fresh), where
        for i, (a, b) in enumerate(zip(stored, fresh, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif isinstance(fresh, float):
        assert stored == pytest.approx(fresh, rel=1e-9, abs=1e-12), where
    else:
        assert stored == fresh, where


@pytest.mark.parametrize("name", golden.GOLDEN)
def test_the_stored_vectors_are_what_the_twin_computes(name: str) -> None:
    same(json.loads(golden.file(name).read_text("utf8")), golden.GOLDEN[name](), name)


def test_no_file_of_vectors_is_left_over() -> None:
    of_pytorch = {
        "tiny_model",
        "tiny_encoder",
        "claims",
        "merging_models",
        "attacks",
    }  # each has a test that computes it again
    assert {file.stem for file in golden.FOLDER.glob("*.json")} == set(golden.GOLDEN) | of_pytorch
    read = "".join(test.read_text("utf8") for test in TESTS.rglob("*.test.ts"))
    assert all(f'/golden/{name}.json"' in read for name in golden.GOLDEN)
