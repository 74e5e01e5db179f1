"""Mamba, one of five peers of equal size: a state space whose step and reading depend on the token."""

from __future__ import annotations

from functools import partial

from transformers import MambaConfig, MambaForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "mamba"


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

assemble = partial(architectures.assemble, PEER)
