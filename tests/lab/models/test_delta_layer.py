"""The layer of the gated delta rule against its formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frontier_lab.models.delta_rule import RULES, DeltaLayer, Rule


def reference(layer: DeltaLayer, x: Tensor) -> Tensor:
    """One head at a time, with the matrix that forgets written out: α (I - β kᵀ k)."""
    outputs = []
    for head in range(layer.num_heads):
        q, k = (
            F.normalize(p(x).unflatten(-1, (layer.num_heads, -1))[0, :, head], dim=-1)
            for p in (layer.q_proj, layer.k_proj)
        )
        v = layer.v_proj(x).unflatten(-1, (layer.num_heads, -1))[0, :, head]
        beta = layer.write_proj(x)[0, :, head].sigmoid()
        alpha = (layer.keep_proj(x)[0, :, head] + 4).sigmoid()
        state, rows = torch.zeros(k.shape[1], v.shape[1], dtype=x.dtype), []
        for t in range(x.shape[1]):
            forget = torch.eye(k.shape[1], dtype=x.dtype)
            if layer.rule == "gated delta":
                forget = forget - beta[t] * torch.outer(k[t], k[t])
            state = alpha[t] * forget @ state + beta[t] * torch.outer(k[t], v[t])
            rows.append(q[t] @ state)
        outputs.append(torch.stack(rows))
    o = torch.cat(outputs, -1)
    out: Tensor = layer.out_proj(F.silu(layer.gate_proj(x[0])) * layer.norm(o))
    return out[None]


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_is_the_formula(rule: Rule) -> None:
    torch.manual_seed(0)
    layer = DeltaLayer(16, 2, 24, rule).double()
    x = torch.randn(1, 20, 16, dtype=torch.float64)
    torch.testing.assert_close(layer(x), reference(layer, x), atol=1e-12, rtol=1e-9)


def test_a_key_that_is_written_again_gives_its_last_value() -> None:
    """β and α at one, the same key three times: with the correction the last value, without it the sum."""
    x = torch.randn(1, 1, 8).repeat(1, 3, 1)
    found = {}
    for rule in RULES:
        torch.manual_seed(0)
        layer = DeltaLayer(8, 1, 8, rule)
        layer.q_proj = layer.k_proj
        layer.norm = torch.nn.Identity()  # type: ignore[assignment]
        for gate in (layer.write_proj, layer.keep_proj):
            torch.nn.init.zeros_(gate.weight)
            torch.nn.init.constant_(gate.bias, 50)
        found[rule] = layer(x)[0]  # [3, 8]
    once = found["gated"][0]
    torch.testing.assert_close(found["gated delta"], once.repeat(3, 1))
    torch.testing.assert_close(found["gated"], torch.arange(1, 4)[:, None] * once)
