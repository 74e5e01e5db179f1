"""Mamba, one of five peers of equal size: a state space whose step and reading depend on the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import MambaConfig, MambaForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import SCHEDULES, Peer, Task

NAME = "mamba"
SCHEDULE = SCHEDULES["language"]


def config(task: Task = "language") -> MambaConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return MambaConfig(
        hidden_size=102 if large else 76,
        state_size=8,
        num_hidden_layers=3 if large else 2,
        **architectures.sizes(task),
    )


SWEPT = {
    "language": {2e-3: 5.4428, 5e-3: 4.8854, 1.2e-2: 4.5924, 3e-2: 4.6074},
    "recall": {1.5e-3: 2.3361, 5e-3: 2.0910},
}
"""Learning rate to validation loss, as ``architectures.sweep`` gave it."""

PEER = Peer(NAME, MambaForCausalLM, config, SWEPT)


def run(task: Task, seed: int, output: Path, work: Path, stop_at: int | None = None) -> list[dict[str, Any]]:
    """Train one task with one seed, as ``architectures.run``."""
    return architectures.run(PEER, task, seed, output, work, stop_at=stop_at)


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every task and seed and lay out the checkpoint, as ``architectures.assemble``."""
    return architectures.assemble(PEER, work, target)
