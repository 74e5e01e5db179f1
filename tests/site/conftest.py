"""The built site in a real browser, over http and from disk."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from built_site import ROOT, Diary, complete, tool

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
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 30_000
"""Milliseconds until a state that does not come is a failure; nothing sleeps this long when it does come."""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site, which must be that of the sources as they are."""
    if not (tool.SITE / "index.html").exists():
        pytest.fail(
            f"there is no site in {tool.SITE.relative_to(ROOT)}: run `make book` first", pytrace=False
        )
    if not tool.STAMP.exists() or tool.STAMP.read_text("utf8") != tool.fingerprint():
        pytest.fail("the site is older than its sources: run `make book` first", pytrace=False)
    return Path(tool.SITE)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and does not report each of them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def http_root(site: Path) -> Iterator[str]:
    """Address of the site on a free port of this machine, ends with a slash."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def file_root(site: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the site on disk as a reader has it, unpacked from the archive; ends with a slash."""
    place = tmp_path_factory.mktemp("offline")
    tool.pack(site, place / "offline.zip")
    with zipfile.ZipFile(place / "offline.zip") as packed:
        packed.extractall(place)
    return (place / "frontier-transformers").as_uri() + "/"


@pytest.fixture(params=["http", "file"])
def root(request: pytest.FixtureRequest) -> str:
    """The site's address over both ways that it is read."""
    return str(request.getfixturevalue(f"{request.param}_root"))


@pytest.fixture(scope="module")  # Playwright's event loop must have ended before other tests start theirs
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a module."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = f"no browser ({', '.join(BROWSERS)}) on this machine: the site is not opened"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens ``root + name`` in a context of its own and waits until it is complete.

    The function that it gives returns Playwright's page; its diary is ``page.diary``. ``before`` gets the
    page while it is empty; further arguments are those of ``browser.new_context``. At the end of the test all
    diaries must be clean.
    """
    contexts: list[Any] = []
    diaries: list[Diary] = []

    def visit(root: str, name: str, before: Callable[[Any], object] | None = None, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        diary = Diary(root)
        diaries.append(diary)
        diary.follow(context)
        page = context.new_page()
        page.diary = diary
        if before:
            before(page)
        page.goto(root + name)
        complete(page)
        return page

    yield visit
    for context in contexts:
        context.close()
    for diary in diaries:
        diary.check()
