"""Where the lab keeps what it can make again: converted models and unfinished training runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

REPOSITORY = Path(__file__).parents[3]


def folder(name: str) -> Path:
    """A folder of that name: below ``FRONTIER_CACHE``, the repository's ``.cache``, or the user's cache."""
    if own := os.environ.get("FRONTIER_CACHE"):
        return Path(own) / name
    if (REPOSITORY / "requirements-models.txt").exists():
        return REPOSITORY / ".cache" / name
    return user_cache_path("frontier-lab", appauthor=False) / name
