"""RWKV, one of five peers of equal size: a weighted mean over all tokens, kept as two sums a channel."""

from __future__ import annotations

from transformers import RwkvConfig, RwkvForCausalLM

from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Task

NAME = "rwkv"


def sizes(task: Task = "language") -> RwkvConfig:
    """The architecture, small, and smaller still for the two tasks."""
    return RwkvConfig(
        hidden_size={"language": 96, "recall": 32, "copy": 64}[task],
        intermediate_size={"language": 336, "recall": 80, "copy": 160}[task],
        num_hidden_layers=2,
        context_length=256,
        rescale_every=0,
        **peers.common(task),
    )


PEER = Peer(NAME, RwkvForCausalLM, sizes, scaled=False)

RECIPE = peers.recipe(PEER)
