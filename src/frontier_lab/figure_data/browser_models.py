"""Checkpoints that a page can run in the reader's browser, by ``widgets/src/reader/model.ts``.

A page opened from disk may load scripts and nothing else, so each checkpoint is published as a script that
registers its files; the page adds the script when the reader first types, and never before.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from frontier_lab.storage.checkpoints import committed

MODELS = ("induction", "llama", "mixtral")
"""Names of the committed checkpoints, in the page and in the manifest."""


def files(name: str) -> dict[str, Path]:
    """``config``, ``tokenizer`` and ``weights`` of a committed checkpoint.

    Raises:
        ValueError: the name is none of ``MODELS``.
    """
    if name not in MODELS:
        raise ValueError(f"name: got {name!r}, wanted one of {sorted(MODELS)}")
    folder = committed(name)  # whatever FRONTIER_MODELS says: a page runs this size, not the real one
    return {
        "config": folder / "config.json",
        "tokenizer": folder / "tokenizer.json",
        "weights": folder / "model.safetensors",
    }


def script(name: str) -> str:
    """The script that puts a checkpoint into ``window.frontierCheckpoints[name]``, its weights in base64."""
    found = files(name)
    entry = {key: json.loads(found[key].read_text("utf8")) for key in ("config", "tokenizer")}
    entry["weights"] = base64.b64encode(found["weights"].read_bytes()).decode()
    text = json.dumps({name: entry}, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.frontierCheckpoints=Object.assign(window.frontierCheckpoints||{{}},{text});\n"
