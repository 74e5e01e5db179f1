"""S4D, one of five peers of equal size: a diagonal state space that is the same for every token."""

from __future__ import annotations

from functools import partial

from frontier_lab.models import S4DConfig, S4DForCausalLM
from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "s4d"


def sizes(task: Task = "language") -> S4DConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return S4DConfig(
        hidden_size=96 if large else 64,
        state_size=16,
        intermediate_size=440 if large else 224,
        num_hidden_layers=2,
        **architectures.common(task),
    )


PEER = Peer(NAME, S4DForCausalLM, sizes)

assemble = partial(architectures.assemble, PEER)
