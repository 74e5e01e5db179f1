"""Llama, one of five peers of equal size: attention over all tokens, whose cache grows by each."""

from __future__ import annotations

from functools import partial

from transformers import LlamaConfig, LlamaForCausalLM

from frontier_lab.zoo import architectures
from frontier_lab.zoo.architectures import TASK_ROTARY_BASE, Peer, Task

NAME = "llama_peer"


def sizes(task: Task = "language") -> LlamaConfig:
    """The architecture, small, and smaller still for the two tasks."""
    large = task == "language"
    return LlamaConfig(
        hidden_size=96 if large else 64,
        intermediate_size=256 if large else 128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        # The tasks' sequences are short, and finding the token before takes angles that turn fast.
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0 if large else TASK_ROTARY_BASE},
        **architectures.common(task),
    )


PEER = Peer(NAME, LlamaForCausalLM, sizes)

assemble = partial(architectures.assemble, PEER)
