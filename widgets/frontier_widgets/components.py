"""What a static site needs of this package: each component's module, style sheet and published data."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HOST = HERE / "static" / "host.js"
"""The classic script that mounts components in a page without a kernel."""

DATA_TRAITS = {
    "AttentionPatternAnalyzer": ("examples", "live"),
    "LongContextStrategies": ("curves", "config"),
    "MoERouting": (
        "tokens",
        "groups",
        "group_labels",
        "snapshots",
        "shape",
        "logits",
        "model",
        "live",
        "ablation",
        "ablation_tokens",
    ),
}
"""Traits that a component's data set fills, so that a page may leave them out of its saved state."""


@dataclass(frozen=True)
class Component:
    """Files of one component.

    Attributes:
        name: the class's name and the ``data-component`` attribute.
        esm_path: one self-contained ES module.
        css_path: its style sheet.
        data_path: JSON data set that the component shows when it is given no other.
    """

    name: str
    esm_path: Path
    css_path: Path
    data_path: Path

    @cached_property
    def data_sha256(self) -> str:
        """Hex digest of the data set's bytes; a widget that shows this data set carries it as a trait."""
        return hashlib.sha256(self.data_path.read_bytes()).hexdigest()

    def registry_entry(self) -> dict[str, Any]:
        """The value of ``window.frontierComponents[name]``: ``esm``, ``css``, ``data``, ``data_sha256``."""
        return {
            "esm": self.esm_path.read_text("utf8"),
            "css": self.css_path.read_text("utf8"),
            "data": json.loads(self.data_path.read_text("utf8")),
            "data_sha256": self.data_sha256,
        }


def components() -> dict[str, Component]:
    """Every component of the package by name."""
    files = {
        "AttentionPatternAnalyzer": "attention_pattern_analyzer",
        "LongContextStrategies": "long_context_strategies",
        "MoERouting": "moe_routing",
    }
    return {
        name: Component(
            name=name,
            esm_path=HERE / "static" / f"{stem}.js",
            css_path=HERE / "static" / f"{stem}.css",
            data_path=HERE / "data" / f"{stem}.json",
        )
        for name, stem in files.items()
    }


def registry_script(names: list[str] | None = None) -> str:
    """The classic script that fills ``window.frontierComponents``; safe inside ``<script>`` as well.

    Args:
        names: components to include; all by default.

    Raises:
        ValueError: a name is not a component of this package.
    """
    known = components()
    unknown = sorted(set(names or []) - set(known))
    if unknown:
        raise ValueError(f"names has {unknown}, wanted some of {sorted(known)}")
    entries = {name: known[name].registry_entry() for name in (names or known)}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.frontierComponents=Object.assign(window.frontierComponents||{{}},{text});\n"


def slim_state(state: dict[str, Any]) -> dict[str, Any]:
    """Take out of a saved widget state what the registry has anyway; the host puts it back.

    Code and style go for every component of this package. Data goes where the widget's ``data_sha256`` is the
    one of the package's data set; a widget with the reader's own data keeps it.

    Args:
        state: the content of ``application/vnd.jupyter.widget-state+json``; it is not changed.
    """
    known = components()
    slim = deepcopy(state)
    for model in slim.get("state", {}).values():
        values = model.get("state", {})
        component = known.get(str(values.get("_anywidget_id", "")).rpartition(".")[2])
        if model.get("model_module") != "anywidget" or component is None:
            continue
        values.pop("_esm", None)
        values.pop("_css", None)
        if values.get("data_sha256") != component.data_sha256:
            continue
        for trait in DATA_TRAITS[component.name]:
            values.pop(trait, None)
        kept = [
            buffer
            for buffer in model.get("buffers", [])
            if buffer["path"][0] not in DATA_TRAITS[component.name]
        ]
        model.pop("buffers", None)
        if kept:
            model["buffers"] = kept
    return slim
