"""S4D, one of five peers of equal size: a diagonal state space that is the same for every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frontier_lab.models import S4DConfig, S4DForCausalLM
from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import SCHEDULES, Peer, Task

NAME = "s4d"
SCHEDULE = SCHEDULES["language"]


def config(task: Task = "language") -> S4DConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return S4DConfig(
        hidden_size=96 if large else 64,
        state_size=16,
        intermediate_size=440 if large else 224,
        num_hidden_layers=2,
        initializer_range=0.02 if large else 0.1,
        **architectures.sizes(task),
    )


SWEPT = {
    "language": {2e-3: 5.2290, 5e-3: 5.0221, 1.2e-2: 5.0004, 3e-2: 5.1765},
    "recall": {1.5e-3: 2.6608, 5e-3: 2.4830},
}
"""Learning rate to validation loss, as ``architectures.sweep`` gave it."""

PEER = Peer(NAME, S4DForCausalLM, config, SWEPT)


def run(task: Task, seed: int, output: Path, work: Path, stop_at: int | None = None) -> list[dict[str, Any]]:
    """Train one task with one seed, as ``architectures.run``."""
    return architectures.run(PEER, task, seed, output, work, stop_at=stop_at)


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every task and seed and lay out the checkpoint, as ``architectures.assemble``."""
    return architectures.assemble(PEER, work, target)
