"""A Longformer-class encoder: a sliding window for every token, and one global token that all share."""

from __future__ import annotations

import functools
from functools import partial

import torch
from torch import Tensor, nn
from transformers import (
    LongformerConfig,
    LongformerForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
)

from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.families.short_context import tokenizer_text
from frontier_lab.zoo.families.sparse_encoders import CONTEXT, LAYERS, SIZES, VOCABULARY, Encoder
from frontier_lab.zoo.training.recipe import Recipe
from frontier_lab.zoo.training.tokenizers import byte_level_bpe

NAME = "longformer"
WINDOW = 16
"""Tokens that each token sees, half of them on either side: three layers reach 24 tokens."""


@functools.cache
def build_tokenizer() -> PreTrainedTokenizerBase:
    """RoBERTa's kind, which Longformer took over."""
    return byte_level_bpe(tokenizer_text(), VOCABULARY, longest=CONTEXT, kind=RobertaTokenizer)


def config() -> LongformerConfig:
    """The architecture: transformers' Longformer, small."""
    return LongformerConfig(
        attention_window=[WINDOW] * LAYERS,
        max_position_embeddings=CONTEXT + 2,  # as RoBERTa, it counts positions from 2
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        sep_token_id=2,
        **SIZES,
    )


def attend(model: nn.Module, ids: Tensor, *, on_the_first: bool = True) -> Tensor:
    """Hidden states ``[B, T, D]``, with global attention on the first token or nowhere."""
    everywhere = torch.zeros_like(ids)
    everywhere[:, 0] = int(on_the_first)
    states: Tensor = model.longformer(input_ids=ids, global_attention_mask=everywhere).last_hidden_state  # type: ignore[operator, union-attr]
    return states


def head(model: nn.Module, states: Tensor) -> Tensor:
    """Hidden states to logits."""
    logits: Tensor = model.lm_head(states)  # type: ignore[operator]
    return logits


def with_global(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` as in training."""
    return head(model, attend(model, ids))


def windows_only(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` without any global token."""
    return head(model, attend(model, ids, on_the_first=False))


ENCODER = Encoder(NAME, LongformerForMaskedLM, config, build_tokenizer, 5, attend, head)
WAYS = {"global first token": with_global, "windows alone": windows_only}

WORDS = {
    "can": "guesses some hidden words, and carries a value far through its global token",
    "cannot": "see beyond its windows without a global token",
}

run = partial(sparse_encoders.run, ENCODER)

RECIPE = Recipe(
    NAME,
    partial(
        sparse_encoders.assemble,
        ENCODER,
        WAYS,
        tokenizer=f"byte-level BPE of RoBERTa's kind, {VOCABULARY} tokens, trained on the same text",
        can=WORDS["can"],
        cannot=WORDS["cannot"],
    ),
    partial(sparse_encoders.describe, ENCODER, WORDS),
)
