"""Files that survive a kill, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON so that a kill leaves either the old file or the new one; ``indent=None`` for long logs."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", "utf8")
    os.replace(partial, path)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:  # hashlib.file_digest is of Python 3.11
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
