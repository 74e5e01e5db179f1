"""A page with a real model runs to its end on the committed ones too, as for a reader without packages."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pages
import pytest
from nbclient import NotebookClient

from frontier_lab import packaged_models

tool = pages.tool

HIDE = f"""
import importlib.util

find_spec = importlib.util.find_spec
hidden = {sorted(package.module for package in packaged_models.PACKAGES.values())}
importlib.util.find_spec = lambda name, package=None: None if name in hidden else find_spec(name, package)
"""
PAGES = sorted(path for path in pages.BOOK.glob("28-*/*.ipynb") if '"real-model"' in path.read_text("utf8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_runs_without_the_real_models(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE, "utf8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FRONTIER_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=tool.TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env=tool.kernel_environment(str(tmp_path)))
    printed = "".join(
        str(output.get("text", "")) for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "is used instead" in printed  # the packages were really hidden
