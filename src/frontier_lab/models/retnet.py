"""RetNet as a language model: blocks of retention and a feed-forward network, with tied embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig

from frontier_kernels import RetentionLayer
from frontier_lab.models.causal import TiedCausalLM


class RetNetConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes of a RetNet.

    Args:
        vocab_size: tokens.
        hidden_size: width D of a token.
        num_hidden_layers: blocks.
        num_attention_heads: H, heads of retention; each keeps a state of ``D/H`` by ``value_size/H`` numbers.
        value_size: width of all heads' values together; the paper takes twice D.
        intermediate_size: width of the feed-forward network.
        rotary_base: the slowest pair of features turns by ``1 / rotary_base`` radians a token.
        layer_norm_epsilon: added to the variance in the norms.
        initializer_range: standard deviation of the first weights.
    """

    model_type = "retnet"

    vocab_size: int = 1024
    hidden_size: int = 96
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    value_size: int = 192
    intermediate_size: int = 192
    rotary_base: float = 10000.0
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    bos_token_id: int | None = 0
    eos_token_id: int | None = 1
    tie_word_embeddings: bool = True


@dataclass
class RetNetState:
    """All that a RetNet remembers of the tokens so far.

    Attributes:
        position: tokens so far; the rotation of queries and keys goes on from here.
        layers: one state for each block, ``[B, H, K, V]`` in float32.
    """

    position: int
    layers: list[Tensor]


class RetNetBlock(nn.Module):
    """Retention, then a feed-forward network, each behind a norm and added to its input."""

    def __init__(self, config: RetNetConfig) -> None:
        super().__init__()
        d = config.hidden_size
        self.retention_norm = nn.LayerNorm(d, eps=config.layer_norm_epsilon)
        self.retention = RetentionLayer(
            d, config.num_attention_heads, value_dim=config.value_size, rotary_base=config.rotary_base
        )
        self.feed_forward_norm = nn.LayerNorm(d, eps=config.layer_norm_epsilon)
        self.up = nn.Linear(d, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, d, bias=False)

    def forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0, *, step: bool = False
    ) -> tuple[Tensor, Tensor]:
        """``x [B, T, D]`` and the state before it, to the output ``[B, T, D]`` and the state after it."""
        retain = self.retention.recurrent_forward if step else self.retention.chunkwise_forward
        retained, state = retain(self.retention_norm(x), state, position)
        x = x + retained
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x)))), state


class RetNetForCausalLM(TiedCausalLM):
    """RetNet with a language-modelling head on the embeddings' own weights.

    Source: Sun et al., "Retentive Network: A Successor to Transformer for Large Language Models" (2023).
    """

    config_class = RetNetConfig

    def __init__(self, config: RetNetConfig) -> None:
        super().__init__(config, lambda: RetNetBlock(config))

    def step(self, input_ids: Tensor, state: RetNetState | None = None) -> tuple[Tensor, RetNetState]:
        """One token, by the recurrent form: time and memory do not grow with the tokens before it.

        Args:
            input_ids: the next token of each sequence, ``[B]``, int64.
            state: what the last call returned, ``None`` at the start; not changed.

        Returns:
            ``logits [B, vocabulary]`` for the token after it, and the state.
        """
        position = 0 if state is None else state.position
        before: list[Tensor] | list[None] = [None] * len(self.blocks) if state is None else state.layers
        x = self.embeddings(input_ids)[:, None]  # [B, 1, D]
        after = []
        for block, layer in zip(self.blocks, before, strict=True):
            x, layer = block(x, layer, position, step=True)
            after.append(layer)
        return self.head(self.norm(x))[:, 0], RetNetState(position + 1, after)
