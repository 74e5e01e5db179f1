"""Measures of induction heads at points where their value is known."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from frontier_lab.methods import heads
from frontier_lab.texts import sequence_tasks


def perfect(half: int) -> torch.Tensor:
    """Attention of an ideal induction head on two copies; in the first each token looks at itself."""
    weights = torch.eye(2 * half)
    for query in range(half, 2 * half):
        weights[query] = 0
        weights[query, query - half + 1] = 1
    return weights


def test_an_ideal_induction_head_scores_one_and_a_previous_token_head_does_not() -> None:
    previous = torch.eye(16).roll(-1, -1)
    previous[0] = torch.eye(16)[0]
    stack = torch.stack([perfect(8), previous])
    assert heads.induction_score(stack).tolist() == [1, 0]
    assert heads.previous_token_score(stack)[1] == 1
    assert heads.previous_token_score(stack)[0] == 0


def test_even_attention_scores_what_the_docstring_says() -> None:
    size = 400
    even = torch.ones(size, size).tril()
    even /= even.sum(-1, keepdim=True)
    assert heads.induction_score(even).item() == pytest.approx(2 * math.log(2) / size, rel=0.02)


def test_losses_of_copies_leave_out_what_nothing_foretells() -> None:
    ids = sequence_tasks.repeated(3, 6, 50, 0)
    logits = torch.zeros(3, 12, 50)
    # Right from the second token of the second copy on, knowing nothing before.
    for position in range(6, 11):
        logits[torch.arange(3), position, ids[:, position + 1]] = 50
    first, second = heads.copy_losses(logits, ids)
    assert first.item() == pytest.approx(math.log(50))
    assert second.item() == pytest.approx(0, abs=1e-6)


def test_attention_is_the_models_own_and_leaves_it_as_it_was() -> None:
    config = LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    )
    model = LlamaForCausalLM(config).eval()
    before = model.config._attn_implementation
    ids = torch.randint(0, 30, (3, 7))
    weights, logits = heads.attention(model, ids)
    assert weights.shape == (2, 3, 2, 7, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 2, 7))
    assert weights.triu(1).abs().max() == 0
    assert model.config._attn_implementation == before
    with torch.no_grad():
        torch.testing.assert_close(logits, model(ids).logits, atol=1e-5, rtol=1e-4)


def test_a_jump_is_found_where_it_is() -> None:
    steps = list(range(0, 110, 10))
    values = [0.1, 0.1, 0.1, 0.15, 0.3, 0.6, 0.9, 1.0, 1.1, 1.1, 1.1]
    assert heads.jump(steps, values) == heads.Jump(start=40, middle=50, end=70)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="sequence: got 7 tokens, wanted an even number"):
        heads.induction_score(torch.zeros(7, 7))
    with pytest.raises(ValueError, match="values: got 1, wanted 2, one a step"):
        heads.jump([0, 1], [0.0])
    with pytest.raises(ValueError, match="values: got a curve that never rises"):
        heads.jump([0, 1], [1.0, 0.5])
