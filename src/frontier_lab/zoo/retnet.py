"""RetNet, one of five peers of equal size: linear attention whose state fades at a fixed rate."""

from __future__ import annotations

from frontier_lab.models import RetNetConfig, RetNetForCausalLM
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import ROTARY_BASE, Peer, Task

NAME = "retnet"


def sizes(task: Task = "language") -> RetNetConfig:
    """The architecture, small, and smaller still for the two tasks."""
    return RetNetConfig(
        hidden_size={"language": 96, "recall": 32, "copy": 64}[task],
        value_size={"language": 192, "recall": 64, "copy": 128}[task],
        intermediate_size={"language": 192, "recall": 32, "copy": 64}[task],
        num_hidden_layers=2,
        num_attention_heads=2 if task == "recall" else 4,
        rotary_base=ROTARY_BASE[task],
        **peers.common(task),
    )


RECALL_SEEDS = tuple(range(8))
"""Rounding alone moves what a run has learned of recall when its steps are over: ...
"""

PEER = Peer(NAME, RetNetForCausalLM, sizes, own_seeds={"recall": RECALL_SEEDS})

RECIPE = peers.recipe(PEER)
