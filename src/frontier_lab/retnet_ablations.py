"""What each part of RetNet is worth: the models of ``zoo.retnet`` trained anew without it.

Two dozen trainings are too much for a page (about a minute each on one core), so they are a command and what
they gave is kept: ``python -m frontier_lab.retnet_ablations src/frontier_lab/retnet_ablations.json``. A test
trains the first steps of every variant again.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from frontier_kernels import RetentionLayer
from frontier_lab.exporting import write
from frontier_lab.models import RetNetForCausalLM
from frontier_lab.zoo import architectures, retnet
from frontier_lab.zoo.architectures import Task
from frontier_lab.zoo.harness import train
from frontier_lab.zoo.recipe import SEEDS
from frontier_lab.zoo.windows import Windows

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


def run(
    variant: str, seed: int, work: Path, *, task: Task = "language", steps: int | None = None
) -> list[dict[str, Any]]:
    """Train one variant and return its log: ``step``, ``val_loss`` in nats, and for tasks ``accuracy``.

    Args:
        variant: a key of ``VARIANTS``.
        seed: of weights and batches.
        work: where a killed run goes on.
        task: on text, or on associative recall.
        steps: those of the models in the zoo if ``None``.

    Raises:
        ValueError: there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, wanted one of {', '.join(VARIANTS)}")
    peer = retnet.PEER
    schedule = replace(architectures.SCHEDULES[task], learning_rate=peer.found(task)["rate"])
    config = peer.config(task)
    tokenizer = architectures.build_tokenizer()
    windows = Windows(tokenizer, "train", architectures.MIXTURE)
    held_out = Windows(tokenizer, "validation", architectures.MIXTURE)
    fixed, _ = held_out.fixed(architectures.VALIDATION_WINDOWS, schedule.context)
    sets = architectures.held_out("recall")

    def loss(model: nn.Module, step: int) -> Tensor:
        if task == "language":
            ids = labels = windows.batch(seed, step, schedule.batch_size, schedule.context)
        else:
            ids, labels = architectures.task_batch(task, seed, step)
        value: Tensor = model(input_ids=ids, labels=labels).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        model.eval()
        if task == "language":
            found = {"val_loss": round(model(input_ids=fixed, labels=fixed).loss.item(), 5)}
        else:
            found = architectures.accuracies(model, sets)
        model.train()
        return found

    torch.manual_seed(seed)
    model = RetNetForCausalLM(config)
    for block in model.blocks:
        VARIANTS[variant](block.retention)  # type: ignore[arg-type]
    with unrotated() if variant == "no rotation" else nullcontext():
        return train(
            model,
            schedule,
            loss=loss,
            measure=measure,
            keep=lambda model, step: None,
            work=work,
            label=f"{variant}, {task}, seed {seed}",
            recipe={"seed": seed, "variant": variant, "config": config.to_dict()},
            stop_at=steps,
        )


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf8"))
    return found


def measure() -> Mapping[str, Any]:
    """The data set: ``val_loss[variant][seed][step]`` on text, ``recall[variant][seed][pairs]`` at last."""
    losses: dict[str, list[dict[str, float]]] = {}
    recalls: dict[str, list[dict[str, float]]] = {}
    for task, variants in (("language", tuple(VARIANTS)), ("recall", RECALLING)):
        for variant in variants:
            for seed in SEEDS:
                with tempfile.TemporaryDirectory() as work:
                    log = run(variant, seed, Path(work), task=task)  # type: ignore[arg-type]
                print(task, variant, seed, log[-1], file=sys.stderr, flush=True)
                if task == "language":
                    by_step = {str(row["step"]): row["val_loss"] for row in log}
                    losses.setdefault(variant, []).append(by_step)
                else:
                    recalls.setdefault(variant, []).append(log[-1]["accuracy"])
    return {"format": 1, "val_loss": losses, "recall": recalls}


if __name__ == "__main__":
    write(measure)
