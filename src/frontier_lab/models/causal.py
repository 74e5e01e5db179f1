"""What RetNet and S4D share: blocks between embeddings and a language-modelling head on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class TiedCausalLM(PreTrainedModel):  # type: ignore[misc]
    """Embeddings, blocks, a norm, and a head on the embeddings' own weights.

    Args:
        config: with ``vocab_size``, ``hidden_size``, ``num_hidden_layers``, ``layer_norm_epsilon``.
        block: makes a block, which maps ``[B, T, D]`` to ``[B, T, D]``, or to that and its state.
    """

    base_model_prefix = ""
    _tied_weights_keys: ClassVar[dict[str, str]] = {"head.weight": "embeddings.weight"}
    _is_stateful = True

    def __init__(self, config: PreTrainedConfig, block: Callable[[], nn.Module]) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(block() for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The embeddings, whose weights the head shares."""
        return self.embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.head

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, **_: Any) -> CausalLMOutput:
        """All tokens at once.

        Args:
            input_ids: ``[B, T]``, int64.
            labels: ``[B, T]``, shifted here: position t is compared with label t + 1; -100 does not count.

        Returns:
            ``logits [B, T, vocabulary]``, and with labels ``loss``, mean cross-entropy in nats.
        """
        x = self.embeddings(input_ids)  # [B, T, D]
        for block in self.blocks:
            found = block(x)
            x = found[0] if isinstance(found, tuple) else found
        logits = self.head(self.norm(x))  # [B, T, V]
        loss = None if labels is None else self.loss_function(logits, labels, self.config.vocab_size)
        return CausalLMOutput(loss=loss, logits=logits)
