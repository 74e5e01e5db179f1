"""Mamba, one of five peers of equal size: a state space whose step and reading depend on the token."""

from __future__ import annotations

from transformers import MambaConfig, MambaForCausalLM

from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Task

NAME = "mamba"


def sizes(task: Task = "language") -> MambaConfig:
    """The architecture, small, and smaller still for the two tasks."""
    return MambaConfig(
        hidden_size={"language": 102, "recall": 36, "copy": 76}[task],
        state_size=8,
        num_hidden_layers=3 if task == "language" else 2,
        **peers.common(task),
    )


PEER = Peer(NAME, MambaForCausalLM, sizes, scaled=False)

RECIPE = peers.recipe(PEER)
