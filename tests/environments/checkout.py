"""The files of this repository as a clone would have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PEERS = {"lm_eval": "requirements-harness.txt", "textattack": "requirements-textattack.txt"}
"""What studies set beside ours in environments of their own, by the name of the import, and its pins."""


def tracked() -> list[str]:
    """Paths of the files that a clone has, those included that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
