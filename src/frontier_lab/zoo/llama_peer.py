"""Llama, one of five peers of equal size: attention over all tokens, whose cache grows by each."""

from __future__ import annotations

from transformers import LlamaConfig, LlamaForCausalLM

from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import ROTARY_BASE, Peer, Task

NAME = "llama_peer"


def sizes(task: Task = "language") -> LlamaConfig:
    """The architecture, small, and smaller still for the two tasks."""
    return LlamaConfig(
        hidden_size={"language": 96, "recall": 32, "copy": 64}[task],
        intermediate_size={"language": 256, "recall": 64, "copy": 128}[task],
        num_hidden_layers=2,
        num_attention_heads=2 if task == "recall" else 4,
        num_key_value_heads=2 if task == "recall" else 4,
        max_position_embeddings=256,
        rope_parameters={"rope_type": "default", "rope_theta": ROTARY_BASE[task]},
        **peers.common(task),
    )


PEER = Peer(NAME, LlamaForCausalLM, sizes)

RECIPE = peers.recipe(PEER)
