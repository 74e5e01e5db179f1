"""A part of a long measurement is measured once, and again only where its file is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frontier_lab.storage import results


def test_a_part_is_measured_once_and_read_from_then_on(tmp_path: Path) -> None:
    calls: list[int] = []

    def measure() -> dict[str, Any]:
        calls.append(1)
        return {"pair": (1, 2)}

    file = tmp_path / "parts" / "one-0.json"
    assert results.kept(file, measure) == results.kept(file, measure) == {"pair": [1, 2]}
    assert len(calls) == 1
    file.unlink()
    results.kept(file, measure)
    assert len(calls) == 2
