"""RWKV, one of five peers of equal size: a weighted mean over all tokens, kept as two sums a channel."""

from __future__ import annotations

from functools import partial

from transformers import RwkvConfig, RwkvForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "rwkv"


def sizes(task: Task = "language") -> RwkvConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return RwkvConfig(
        hidden_size=96 if large else 64,
        intermediate_size=336 if large else 160,
        num_hidden_layers=2,
        context_length=256,
        rescale_every=0,
        **architectures.common(task),
    )


PEER = Peer(NAME, RwkvForCausalLM, sizes, scaled=False)

assemble = partial(architectures.assemble, PEER)
