"""RetNet, one of five peers of equal size: linear attention whose state fades at a fixed rate."""

from __future__ import annotations

from functools import partial

from frontier_lab.models import RetNetConfig, RetNetForCausalLM
from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import TASK_ROTARY_BASE, Peer, Task

NAME = "retnet"


def config(task: Task = "language") -> RetNetConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return RetNetConfig(
        hidden_size=96 if large else 64,
        value_size=192 if large else 128,
        intermediate_size=192 if large else 64,
        num_hidden_layers=2,
        num_attention_heads=4,
        rotary_base=10000.0 if large else TASK_ROTARY_BASE,
        initializer_range=0.02 if large else 0.1,
        **architectures.sizes(task),
    )


SWEPT = {
    "language": {2e-3: 5.2925, 5e-3: 5.1205, 1.2e-2: 5.1917},
    "recall": {1.5e-3: 2.7670, 5e-3: 2.5076},
}
"""Learning rate to validation loss, as ``architectures.sweep`` gave it."""

PEER = Peer(NAME, RetNetForCausalLM, config, SWEPT)

assemble = partial(architectures.assemble, PEER)
