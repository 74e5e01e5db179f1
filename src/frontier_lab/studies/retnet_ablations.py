"""What each part of RetNet is worth: the models of ``zoo.retnet`` trained anew without it.

Two dozen trainings are too much for a page (about a minute each on one core), so they are a command and what
they gave is kept:
``python -m frontier_lab.studies.retnet_ablations src/frontier_lab/studies/retnet_ablations.json``; killed, it
goes on where it was. The whole model is the zoo's own: its numbers stand in the log of ``zoo.retnet``, which
has more seeds of recall than the three of each variant here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig

from frontier_kernels import RetentionLayer
from frontier_lab import zoo
from frontier_lab.models import RetNetForCausalLM
from frontier_lab.storage import cache, results
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Task

PRINTED_LOG_DECAY = math.log(0.9)
"""Of the chapter's one decay for all heads."""

OPEN = 1.2784645
"""Where the swish is 1: a gate that lets everything through."""


class _Open(nn.Module):
    """In the place of the gate's projection: x ``[B, T, D]`` to a constant ``[B, T, V]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x.new_full((*x.shape[:-1], self.width), OPEN)


def _decaying_by(log_decay: float) -> Callable[[RetentionLayer], None]:
    def change(layer: RetentionLayer) -> None:
        layer.log_decay = log_decay  # type: ignore[assignment]  # mypy takes the property's type for both

    return change


def _unrotated(layer: RetentionLayer) -> None:
    layer.rotary_base = None


def _without_norm(layer: RetentionLayer) -> None:
    layer.norm = nn.Identity()  # type: ignore[assignment]


def _without_gate(layer: RetentionLayer) -> None:
    layer.gate_proj = _Open(layer.value_dim)  # type: ignore[assignment]


def _unchanged(_: RetentionLayer) -> None:
    pass


VARIANTS: Mapping[str, Callable[[RetentionLayer], None]] = {
    "whole": _unchanged,
    "one decay": _decaying_by(PRINTED_LOG_DECAY),
    "no decay": _decaying_by(0.0),
    "no rotation": _unrotated,
    "no norm": _without_norm,
    "no gate": _without_gate,
}
"""What is done to every layer."""

TRAINED: Mapping[Task, tuple[str, ...]] = {
    "language": tuple(name for name in VARIANTS if name != "whole"),
    "recall": ("one decay", "no decay"),
}
"""Variants that are trained here, by task; the whole one is the zoo's."""


def peer(variant: str) -> Peer:
    """RetNet without one of its parts, to be trained as ``zoo.families.peers`` trains every peer.

    Raises:
        ValueError: there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, wanted one of {', '.join(VARIANTS)}")

    def build(config: PreTrainedConfig) -> RetNetForCausalLM:
        model = RetNetForCausalLM(config)
        for block in model.blocks:
            VARIANTS[variant](block.retention)  # type: ignore[arg-type]
        return model

    return replace(retnet.PEER, model_class=build)


def _whole(task: Task) -> list[list[dict[str, Any]]]:
    """The zoo's own logs of a task, seed by seed."""
    log: dict[Task, list[list[dict[str, Any]]]] = json.loads(
        (zoo.CHECKPOINTS / retnet.NAME / "log.json").read_text("utf8")
    )
    return log[task]


def _losses(logs: list[list[dict[str, Any]]]) -> list[dict[str, float]]:
    return [{str(row["step"]): row["val_loss"] for row in log} for log in logs]


def _recalled(logs: list[list[dict[str, Any]]]) -> list[dict[str, float]]:
    return [log[-1]["accuracy"] for log in logs]


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed, and beside it as ``whole`` the models of the zoo."""
    found = results.stored(__file__)
    return {
        "val_loss": {"whole": _losses(_whole("language")), **found["val_loss"]},
        "recall": {"whole": _recalled(_whole("recall")), **found["recall"]},
    }


def measure() -> Mapping[str, Any]:
    """The data set: ``val_loss[variant][seed][step]`` on text, ``recall[variant][seed][pairs]`` at last."""

    def logs(variant: str, task: Task) -> list[list[dict[str, Any]]]:
        work = cache.folder("retnet-ablations") / variant.replace(" ", "-") / task
        return peers.every_seed(peer(variant), task, work)

    losses = {variant: _losses(logs(variant, "language")) for variant in TRAINED["language"]}
    recalls = {variant: _recalled(logs(variant, "recall")) for variant in TRAINED["recall"]}
    return {"format": 2, "val_loss": losses, "recall": recalls}


if __name__ == "__main__":
    results.write(measure)
