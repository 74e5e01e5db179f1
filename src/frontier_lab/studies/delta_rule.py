"""The gated delta rule as a layer, and what it is worth on associative recall.

A linear-attention memory adds ``kᵀ v`` and never corrects itself. The delta rule first reads what the key
already gives and writes only the difference, β (v - k S); a gate α forgets on top, both set by the token:
S ← α (S - β kᵀ (k S)) + β kᵀ v. Without the correction it is retention whose decay depends on the token.

Trained on the same sequences as ``zoo.retnet``'s part ``recall``, with its sizes and steps. Six trainings
are too much for a page, so they are a command and what they gave is kept:
``python -m frontier_lab.delta_rule src/frontier_lab/delta_rule.json``.

Source: Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule" (2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig

from frontier_lab import exporting
from frontier_lab.models import RetNetForCausalLM
from frontier_lab.zoo import architectures, retnet
from frontier_lab.zoo.architectures import Peer

Rule = Literal["gated delta", "gated"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""With the correction, and without it."""


class DeltaLayer(nn.Module):
    """A memory ``S [K, V]`` a head, written by one of the rules; swish gate and group norm as in RetNet.

    Args:
        d_model: width D of a token.
        num_heads: H.
        value_dim: width of all heads' values together.
        rule: how the memory is written.
        key_width: K, by default ``d_model / num_heads``.
    """

    def __init__(
        self, d_model: int, num_heads: int, value_dim: int, rule: Rule, key_width: int | None = None
    ) -> None:
        super().__init__()
        self.num_heads, self.rule = num_heads, rule
        keys = d_model if key_width is None else num_heads * key_width
        self.q_proj = nn.Linear(d_model, keys, bias=False)
        self.k_proj = nn.Linear(d_model, keys, bias=False)
        self.v_proj = nn.Linear(d_model, value_dim, bias=False)
        self.write_proj = nn.Linear(d_model, num_heads)
        self.keep_proj = nn.Linear(d_model, num_heads)
        self.gate_proj = nn.Linear(d_model, value_dim, bias=False)
        self.out_proj = nn.Linear(value_dim, d_model, bias=False)
        self.norm = nn.GroupNorm(num_heads, value_dim)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, T, D]`` to ``[B, T, D]``, one step after the other."""
        heads = self.num_heads
        q = F.normalize(self.q_proj(x).unflatten(-1, (heads, -1)), dim=-1)  # [B, T, H, K]
        k = F.normalize(self.k_proj(x).unflatten(-1, (heads, -1)), dim=-1)
        v = self.v_proj(x).unflatten(-1, (heads, -1))  # [B, T, H, V]
        beta = self.write_proj(x).sigmoid()[..., None]  # [B, T, H, 1]
        # Near one at the start, so that the memory is long before it is learnt how long it should be.
        alpha = (
            (self.keep_proj(x) + 4).sigmoid()[..., None] if "gated" in self.rule else torch.ones_like(beta)
        )
        state = x.new_zeros(len(x), heads, k.shape[-1], v.shape[-1])
        rows = []
        for t in range(x.shape[1]):
            key, value = k[:, t, :, :, None], v[:, t, :, None]  # [B, H, K, 1], [B, H, 1, V]
            state = alpha[:, t, :, :, None] * state
            if self.rule == "gated delta":
                value = value - key.mT @ state  # what the key does not give yet
            state = state + beta[:, t, :, :, None] * key * value
            rows.append((q[:, t, :, None] @ state)[:, :, 0])  # [B, H, V]
        o = torch.stack(rows, 1).flatten(2)  # [B, T, H V]
        normed = self.norm(o.flatten(0, 1)).view_as(o)
        out: Tensor = self.out_proj(F.silu(self.gate_proj(x)) * normed)
        return out


class _InBlock(nn.Module):
    """A ``DeltaLayer`` where RetNet's block calls its retention."""

    def __init__(self, layer: DeltaLayer) -> None:
        super().__init__()
        self.layer = layer

    def chunkwise_forward(self, x: Tensor, state: None, position: int) -> tuple[Tensor, None]:
        return self.layer(x), None


def peer(rule: Rule, key_width: int | None = None) -> Peer:
    """RetNet with the rule in the place of retention, to be trained by ``zoo.architectures`` as any peer.

    A head's keys are as wide as RetNet's, unless ``key_width`` says otherwise.

    Raises:
        ValueError: there is no such rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule: got {rule!r}, wanted one of {', '.join(RULES)}")

    def build(config: PreTrainedConfig) -> RetNetForCausalLM:
        model = RetNetForCausalLM(config)
        for block in model.blocks:
            layer = DeltaLayer(
                config.hidden_size, config.num_attention_heads, config.value_size, rule, key_width
            )
            for parameter in layer.parameters():
                if parameter.ndim == 2:
                    nn.init.normal_(parameter, std=config.initializer_range)
            block.retention = _InBlock(layer)
        return model

    return replace(retnet.PEER, model_class=build)


def stored() -> dict[str, Any]:
    """What ``trained`` gave, as it is committed."""
    return exporting.stored(__file__)


def trained() -> Mapping[str, Any]:
    """The data set: ``recall[rule][seed][pairs]`` at the end, ``val_loss[rule][seed][step]`` on the way."""
    recalls, losses = {}, {}
    for rule in RULES:
        logs = architectures.every_seed(peer(rule), "recall")
        recalls[rule] = [log[-1]["accuracy"] for log in logs]
        losses[rule] = [{str(row["step"]): row["val_loss"] for row in log} for log in logs]
    return {"format": 1, "recall": recalls, "val_loss": losses}


if __name__ == "__main__":
    exporting.write(trained)
