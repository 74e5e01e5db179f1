"""Sends a committed checkpoint to a component that runs it in the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

GROUP = "frontier_widgets.checkpoints"
"""Entry points by which other distributions offer checkpoints; this package has none and imports none.

The entry's name is the checkpoint's. It leads to a function that takes this name and gives the files
``config``, ``tokenizer`` (JSON) and ``weights`` (safetensors, a file or its bytes); ``weights`` alone for
tensors that belong to another checkpoint.
"""


def checkpoint_files(name: str) -> Mapping[str, Path | bytes]:
    """Files of a checkpoint that an installed distribution offers.

    Raises:
        LookupError: none offers this checkpoint.
        ImportError, OSError, ValueError: whatever the distribution that offers it raises.
    """
    offered = entry_points(group=GROUP)
    for entry in offered.select(name=name):
        found: Mapping[str, Path | bytes] = entry.load()(name)
        return found
    names = ", ".join(sorted(offered.names)) or "none (pip install frontier-lab)"
    raise LookupError(f"name: got {name!r}, wanted a checkpoint that an installed package offers: {names}")


class Checkpoints:
    """Mixin for widgets: answers the front end's ``{"type": "checkpoint", "name": ...}`` with its files.

    A static page loads them from a script beside it; in a notebook the kernel sends them, and only when the
    reader types, so that a figure's saved state stays small.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_msg(self._send_checkpoint)  # type: ignore[attr-defined]

    def _send_checkpoint(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "checkpoint":
            return
        answer: dict[str, Any] = {"type": "checkpoint", "name": content.get("name")}
        try:
            files = checkpoint_files(str(answer["name"]))
            read = {
                key: file if isinstance(file, bytes) else file.read_bytes() for key, file in files.items()
            }
            buffers = [read.pop("weights")]
            answer |= {key: json.loads(text) for key, text in read.items()}
        except (ImportError, LookupError, OSError, ValueError) as error:
            # The reader sees it in the figure: an exception here would end in the server's log.
            answer["error"], buffers = f"{type(error).__name__}: {error}", []
        self.send(answer, buffers=buffers)  # type: ignore[attr-defined]
