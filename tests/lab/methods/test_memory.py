"""What a model remembers is counted right, and so is the state that it keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
)

from frontier_lab.methods import memory
from frontier_lab.models import RetNetConfig, RetNetForCausalLM, S4DConfig, S4DForCausalLM
from frontier_lab.texts import sequence_tasks


def test_accuracy_counts_the_answers_alone_and_looks_one_position_back() -> None:
    ids, labels = sequence_tasks.copying(4, 1, np.random.default_rng(5))
    logits = torch.zeros(1, 9, sequence_tasks.COPY_VOCABULARY)
    for t in (4, 5, 6):  # positions 4 to 7 have to name what stands at 5 to 8; position 7 is left wrong
        logits[0, t, ids[0, t + 1]] = 1
    logits[0, 7, (ids[0, 8] + 1) % sequence_tasks.SYMBOLS] = 1
    assert memory.answer_accuracy(logits, labels) == pytest.approx(0.75)


def test_the_state_of_each_architecture_has_the_size_that_its_definition_gives() -> None:
    d, layers, vocabulary, tokens = 16, 3, 20, 10
    small = {"vocab_size": vocabulary, "hidden_size": d, "num_hidden_layers": layers}
    # Keys and values of every token.
    llama = LlamaForCausalLM(LlamaConfig(**small, num_attention_heads=2, intermediate_size=8)).eval()
    assert memory.state_bytes(llama, tokens) == 4 * layers * 2 * d * tokens
    # N numbers for each of the 2 d channels, and the last four inputs of the convolution.
    mamba = MambaForCausalLM(MambaConfig(**small, state_size=5)).eval()
    assert memory.state_bytes(mamba, tokens) == 4 * layers * 2 * d * (5 + 4)
    # Two sums and their exponent, and the last input of both mixings.
    rwkv = RwkvForCausalLM(RwkvConfig(**small)).eval()
    assert memory.state_bytes(rwkv, tokens) == 4 * layers * 5 * d
    # A matrix of d/H by V/H a head.
    retnet = RetNetForCausalLM(RetNetConfig(**small, num_attention_heads=2, value_size=32)).eval()
    assert memory.state_bytes(retnet, tokens) == 4 * layers * 2 * (d // 2) * (32 // 2)
    # N complex numbers a channel.
    s4d = S4DForCausalLM(S4DConfig(**small, state_size=5)).eval()
    assert memory.state_bytes(s4d, tokens) == 8 * layers * d * 5
    for fixed in (mamba, rwkv, retnet, s4d):
        assert memory.state_bytes(fixed, 40) == memory.state_bytes(fixed, tokens)
