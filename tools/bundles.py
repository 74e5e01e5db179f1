"""Say whether the committed bundles of the live figures are those of their sources: ``check``, ``record``.

It is decided by content: a checkout gives every file the time at which it was made, and npm would be asked
for packages that nothing needs. ``make setup`` bundles where ``check`` fails, and then calls ``record``.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

WIDGETS = Path(__file__).resolve().parents[1] / "widgets"
RECORD = "bundled.sha256"
"""What the sources were when the bundles were made; committed beside them."""

SETTINGS = ("build.mjs", "frontier_widgets/components.json", "package-lock.json", "tsconfig.json")
"""What decides about the bundles beside ``src``."""


def sources(widgets: Path = WIDGETS) -> Iterator[Path]:
    """Every file that the bundles are made from."""
    yield from sorted(file for file in (widgets / "src").rglob("*") if file.is_file())
    yield from (widgets / name for name in SETTINGS)


def fingerprint(widgets: Path = WIDGETS) -> str:
    """Changes when a bundle may have to be made again."""
    digest = hashlib.sha256()
    for file in sources(widgets):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(widgets).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def fresh(widgets: Path = WIDGETS) -> bool:
    """Whether the bundles are there and were made from these sources."""
    record, static = widgets / RECORD, widgets / "frontier_widgets" / "static"
    made = record.read_text("utf8").strip() if record.exists() else ""
    return made == fingerprint(widgets) and (static / "host.js").exists()


def main() -> int:
    """Entry point; ``check`` ends with 1 where the bundles have to be made."""
    match sys.argv[1:]:
        case ["check"]:
            return int(not fresh())
        case ["record"]:
            (WIDGETS / RECORD).write_text(fingerprint() + "\n", "utf8")
            return 0
    print(f"error: got {' '.join(sys.argv[1:])!r}, wanted check or record", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
