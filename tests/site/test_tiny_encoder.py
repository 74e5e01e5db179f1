"""The committed classifiers in a real browser, on a page from disk: numbers, speed, and what is asked for."""

from __future__ import annotations

import base64
import json
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from built_site import ROOT
from timing import PROBE, slowness

from frontier_lab.figure_data import browser_models

Open = Callable[..., Any]
WIDGETS = ROOT / "widgets"
GOLDEN = json.loads((WIDGETS / "tests" / "golden" / "tiny_encoder.json").read_text("utf8"))["models"]
FORWARD = 20
"""Milliseconds in which 30 tokens are read, on this project's quiet machine."""

TOKENS = 30
ENTRY = "import { loadEncoder } from './checkpoints'; Object.assign(window, { loadEncoder });"
LOAD = "name => loadEncoder(name, null, { noScript: (file) => file, noKernel: '' })"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a folder with an empty page, the loader as a figure has it, and the classifiers' scripts."""
    folder = tmp_path_factory.mktemp("encoders")
    bundle = subprocess.run(
        [str(WIDGETS / "node_modules" / ".bin" / "esbuild"), "--bundle", "--loader=ts"],
        input=ENTRY,
        cwd=WIDGETS / "src" / "reader",
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (folder / "loader.js").write_text(bundle, "utf8")
    for name in browser_models.CLASSIFIERS:
        (folder / f"frontier-checkpoint-{name}.js").write_text(browser_models.script(name), "utf8")
    (folder / "page.html").write_text(
        '<!doctype html><html lang="en" data-frontier="done"><head><meta charset="utf-8"><title>read</title>'
        '<link rel="icon" href="data:,"></head><body>'
        "<script>window.frontierStatic = document.baseURI;</script>"
        '<script src="loader.js"></script></body></html>',
        "utf8",
    )
    return folder.as_uri() + "/"


@pytest.mark.parametrize("name", browser_models.CLASSIFIERS)
def test_a_classifier_is_loaded_when_it_is_asked_for_and_has_pytorchs_scores(
    open_page: Open, pages: str, name: str
) -> None:
    page = open_page(pages, "page.html", before=lambda page: page.context.set_offline(True))
    assert page.evaluate("window.frontierCheckpoints") is None
    texts = GOLDEN[name]["texts"]
    found = page.evaluate(
        f"""async ([name, texts]) => {{
            const model = await ({LOAD})(name);
            return texts.map((text) => {{
                const ids = model.encode(text);
                return [ids, [...model.classify(ids)]];
            }});
        }}""",
        [name, [one["text"] for one in texts]],
    )
    assert page.evaluate("Object.keys(window.frontierCheckpoints)") == [name]
    for one, (ids, logits) in zip(texts, found, strict=True):
        wanted = np.frombuffer(base64.b64decode(one["logits"]), "<f4")
        assert ids == one["ids"]
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.speed
@pytest.mark.parametrize("name", browser_models.CLASSIFIERS)
def test_thirty_tokens_are_read_within_twenty_milliseconds(open_page: Open, pages: str, name: str) -> None:
    page = open_page(pages, "page.html")
    spent, drawn = [], []
    for _ in range(5):
        spent += page.evaluate(
            f"""async ([name, count]) => {{
                const model = await ({LOAD})(name);
                const ids = model.encode("and it came to pass ".repeat(30)).slice(0, count);
                if (ids.length !== count) throw new Error(`${{ids.length}} tokens`);
                return Array.from({{ length: 8 }}, () => {{
                    const began = performance.now();
                    model.forward(ids);
                    return performance.now() - began;
                }});
            }}""",
            [name, TOKENS],
        )
        drawn += page.evaluate(PROBE)
    assert statistics.median(spent) <= FORWARD * slowness(drawn), spent
