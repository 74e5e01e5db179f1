"""What the tests of the built site share: the build tool, the list of pages, a page that is watched."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from tools import site as tool

ROOT = Path(__file__).resolve().parents[2]


def load_tool() -> ModuleType:
    """A copy of ``tools.site`` for one test, which may set its folders."""
    spec = importlib.util.find_spec("tools.site")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page_names() -> list[str]:
    """Pages of the built site, such as ``en/glossary.html``; both languages."""
    pages = (file.relative_to(tool.SITE) for file in tool.SITE.rglob("*.html"))
    return sorted(page.as_posix() for page in pages if "_static" not in page.parts)


@dataclass
class Diary:
    """What a page asked for and complained about.

    Attributes:
        root: everything else is outside.
        files: paths under ``root`` that were asked for.
        outside: addresses elsewhere; they were refused.
        trouble: failed requests, the console's errors and warnings, uncaught errors.
    """

    root: str
    files: set[str] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def follow(self, context: Any) -> None:
        """Watch every page of a browser context."""
        context.route("**/*", self._guard)
        context.on("request", self._asked)
        context.on("requestfailed", lambda r: self.trouble.append(f"failed: {r.url} {r.failure}"))
        context.on("response", self._answered)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.trouble.append(f"page error: {error.error}"))
        context.on("page", lambda page: page.on("websocket", lambda socket: self.outside.append(socket.url)))

    def _inside(self, address: str) -> bool:
        return address.startswith((self.root, "data:", "blob:"))

    def _guard(self, route: Any) -> None:
        if self._inside(route.request.url):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _asked(self, request: Any) -> None:
        if not self._inside(request.url):
            self.outside.append(request.url)  # what cannot be intercepted is seen all the same
        elif request.url.startswith(self.root):
            self.files.add(unquote(urlsplit(request.url.removeprefix(self.root)).path))

    def _said(self, message: Any) -> None:
        if message.type in ("assert", "error", "warning"):
            self.trouble.append(f"console {message.type}: {message.text} ({message.location})")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.trouble.append(f"{response.status}: {response.url}")

    def check(self) -> None:
        """Fails when the page went outside or complained."""
        assert not self.outside, f"asked for {sorted(set(self.outside))}"
        assert not self.trouble, "\n".join(self.trouble)


def complete(page: Any) -> None:
    """Wait until the page is loaded and each of its figures has found its place."""
    page.wait_for_load_state("load")
    if page.locator("[data-component], .jupyter_mount, script[type$='widget-view+json']").count():
        page.wait_for_selector("html[data-frontier=done]", state="attached")
    page.evaluate("document.fonts.ready.then(() => true)")
