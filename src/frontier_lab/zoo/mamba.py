"""Mamba, one of five peers of equal size: a state space whose step and reading depend on the token."""

from __future__ import annotations

from functools import partial

from transformers import MambaConfig, MambaForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "mamba"


def sizes(task: Task = "language") -> MambaConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return MambaConfig(
        hidden_size=102 if large else 76,
        state_size=8,
        num_hidden_layers=3 if large else 2,
        **architectures.common(task),
    )


PEER = Peer(NAME, MambaForCausalLM, sizes, scaled=False)

assemble = partial(architectures.assemble, PEER)
