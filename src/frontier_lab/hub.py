"""Models behind the chapter's hub ids: small ones trained here by default, the real ones on request.

``path(hub_id)`` gives what ``from_pretrained`` takes. Offline, the default, that is a committed checkpoint of
the same architecture class; with ``FRONTIER_MODELS=hub`` it is the hub id itself; with
``FRONTIER_MODELS_DIR=<folder>`` it is that folder's ``<hub_id>`` where it exists. Files are safetensors and
JSON only, and are checked against the manifest's hashes.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier_lab import zoo

OFFLINE = {"mistralai/Mixtral-8x7B-v0.1": "mixtral"}
"""Hub id to the recipe that stands in for it."""


@dataclass(frozen=True)
class Description:
    """What a hub id resolves to, for a page to print.

    Attributes:
        hub_id: as the chapter names it.
        offline: whether the committed checkpoint is in use.
        model_class: transformers' class.
        parameters: of the committed checkpoint.
        text: what the committed checkpoint was trained on.
        steps: optimiser steps it was trained for.
        validation_loss: nats a token on held-out text, at the end of training.
        licence: of the committed weights.
    """

    hub_id: str
    offline: bool
    model_class: str
    parameters: int
    text: str
    steps: int
    validation_loss: float
    licence: str = "Apache-2.0"

    def _rows(self) -> list[tuple[str, str]]:
        if not self.offline:
            return [
                ("hub id", self.hub_id),
                ("in use", "the real model, from the hub or FRONTIER_MODELS_DIR"),
            ]
        return [
            ("hub id", self.hub_id),
            ("in use", "committed checkpoint, trained from scratch for this book"),
            ("class", self.model_class),
            ("parameters", f"{self.parameters / 1e6:.2f} M"),
            ("text", self.text),
            ("training", f"{self.steps} steps, validation loss {self.validation_loss:.3f}"),
            ("licence", self.licence),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name:11} {value}" for name, value in self._rows())


def _entry(hub_id: str) -> tuple[str, dict[str, Any]]:
    if hub_id not in OFFLINE:
        known = ", ".join(OFFLINE)
        raise ValueError(
            f"hub_id: got {hub_id!r}, wanted one of: {known}. "
            "For any other model set FRONTIER_MODELS=hub (needs the network)"
        )
    name = OFFLINE[hub_id]
    return name, zoo.manifest()[name]


@functools.cache
def _checked(name: str) -> Path:
    """The checkpoint's folder, every file compared with the manifest once a process."""
    folder = zoo.CHECKPOINTS / name
    for file, wanted in zoo.manifest()[name]["files"].items():
        target = folder / file
        if not target.exists():
            raise FileNotFoundError(f"{target}: missing; restore it from git or run `make zoo ZOO={name}`")
        found = zoo.sha256(target)
        if found != wanted:
            raise ValueError(
                f"{target}: sha256 is {found}, wanted {wanted}; "
                f"restore it from git or run `make zoo ZOO={name}`"
            )
    return folder


def _own_folder(hub_id: str) -> Path | None:
    root = os.environ.get("FRONTIER_MODELS_DIR")
    folder = Path(root) / hub_id if root else None
    return folder if folder and folder.is_dir() else None


def path(hub_id: str) -> str:
    """What ``from_pretrained`` should be given for a hub id.

    Args:
        hub_id: such as ``"mistralai/Mixtral-8x7B-v0.1"``.

    Returns:
        A folder, or the hub id itself when ``FRONTIER_MODELS=hub``.

    Raises:
        ValueError: no offline model stands in for ``hub_id``, a file does not match its hash, or
            ``FRONTIER_MODELS`` is neither empty, ``offline`` nor ``hub``.
        FileNotFoundError: a committed file is missing.
    """
    mode = os.environ.get("FRONTIER_MODELS", "offline") or "offline"
    if mode not in ("offline", "hub"):
        raise ValueError(f"FRONTIER_MODELS: got {mode!r}, wanted 'offline' or 'hub'")
    own = _own_folder(hub_id)
    if own:
        return str(own)
    if mode == "hub":
        return hub_id
    return str(_checked(_entry(hub_id)[0]))


def describe(hub_id: str) -> Description:
    """What a hub id resolves to now; raises as ``path`` does."""
    name, entry = _entry(hub_id)
    return Description(
        hub_id=hub_id,
        offline=path(hub_id) == str(zoo.CHECKPOINTS / name),
        model_class=entry["class"],
        parameters=entry["parameters"],
        text=entry["text"],
        steps=entry["schedule"]["steps"],
        validation_loss=entry["val_loss"]["balanced"],
    )


@dataclass(frozen=True)
class Snapshot:
    """Weights kept on the way: which run, after how many steps, and where."""

    run: str
    step: int
    path: str


def snapshots(name: str = "mixtral") -> list[Snapshot]:
    """Every committed snapshot of a recipe, by run and step; both runs begin with the weights they share."""
    folder = _checked(name)
    entry = zoo.manifest()[name]
    final = entry["schedule"]["steps"]
    found = []
    for run in entry["balance_coefficient"]:
        for step in (*entry["schedule"]["snapshots"], final):
            part = folder / "snapshots" / ("start" if step == 0 else f"{run}-{step}")
            found.append(Snapshot(run, step, str(folder if (run, step) == ("balanced", final) else part)))
    return found


def training_log(name: str = "mixtral") -> dict[str, list[list[dict[str, Any]]]]:
    """The training log: run, then seed, then one entry for each logged step.

    Returns:
        Entries have ``step``, ``train_loss``, ``val_loss``, ``load [L][E]`` and ``probability [L][E]``.
    """
    log: dict[str, list[list[dict[str, Any]]]] = json.loads((_checked(name) / "log.json").read_text("utf8"))
    return log


def load(folder: str) -> Any:
    """A causal language model from a folder or hub id, in float32 and eval mode, its loading report checked.

    Raises:
        ValueError: a weight is missing from the file or unknown to the class: transformers would only warn.
    """
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, dtype="float32")
    wrong = {name: sorted(keys) for name, keys in report.items() if keys}
    if wrong:
        raise ValueError(f"{folder}: the weights do not fit the class: {wrong}")
    return model.eval()
