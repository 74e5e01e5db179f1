"""The gated delta rule as a layer.

A linear-attention memory adds ``kᵀ v`` and never corrects itself. The delta rule first reads what the key
already gives and writes only the difference, β (v - k S); a gate α forgets on top, both set by the token:
S ← α (S - β kᵀ (k S)) + β kᵀ v. Without the correction it is retention whose decay depends on the token.

Source: Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule" (2024).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
