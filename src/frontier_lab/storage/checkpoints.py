"""The committed checkpoints and the manifest that says what is in them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from frontier_lab.storage.files import sha256

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
MANIFEST = Path(__file__).parents[1] / "zoo" / "manifest.json"
TOLERANCE = 0.05
"""Nats of validation loss by which a rebuilt model may differ: other machines round differently."""


def manifest() -> dict[str, Any]:
    """The committed manifest: recipe name to what was trained and the hash of every file."""
    if not MANIFEST.exists():
        return {}
    found: dict[str, Any] = json.loads(MANIFEST.read_text("utf8"))
    return found


@functools.cache
def committed(name: str) -> Path:
    """The checkpoint's folder, every file compared with the manifest once a process."""
    folder = CHECKPOINTS / name
    for file, wanted in manifest()[name]["files"].items():
        target = folder / file
        if not target.exists():
            raise FileNotFoundError(f"{target}: missing; restore it from git or run `make zoo ZOO={name}`")
        found = sha256(target)
        if found != wanted:
            raise ValueError(
                f"{target}: got sha256 {found}, wanted {wanted}; "
                f"restore it from git or run `make zoo ZOO={name}`"
            )
    return folder
