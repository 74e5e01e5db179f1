"""RetNet, one of five peers of equal size: linear attention whose state fades at a fixed rate."""

from __future__ import annotations

from functools import partial

from frontier_lab.models import RetNetConfig, RetNetForCausalLM
from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import TASK_ROTARY_BASE, Peer, Task

NAME = "retnet"


def sizes(task: Task = "language") -> RetNetConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return RetNetConfig(
        hidden_size=96 if large else 64,
        value_size=192 if large else 128,
        intermediate_size=192 if large else 64,
        num_hidden_layers=2,
        num_attention_heads=4,
        rotary_base=10000.0 if large else TASK_ROTARY_BASE,
        **architectures.common(task),
    )


PEER = Peer(NAME, RetNetForCausalLM, sizes)

assemble = partial(architectures.assemble, PEER)
