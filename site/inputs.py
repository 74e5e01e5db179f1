"""What a build reads, recorded while it reads it, so that no list has to be kept and none can forget a file.

``record`` watches this process; ``recorded`` gives the repository's files that it opened and the modules that
it imported. ``tools/site.py`` compares them, and the folders of the book and the site, before it builds anew.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_opened: set[str] = set()


def _watch(event: str, details: tuple[object, ...]) -> None:
    if event == "open" and isinstance(details[0], str):
        _opened.add(os.path.abspath(details[0]))


def record() -> None:
    """Begin; an audit hook cannot be taken away again."""
    sys.addaudithook(_watch)


def recorded() -> list[str]:
    """Files below the repository's root, as paths relative to it.

    Left out are what a build makes and what is installed: ``_build`` and whatever begins with a dot. A module
    counts by its source, wherever its bytecode lies.
    """
    modules = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    found = set()
    for name in _opened | modules:
        place = Path(str(name)).resolve()
        if place.is_relative_to(ROOT) and place.suffix != ".pyc" and place.is_file():
            path = place.relative_to(ROOT)
            if path.parts[0] != "_build" and not any(part.startswith(".") for part in path.parts):
                found.add(path.as_posix())
    return sorted(found)
