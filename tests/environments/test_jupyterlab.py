"""A real JupyterLab in a real browser: the figure renders, and the next cell reads the choice made in it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CELLS = (
    "from frontier_widgets import MoERouting\nw = MoERouting()\nw",
    "print('token', w.selected_token, 'expert', w.selected_expert)",
    "from frontier_widgets import LongContextStrategies\ns = LongContextStrategies()\ns",
    "print(s.topic, s.method, s.rope_parameters()['factor'])",
    "print(repr(w.sentence), w.shape, w.routing().experts.shape, len(w.tokens))",
)
PATIENCE = 60_000
"""Milliseconds until a state that does not come is a failure; nothing sleeps this long when it does come."""


@pytest.fixture
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = f"no browser ({', '.join(BROWSERS)}) on this machine: JupyterLab is not driven"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab without token, with no settings but its own, that serves one small notebook."""
    work = tmp_path / "work"
    work.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), work / "page.ipynb")
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet), "utf8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--notebook-dir={work}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [
        "--IdentityProvider.token=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    private = {
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    log = tmp_path / "lab.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env={**os.environ, **private}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        while not answers(f"{address}/api/status"):
            with suppress(subprocess.TimeoutExpired):
                server.wait(timeout=0.2)
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def answers(address: str) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(address, timeout=1) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


OVERLAPS = """
root => {
  const text = node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect();
  };
  const tiles = [...root.querySelectorAll(".fw-metrics > div")].filter(tile => tile.checkVisibility());
  return tiles.filter(tile => {
    const [name, value] = [...tile.children].map(text);
    return value.top < name.bottom - 1 && value.left < name.right - 1;
  }).map(tile => tile.textContent);
}
"""
"""Tiles whose name and value lie on each other: JupyterLab has styles of its own for lists of definitions."""


def test_a_choice_made_in_each_figure_is_read_by_the_next_cell(
    lab: str, browser: str, tmp_path: Path
) -> None:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    outside: list[str] = []

    def guard(route: Any) -> None:
        if route.request.url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=browser,
            args=list(FLAGS),
            viewport={"width": 1400, "height": 1600},
        )
        context.set_default_timeout(PATIENCE)
        context.route("**/*", guard)
        page = context.pages[0]
        page.goto(f"{lab}/lab/tree/page.ipynb")
        cells = page.locator(".jp-Notebook .jp-CodeCell")
        expect(cells).to_have_count(len(CELLS))
        # A cell run before the kernel has answered is dropped without a word, and the notebook's own
        # indicator says "idle" from the start: the status bar alone tells a kernel that is there.
        expect(page.locator("#jp-main-statusbar").get_by_text("| Idle")).to_be_visible()

        cells.nth(0).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        figure = cells.nth(0).locator(".fw-root")
        expect(figure).to_be_visible()
        assert figure.evaluate(OVERLAPS) == []
        chips = figure.locator("[data-token][role=option]")
        chosen = figure.locator("[data-token][role=option][aria-selected=true]")
        expect(chosen).to_have_attribute("data-token", "0")

        # JupyterLab has its own use for arrows and Enter: inside the figure they must be the figure's.
        chips.nth(0).focus()
        page.keyboard.press("ArrowDown")
        expect(chosen).not_to_have_attribute("data-token", "0")
        page.keyboard.press("Home")
        for place in ("0", "1", "2"):
            expect(chosen).to_have_attribute("data-token", place)
            page.keyboard.press("ArrowRight")
        expect(chosen).to_have_attribute("data-token", "3")
        page.keyboard.press("Enter")
        expert = figure.locator("[data-expert][role=option][aria-selected=true]")
        expect(expert).to_have_count(1)

        cells.nth(1).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        wanted = f"token 3 expert {expert.get_attribute('data-expert')}"
        expect(cells.nth(1).locator(".jp-OutputArea-output")).to_have_text(wanted)

        # Typed, because a, b, d and their like are JupyterLab's commands; the weights come from the kernel.
        field = figure.get_by_role("textbox", name="Your sentence")
        field.click()
        page.keyboard.type("a bad dog added a zoo")
        expect(figure.locator(".fw-sentence-status")).to_contain_text("tokens in your browser")
        expect(field).to_have_value("a bad dog added a zoo")
        expect(field).to_be_focused()
        expect(figure.locator(".fw-next li")).to_have_count(8)
        seen = chips.count()
        cells.nth(4).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        wanted = f"'a bad dog added a zoo' [1, 4, {seen}, 8] ({seen}, 2) {seen}"
        expect(cells.nth(4).locator(".jp-OutputArea-output")).to_have_text(wanted)

        cells.nth(2).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        figure = cells.nth(2).locator(".fw-root")
        figure.get_by_role("radio", name="how positions turn", exact=True).check(force=True)
        figure.get_by_role("radio", name="YaRN", exact=True).check(force=True)
        assert figure.locator(".fw-metrics > div:visible").count() == 4
        assert figure.evaluate(OVERLAPS) == []
        slider = figure.locator("input[type=range]:visible").first
        slider.focus()
        before = slider.input_value()
        page.keyboard.press("ArrowRight")
        expect(slider).not_to_have_value(before)
        cells.nth(3).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        said = cells.nth(3).locator(".jp-OutputArea-output")
        expect(said).to_contain_text("position yarn ")
        assert float(said.inner_text().split()[-1]) > 4
        context.close()
    assert not outside, f"JupyterLab asked the network for {outside}"


ROOT = Path(__file__).resolve().parents[2]


def loaded(path: Path) -> Any:
    """A module by its file."""
    spec = importlib.util.spec_from_file_location(f"saved_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def saved_notebook() -> Any:
    """A notebook as the book stores it: a figure that was shown, and its state."""
    from frontier_widgets import MoERouting

    from tools import notebooks

    figure = MoERouting()
    shown = {notebooks.VIEW: {"model_id": figure.model_id, "version_major": 2, "version_minor": 0}}
    output = nbformat.v4.new_output("display_data", {**shown, "text/plain": repr(figure)})
    cell = nbformat.v4.new_code_cell("w", outputs=[output], execution_count=1)
    widgets = {notebooks.STATE: figure.get_manager_state(widgets=None)}
    page = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": widgets})
    return notebooks.normalise(page, "page")


def test_a_saved_figure_opens_as_a_sentence_and_a_downloaded_one_alive(
    lab: str, browser: str, tmp_path: Path
) -> None:
    """Nothing is run: each notebook is opened as somebody else saved it, all but the first one trusted."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    work, stored = tmp_path / "work", saved_notebook()
    nbformat.write(stored, work / "untrusted.ipynb")
    nbformat.write(stored, work / "stored.ipynb")
    offered = loaded(ROOT / "site" / "downloads.py").with_live_figures(stored)
    nbformat.write(offered, work / "offered.ipynb")
    trust = [
        sys.executable,
        "-m",
        "jupyter",
        "trust",
        str(work / "stored.ipynb"),
        str(work / "offered.ipynb"),
    ]
    subprocess.run(trust, env={**os.environ, "JUPYTER_DATA_DIR": str(tmp_path / "data")}, check=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        for name in ("untrusted", "stored", "offered"):
            page = chromium.new_page(viewport={"width": 1400, "height": 1600})
            page.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
            output = page.locator(".jp-Notebook .jp-CodeCell .jp-OutputArea-output")
            if name == "offered":
                expect(output.locator(".fw-root [data-token][role=option]").first).to_be_visible()
            else:
                expect(output).to_contain_text("Run this cell to see the figure.")
                expect(output).to_contain_text("运行本单元格")
            assert output.locator(".fw-root").count() == (name == "offered")
            assert "javascript error" not in output.first.inner_text().lower()
            page.close()
        chromium.close()
