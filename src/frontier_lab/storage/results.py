"""How what a command measured is written, ``python -m frontier_lab.<room>.<module> file``, and read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from frontier_lab.storage.files import write_json


def write(build: Callable[[], Mapping[str, Any]]) -> None:
    """Write what ``build`` gives to the file named on the command line.

    Raises:
        SystemExit: there is no file, or more than one.
    """
    if len(sys.argv) != 2:
        raise SystemExit("error: wanted one argument, the file to write")
    target = Path(sys.argv[1])
    write_json(target, build(), indent=None)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


def stored(module: str) -> dict[str, Any]:
    """What a module's command wrote, as it is committed beside the module, whose ``__file__`` is given."""
    found: dict[str, Any] = json.loads(Path(module).with_suffix(".json").read_text("utf8"))
    return found


def kept(file: Path, measure: Callable[[], Any]) -> Any:
    """What a part of a long measurement gave when it was last run, or gives now, and is written at once.

    Args:
        file: where the part is kept, JSON; its folder is made.
        measure: gives the part; not called where the file exists.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, measure(), indent=None)
    return json.loads(file.read_text("utf8"))
