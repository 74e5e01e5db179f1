"""The committed bundles are what the sources give, and stay small."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest
from frontier_widgets import HOST

WIDGETS = Path(__file__).parents[2] / "widgets"
STATIC = HOST.parent
LIBRARIES = STATIC.parent / "bertviz_libraries.js"
GZIPPED_BUDGET = 60_000


def test_committed_bundles_are_fresh(tmp_path: Path) -> None:
    figures, libraries = tmp_path / "figures", tmp_path / "libraries"
    command = ["node", "build.mjs", str(figures), str(libraries)]
    subprocess.run(command, cwd=WIDGETS, check=True, capture_output=True, text=True)
    built = {file.name: file.read_bytes() for folder in (figures, libraries) for file in folder.iterdir()}
    stored = {file.name: file.read_bytes() for file in (*STATIC.iterdir(), LIBRARIES)}
    assert built.keys() == stored.keys()
    stale = [name for name in built if built[name] != stored[name]]
    assert not stale, f"{stale} differ from their sources: run `make setup` and commit what it changed"


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_bundle_is_small_and_self_contained(file: Path) -> None:
    data = file.read_bytes()
    assert len(gzip.compress(data)) <= GZIPPED_BUDGET
    text = data.decode("utf8").replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text
    assert "innerHTML" not in text, "text goes in as text"
