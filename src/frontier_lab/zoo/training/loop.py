"""One training loop for every recipe: seeded, logged, resumable after a kill.

A run is a pure function of its recipe: the batch of step ``n`` is drawn from a generator seeded with
``(seed, n)``, so a run that was killed and resumed sees the same data, and ends bit for bit where an
uninterrupted one ends (same machine, same torch, one thread).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from frontier_lab.storage.files import write_json


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a model is trained.

    Attributes:
        steps: optimiser steps.
        batch_size: windows in a step.
        context: tokens in a window.
        learning_rate: peak; linear warm-up, then cosine to a tenth of it.
        warmup: steps of warm-up.
        weight_decay: on matrices only, the router left out.
        log_every: steps between two entries of the log.
        snapshots: steps whose weights are kept, besides the last.
    """

    steps: int
    batch_size: int = 16
    context: int = 128
    learning_rate: float = 3e-3
    warmup: int = 50
    weight_decay: float = 0.1
    log_every: int = 20
    snapshots: tuple[int, ...] = ()

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.55 + 0.45 * math.cos(math.pi * progress))


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    decayed = [p for n, p in named if p.ndim >= 2 and "gate.weight" not in n]
    kept = [p for n, p in named if p.ndim < 2 or "gate.weight" in n]
    groups = [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.95), foreach=False)


def _save_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Weights, optimiser moments and ``facts`` in one safetensors file, replaced atomically.

    The log is one of the facts: a kill cannot leave the weights of one step beside the log of another.
    """
    tensors = {f"model.{n}": p.detach() for n, p in model.named_parameters()}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{index}.{key}"] = value.detach().reshape(value.shape or (1,)).contiguous()
    partial = path.with_suffix(".partial")
    metadata = {name: json.dumps(fact) for name, fact in facts.items()}
    save_file({name: t.contiguous() for name, t in tensors.items()}, partial, metadata=metadata)
    os.replace(partial, path)


def _facts(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as state:
        return {name: json.loads(fact) for name, fact in (state.metadata() or {}).items()}


def _load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        prefix = f"optimizer.{index}."
        state = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        optimizer.state[parameter] = {n: t.reshape(()) if n == "step" else t for n, t in state.items()}


def train(
    model: nn.Module,
    schedule: Schedule,
    *,
    loss: Callable[[nn.Module, int], Tensor],
    measure: Callable[[nn.Module], dict[str, Any]],
    keep: Callable[[nn.Module, int], None],
    work: Path,
    label: str,
    recipe: dict[str, Any],
    stop_at: int | None = None,
) -> list[dict[str, Any]]:
    """Train in place and return the log.

    Args:
        model: trained in place, float32.
        schedule: steps, rates, what is logged and kept.
        loss: maps the model and the step to the scalar that is minimised; draws its own batch from the step.
        measure: what is logged every ``log_every`` steps, on fixed held-out data, without gradients.
        keep: called with the model at every snapshot step and at the end.
        work: folder for the state that a later call resumes from.
        label: printed with the progress.
        recipe: what the run depends on besides the schedule, as JSON takes it; a state that another recipe
            left is not resumed.
        stop_at: leave after this many steps, as if killed; for tests.

    Returns:
        One entry for each logged step: ``step``, ``train_loss`` and what ``measure`` gave.
    """
    work.mkdir(parents=True, exist_ok=True)
    state_path, log_path = work / "state.safetensors", work / "log.json"
    optimizer = _optimizer(model, schedule)
    log: list[dict[str, Any]] = []
    step = 0
    whole = json.loads(json.dumps({"schedule": asdict(schedule), **recipe}))
    if state_path.exists():
        facts = _facts(state_path)
        if facts.get("recipe") == whole:
            log = facts["log"]
            step = log[-1]["step"]
            _load_state(state_path, model, optimizer)
            print(f"{label}: resumed at step {step}", flush=True)
        else:
            print(f"{label}: {state_path} was left by another recipe: starting at step 0", flush=True)
    running = 0.0
    while True:
        if step % schedule.log_every == 0 or step == schedule.steps:
            if not log or log[-1]["step"] != step:
                with torch.no_grad():
                    measured = measure(model)
                mean = round(running / (step - log[-1]["step"]), 5) if log else None
                log.append({"step": step, "train_loss": mean, **measured})
                print(
                    f"{label}: step {step}/{schedule.steps}  validation loss {measured['val_loss']:.3f}",
                    flush=True,
                )
                if step in schedule.snapshots or step == schedule.steps:
                    keep(model, step)
                if step:
                    _save_state(state_path, model, optimizer, {"log": log, "recipe": whole})
                    write_json(log_path, log)  # for people who watch
            running = 0.0
        if step == schedule.steps or step == stop_at:
            return log
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        value = loss(model, step)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=False)
        optimizer.step()
        running += value.item()
        step += 1
