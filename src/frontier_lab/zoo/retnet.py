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
"""More than of the other tasks. A run stays at chance for hundreds of steps, some for more than a thousand,
before it begins to learn; what it has learned once the rate has fallen depends on when that was, and rounding
moves it as the seed does. Of 64 pairs, seed 0 recalls 0.38 on AVX-512 and 0.51 with torch and the kernels
held to AVX2, and recalled 0.18 on another machine; eight seeds on one machine recall 0.22 to 0.66. Three runs
may well say that the model learns the task, or that it does not. Against eight, three runs of a variant all
lie above by chance once in 165 times, and all below as often."""

PEER = Peer(NAME, RetNetForCausalLM, sizes, own_seeds={"recall": RECALL_SEEDS})

RECIPE = peers.recipe(PEER)
