"""S4D, one of five peers of equal size: a diagonal state space that is the same for every token."""

from __future__ import annotations

from frontier_lab.models import S4DConfig, S4DForCausalLM
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Task

NAME = "s4d"


def sizes(task: Task = "language") -> S4DConfig:
    """The architecture, small, and smaller still for the two tasks."""
    return S4DConfig(
        hidden_size={"language": 96, "recall": 32, "copy": 64}[task],
        state_size=16,
        intermediate_size={"language": 440, "recall": 104, "copy": 224}[task],
        num_hidden_layers=2,
        **peers.common(task),
    )


PEER = Peer(NAME, S4DForCausalLM, sizes)

RECIPE = peers.recipe(PEER)
