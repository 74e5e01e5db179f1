"""Sends a committed checkpoint to a component that runs it in the browser."""

from __future__ import annotations

import json
from typing import Any


class Checkpoints:
    """Mixin for widgets: answers the front end's ``{"type": "checkpoint", "name": ...}`` with its files.

    A static page loads them from a script beside it; in a notebook they come from ``frontier_lab``, and only
    when the reader types, so that a figure's saved state stays small.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_msg(self._send_checkpoint)  # type: ignore[attr-defined]

    def _send_checkpoint(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "checkpoint":
            return
        answer: dict[str, Any] = {"type": "checkpoint", "name": content.get("name")}
        try:
            from frontier_lab.figure_data import browser_models

            files = browser_models.files(str(answer["name"]))
            for key in ("config", "tokenizer"):
                answer[key] = json.loads(files[key].read_text("utf8"))
            buffers = [files["weights"].read_bytes()]
        except (ImportError, OSError, ValueError) as error:
            # The reader sees it in the figure: an exception here would end in the server's log.
            answer["error"], buffers = f"{type(error).__name__}: {error}", []
        self.send(answer, buffers=buffers)  # type: ignore[attr-defined]
