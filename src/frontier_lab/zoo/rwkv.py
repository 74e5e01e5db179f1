"""RWKV, one of five peers of equal size: a weighted mean over all tokens, kept as two sums a channel."""

from __future__ import annotations

from functools import partial

from transformers import RwkvConfig, RwkvForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import Peer, Task

NAME = "rwkv"


def config(task: Task = "language") -> RwkvConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return RwkvConfig(
        hidden_size=96 if large else 64,
        intermediate_size=336 if large else 160,
        num_hidden_layers=2,
        context_length=256,
        rescale_every=0,
        **architectures.sizes(task),
    )


SWEPT = {
    "language": {2e-3: 5.5587, 5e-3: 5.2089, 1.2e-2: 5.2522},
    "recall": {1.5e-3: 2.7317, 5e-3: 2.7278},
}
"""Learning rate to validation loss, as ``architectures.sweep`` gave it."""

PEER = Peer(NAME, RwkvForCausalLM, config, SWEPT)

assemble = partial(architectures.assemble, PEER)
