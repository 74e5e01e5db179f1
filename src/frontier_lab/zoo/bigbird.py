"""A BigBird-class encoder: blocks see their neighbours, the first and the last block, and one at random."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import BigBirdConfig, BigBirdForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.families.short_context import tokenizer_text
from frontier_lab.zoo.families.sparse_encoders import CONTEXT, SIZES, VOCABULARY, Encoder
from frontier_lab.zoo.training.recipe import Recipe
from frontier_lab.zoo.training.tokenizers import unigram_pieces

NAME = "bigbird"
BLOCK = 8
RANDOM_BLOCKS = 1
CHARACTERS = 100


Weigh = Callable[[Tensor, int], Tensor]
"""Scores ``[B, H, T, T]`` and the layer's number to the attention weights, of the same shape."""


@functools.cache
def build_tokenizer() -> PreTrainedTokenizerBase:
    """BigBird's kind."""
    return unigram_pieces(tokenizer_text(), VOCABULARY, CHARACTERS, longest=CONTEXT)


def config() -> BigBirdConfig:
    """The architecture: transformers' BigBird, small."""
    return BigBirdConfig(
        block_size=BLOCK,
        num_random_blocks=RANDOM_BLOCKS,
        max_position_embeddings=CONTEXT,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        sep_token_id=5,
        **SIZES,
    )


def attend(model: nn.Module, ids: Tensor) -> Tensor:
    """Hidden states ``[B, T, D]`` by the attention that the model is set to."""
    states: Tensor = model.bert(input_ids=ids).last_hidden_state  # type: ignore[operator, union-attr]
    return states


def head(model: nn.Module, states: Tensor) -> Tensor:
    """Hidden states to logits."""
    logits: Tensor = model.cls(states)  # type: ignore[operator]
    return logits


def as_trained(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` with random blocks, which transformers draws in train mode alone."""
    return head(model.train(), attend(model, ids))


def in_eval_mode(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` in eval mode, where every random block is the first block."""
    logits = head(model.eval(), attend(model, ids))
    model.train()
    return logits


def in_full(model: PreTrainedModel, ids: Tensor, weigh: Weigh | None = None) -> Tensor:
    """Logits ``[B, T, V]`` with full attention: what transformers switches to by itself for short inputs.

    Args:
        model: a BigBird; left as it was, but for its attention type, which is sparse afterwards.
        ids: ``[B, T]``.
        weigh: takes softmax's place in every layer; none leaves it there.
    """
    softmax, layer = nn.functional.softmax, itertools.count()

    def weights(scores: Tensor, dim: int) -> Tensor:
        return softmax(scores, dim) if weigh is None else weigh(scores, next(layer))

    model.bert.set_attention_type("original_full")
    with patch.object(nn.functional, "softmax", weights):
        logits = head(model, attend(model, ids))
    model.bert.set_attention_type("block_sparse")
    return logits


def seen_in_eval_mode(tokens: int = CONTEXT) -> Tensor:
    """Cells that eval mode computes, bool ``[tokens, tokens]``: the first and last block see all others."""
    block = torch.arange(tokens) // BLOCK
    ends = (block == 0) | (block == block[-1])
    return ((block[:, None] - block).abs() <= 1) | ends | ends[:, None]


ENCODER = Encoder(NAME, BigBirdForMaskedLM, config, build_tokenizer, 7, attend, head)
WAYS = {"random blocks": as_trained, "eval mode": in_eval_mode, "full attention": in_full}

WORDS = {
    "can": "guesses some hidden words, and carries a value far across its blocks",
    "cannot": "use its random blocks in transformers' eval mode, or do as well with full attention",
}

run = partial(sparse_encoders.run, ENCODER)

RECIPE = Recipe(
    NAME,
    partial(
        sparse_encoders.assemble,
        ENCODER,
        WAYS,
        tokenizer=f"unigram pieces of BigBird's kind, {VOCABULARY} tokens, trained on the same text",
        can=WORDS["can"],
        cannot=WORDS["cannot"],
    ),
    partial(sparse_encoders.describe, ENCODER, WORDS),
)
