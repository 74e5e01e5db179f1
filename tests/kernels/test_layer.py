"""MoELayer against the chapter's printed layer and transformers' Mixtral block, on the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

import frontier_kernels as fk


def printed_layer(gate: nn.Linear, experts: list[nn.Sequential], x: torch.Tensor, top_k: int) -> torch.Tensor:
    """The double loop of the source chapter, on given modules: ``[T, D]`` to ``[T, D]``."""
    probability, chosen = gate(x).softmax(-1).topk(top_k)
    probability = probability / probability.sum(-1, keepdim=True)
    output = torch.zeros_like(x)
    for j in range(top_k):
        for e, expert in enumerate(experts):
            mask = chosen[:, j] == e
            if mask.any():
                output[mask] += probability[mask, j, None] * expert(x[mask])
    return output


def test_layer_equals_the_chapters_double_loop() -> None:
    gate = nn.Linear(24, 6, bias=False)
    experts = [nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 24)) for _ in range(6)]
    layer = fk.MoELayer.from_modules(gate, experts, top_k=2)
    x = torch.randn(3, 17, 24)
    torch.testing.assert_close(
        layer(x).reshape(-1, 24), printed_layer(gate, experts, x.reshape(-1, 24), 2), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layer_equals_transformers_mixtral_block_with_gradients(dtype: torch.dtype) -> None:
    config = MixtralConfig(hidden_size=16, intermediate_size=12, num_local_experts=5, num_experts_per_tok=2)
    block = MixtralSparseMoeBlock(config).to(dtype)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    layer = fk.MoELayer.from_mixtral(block.gate.weight, block.experts.gate_up_proj, block.experts.down_proj)
    x = torch.randn(2, 30, 16, dtype=dtype)
    ours, theirs = layer(x), block(x)
    # transformers keeps the routing weights in float32 even for float64 input.
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(layer.gate.weight.grad, block.gate.weight.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.w_in.grad, block.experts.gate_up_proj.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.w_out.grad, block.experts.down_proj.grad, rtol=1e-3, atol=1e-4)


def test_layer_takes_input_that_view_would_refuse() -> None:
    layer = fk.MoELayer(8, num_experts=4, expert_hidden_size=6)
    x = torch.randn(5, 3, 8).transpose(0, 1)
    assert not x.is_contiguous()
    torch.testing.assert_close(layer(x), layer(x.contiguous()))


def test_layer_shows_its_last_routing() -> None:
    layer = fk.MoELayer(8, num_experts=4, top_k=1, expert_hidden_size=6, capacity_factor=0.5)
    layer(torch.randn(16, 8))
    assert layer.routing is not None
    assert layer.router_logits is not None
    assert layer.routing.counts.max() <= 2
    fk.load_balancing_loss(layer.router_logits, layer.routing.experts).backward()
    assert layer.gate.weight.grad is not None


def test_layer_trains_in_bfloat16() -> None:
    layer = fk.MoELayer(16, num_experts=4, expert_hidden_size=8, activation="swiglu", bias=False).bfloat16()
    layer(torch.randn(10, 16).bfloat16()).float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def expert(activation: nn.Module, *, bias: bool = True) -> nn.Sequential:
    """One expert of width 4, as the chapter builds it when the activation is ``nn.GELU()``."""
    return nn.Sequential(nn.Linear(4, 6, bias=bias), activation, nn.Linear(6, 4))


def test_from_modules_names_a_gate_that_does_not_fit() -> None:
    experts = [expert(nn.GELU()) for _ in range(3)]
    with pytest.raises(ValueError, match="gate: got 2 outputs, wanted 3"):
        fk.MoELayer.from_modules(nn.Linear(4, 2, bias=False), experts)
    with pytest.raises(ValueError, match="gate: got one with a bias"):
        fk.MoELayer.from_modules(nn.Linear(4, 3), experts)


@pytest.mark.parametrize(
    "other",
    [
        expert(nn.ReLU()),
        expert(nn.GELU(approximate="tanh")),
        expert(nn.GELU(), bias=False),
        nn.Sequential(nn.Linear(4, 4)),
        nn.Sequential(*expert(nn.GELU()), nn.Dropout(0.5)),
    ],
    ids=["relu", "tanh", "no bias", "too short", "too long"],
)
def test_from_modules_refuses_an_expert_that_computes_something_else(other: nn.Sequential) -> None:
    with pytest.raises(
        ValueError, match=r"experts: got Sequential\([\s\S]*wanted Sequential\(Linear, GELU, Linear\)"
    ):
        fk.MoELayer.from_modules(nn.Linear(4, 2, bias=False), [expert(nn.GELU()), other])
