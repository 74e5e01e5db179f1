"""A BigBird-class encoder: blocks see their neighbours, the first and the last block, and one at random."""

from __future__ import annotations

import functools
from functools import partial

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


def in_full(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` with full attention: what transformers switches to by itself for short inputs."""
    model.bert.set_attention_type("original_full")
    logits = head(model, attend(model, ids))
    model.bert.set_attention_type("block_sparse")
    return logits


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
