"""The trained checkpoints: one recipe each, one manifest for all.

``python -m frontier_lab.zoo [name …]`` retrains. It resumes after a kill, and replaces a committed checkpoint
only if the rebuilt one lands within a tolerance of the validation loss; both stand in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

RECIPES = (
    "bert",
    "bigbird",
    "bloom",
    "classifiers",
    "dpr",
    "gpt2",
    "induction",
    "llama",
    "llama_peer",
    "longformer",
    "mamba",
    "mixtral",
    "rag",
    "reader",
    "retnet",
    "rwkv",
    "s4d",
    "sentiment",
    "toxicity",
)
PARTS = tuple(
    f"{name}:{part}"
    for name in ("llama_peer", "mamba", "retnet", "rwkv", "s4d")
    for part in ("language", "recall", "copy")
)
"""Recipes that can be trained part by part."""

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
MANIFEST = Path(__file__).with_name("manifest.json")
TOLERANCE = 0.05
"""Nats of validation loss by which a rebuilt model may differ: other machines round differently."""


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest() -> dict[str, Any]:
    """The committed manifest: recipe name to what was trained and the hash of every file."""
    if not MANIFEST.exists():
        return {}
    found: dict[str, Any] = json.loads(MANIFEST.read_text("utf8"))
    return found
