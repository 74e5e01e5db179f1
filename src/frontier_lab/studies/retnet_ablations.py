"""What each part of RetNet is worth: the models of ``zoo.retnet`` trained anew without it.

Two dozen trainings are too much for a page (about a minute each on one core), so they are a command and what
they gave is kept:
``python -m frontier_lab.studies.retnet_ablations src/frontier_lab/studies/retnet_ablations.json``. A test
trains the first steps of every variant again.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from frontier_kernels import RetentionLayer
from frontier_lab.models import RetNetForCausalLM
from frontier_lab.storage import results
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer

PRINTED_DECAY = math.log(0.9)
"""The chapter's, for all heads."""

OPEN = 1.2784645
"""Where the swish is 1: a gate that lets everything through."""


class _Open(nn.Module):
    """In the place of the gate's projection: x ``[B, T, D]`` to a constant ``[B, T, V]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x.new_full((*x.shape[:-1], self.width), OPEN)


class _OneDecay(RetentionLayer):
    """The same decay for all heads."""

    one = PRINTED_DECAY

    @property
    def log_decay(self) -> Tensor:
        return torch.full((self.num_heads,), self.one, dtype=torch.float64)


class _NoDecay(_OneDecay):
    one = 0.0


def _decays(kind: type[_OneDecay]) -> Callable[[RetentionLayer], None]:
    def change(layer: RetentionLayer) -> None:
        layer.__class__ = kind

    return change


def _without_norm(layer: RetentionLayer) -> None:
    layer.norm = nn.Identity()  # type: ignore[assignment]


def _without_gate(layer: RetentionLayer) -> None:
    layer.gate_proj = _Open(layer.value_dim)  # type: ignore[assignment]


def _unchanged(_: RetentionLayer) -> None:
    pass


VARIANTS: Mapping[str, Callable[[RetentionLayer], None]] = {
    "whole": _unchanged,
    "one decay": _decays(_OneDecay),
    "no decay": _decays(_NoDecay),
    "no rotation": _unchanged,
    "no norm": _without_norm,
    "no gate": _without_gate,
}
"""What is done to every layer. The rotation is no part of the layer: see ``unrotated``."""


RECALLING = ("whole", "one decay", "no decay")
"""Variants that are trained on associative recall as well."""


@contextmanager
def unrotated() -> Iterator[None]:
    """Within the block, queries and keys are not turned."""
    module: Any = importlib.import_module("frontier_kernels.retention")  # its name is also a function's
    original = module._rotate
    module._rotate = lambda x, cos, sin: x
    try:
        yield
    finally:
        module._rotate = original


def peer(variant: str) -> Peer:
    """RetNet without one of its parts, to be trained as ``zoo.families.peers`` trains every peer.

    The rotation is gone only within ``unrotated``.

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


def context(variant: str) -> AbstractContextManager[None]:
    """What a variant is trained and measured in."""
    return unrotated() if variant == "no rotation" else nullcontext()


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set: ``val_loss[variant][seed][step]`` on text, ``recall[variant][seed][pairs]`` at last."""
    losses, recalls = {}, {}
    for variant in VARIANTS:
        with context(variant):
            logs = peers.every_seed(peer(variant), "language")
        losses[variant] = [{str(row["step"]): row["val_loss"] for row in log} for log in logs]
    for variant in RECALLING:
        with context(variant):
            logs = peers.every_seed(peer(variant), "recall")
        recalls[variant] = [log[-1]["accuracy"] for log in logs]
    return {"format": 1, "val_loss": losses, "recall": recalls}


if __name__ == "__main__":
    results.write(measure)
