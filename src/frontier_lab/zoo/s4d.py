"""S4D, one of five peers of equal size: a diagonal state space that is the same for every token."""

from __future__ import annotations

from functools import partial

from frontier_lab.models import S4DConfig, S4DForCausalLM
from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "s4d"


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

assemble = partial(architectures.assemble, PEER)
