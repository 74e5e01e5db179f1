"""Parity with code that is not ours: transformers' sparse blocks and balance loss, on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from numerics import relative_error
from torch import Tensor, nn
from transformers import (
    DeepseekV3Config,
    Gemma4TextConfig,
    GptOssConfig,
    MixtralConfig,
    NemotronHConfig,
    Qwen3MoeConfig,
)
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.gemma4.modeling_gemma4 import Gemma4TextExperts
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func as mixtral_loss
from transformers.models.nemotron_h.modeling_nemotron_h import NemotronHExperts
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock
from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func as qwen_loss

import frontier_kernels as fk

WIDTH, HIDDEN, EXPERTS = 24, 20, 8
BOUND = 1e-5
"""Relative root mean square, in float32."""
Pair = tuple[nn.Module, fk.MoELayer]


def at_unit_scale(block: nn.Module) -> nn.Module:
    """Draw every matrix so that unit inputs give unit outputs, and no router is near a tie."""
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return block


def mixtral(top_k: int) -> Pair:
    """Mixtral: softmax over all experts, the k best renormalised."""
    config = MixtralConfig(
        hidden_size=WIDTH, intermediate_size=HIDDEN, num_local_experts=EXPERTS, num_experts_per_tok=top_k
    )
    block = at_unit_scale(MixtralSparseMoeBlock(config))
    experts = block.experts
    layer = fk.MoELayer.from_mixtral(block.gate.weight, experts.gate_up_proj, experts.down_proj, top_k)
    return block, layer


def qwen(top_k: int, norm_topk_prob: bool) -> Pair:
    """Qwen3-MoE: the same layout; whether weights are renormalised is an option."""
    config = Qwen3MoeConfig(
        hidden_size=WIDTH,
        moe_intermediate_size=HIDDEN,
        num_experts=EXPERTS,
        num_experts_per_tok=top_k,
        norm_topk_prob=norm_topk_prob,
    )
    block = at_unit_scale(Qwen3MoeSparseMoeBlock(config))
    experts = block.experts
    layer = fk.MoELayer.from_mixtral(
        block.gate.weight, experts.gate_up_proj, experts.down_proj, top_k, renormalize=norm_topk_prob
    )
    return block, layer


def deepseek(top_k: int, groups: int, open_groups: int, shared: int, norm_topk_prob: bool = True) -> Pair:
    """DeepSeek-V3: sigmoid scores, a bias for the choice, groups, a scaling factor and shared experts."""
    config = DeepseekV3Config(
        hidden_size=WIDTH,
        moe_intermediate_size=HIDDEN,
        n_routed_experts=EXPERTS,
        num_experts_per_tok=top_k,
        n_shared_experts=shared,
        n_group=groups,
        topk_group=open_groups,
        norm_topk_prob=norm_topk_prob,
        routed_scaling_factor=2.5,
    )
    block = at_unit_scale(DeepseekV3MoE(config))
    nn.init.normal_(block.gate.e_score_correction_bias, std=0.1)
    layer = fk.MoELayer(
        WIDTH,
        EXPERTS,
        top_k,
        HIDDEN,
        activation="swiglu",
        bias=False,
        shared_experts=shared,
        scoring="sigmoid",
        renormalize=norm_topk_prob,
        expert_bias=True,
        num_groups=groups,
        top_k_groups=open_groups,
        routed_scaling_factor=2.5,
    )
    # Their shared experts are one network of width S H; ours are S of width H, whose outputs add up.
    theirs = block.shared_experts
    gate = theirs.gate_proj.weight.reshape(shared, HIDDEN, WIDTH)
    up = theirs.up_proj.weight.reshape(shared, HIDDEN, WIDTH)
    down = theirs.down_proj.weight.reshape(WIDTH, shared, HIDDEN).transpose(0, 1)
    with torch.no_grad():
        layer.gate.weight.copy_(block.gate.weight)
        layer.w_in.copy_(torch.cat([block.experts.gate_up_proj, torch.cat([gate, up], 1)]))
        layer.w_out.copy_(torch.cat([block.experts.down_proj, down]))
        assert layer.expert_bias is not None
        layer.expert_bias.copy_(block.gate.e_score_correction_bias)
    return block, layer


BLOCKS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mixtral, k 1": (mixtral, (1,)),
    "mixtral, k 2": (mixtral, (2,)),
    "mixtral, every expert": (mixtral, (EXPERTS,)),
    "qwen3, renormalised": (qwen, (3, True)),
    "qwen3, as they are": (qwen, (3, False)),
    "deepseek-v3, four groups": (deepseek, (3, 4, 2, 1)),
    "deepseek-v3, two shared": (deepseek, (2, 2, 1, 2)),
    "deepseek-v3, no groups": (deepseek, (4, 1, 1, 1, False)),
}


@pytest.fixture(params=BLOCKS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Their block and our layer with its weights."""
    build, arguments = BLOCKS[request.param]
    result: Pair = build(*arguments)
    return result


def by_expert(experts: Tensor, weights: Tensor) -> Tensor:
    """Weights by expert, ``[T, E]``, whatever order a token's experts come in; NaN where it has none."""
    return torch.full((experts.shape[0], EXPERTS), torch.nan).scatter(1, experts, weights)


def test_routing_is_theirs(pair: Pair) -> None:
    block, layer = pair
    x = torch.randn(200, WIDTH)
    logits, weights, experts = block.gate(x)
    layer(x)
    assert layer.routing is not None
    assert layer.router_logits is not None
    assert relative_error(layer.router_logits, logits) <= BOUND
    assert torch.equal(layer.routing.experts.sort(-1).values, experts.sort(-1).values)
    ours, theirs = by_expert(layer.routing.experts, layer.routing.weights), by_expert(experts, weights)
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert relative_error(ours.nan_to_num(), theirs.nan_to_num()) <= BOUND
    # Best first, by the score that chose them: DeepSeek's own order is open, so this is ours alone.
    if layer.expert_bias is None:
        assert (layer.routing.weights.diff(dim=-1) <= 0).all()


def test_output_and_gradients_are_theirs(pair: Pair) -> None:
    block, layer = pair
    x = torch.randn(3, 50, WIDTH, requires_grad=True)
    ours, theirs = layer(x), block(x)
    assert theirs.square().mean().sqrt() > 0.1  # else a relative error says nothing
    assert relative_error(ours, theirs) <= BOUND
    grad = torch.randn_like(ours)
    leaves = [block.gate.weight, block.experts.gate_up_proj, block.experts.down_proj]
    wanted = torch.autograd.grad(theirs, [x, *leaves], grad)
    got = torch.autograd.grad(ours, [x, layer.gate.weight, layer.w_in, layer.w_out], grad)
    routed = [got[0], got[1], got[2][:EXPERTS], got[3][:EXPERTS]]
    for name, g, w in zip(("x", "gate", "w_in", "w_out"), routed, wanted, strict=True):
        if w.abs().max() > 1e-4:
            assert relative_error(g, w) <= BOUND, name
        else:
            # One expert of k = 1 weighs one whatever its logit: there is nothing but rounding to compare.
            assert g.abs().max() <= 1e-5, name


def test_gradients_of_shared_experts_are_theirs() -> None:
    block, layer = deepseek(2, 4, 2, 2)
    x = torch.randn(90, WIDTH)
    theirs = block.shared_experts
    grad = torch.randn(90, WIDTH)
    gate, up, down = torch.autograd.grad(
        block(x[None]), [theirs.gate_proj.weight, theirs.up_proj.weight, theirs.down_proj.weight], grad[None]
    )
    w_in, w_out = torch.autograd.grad(layer(x), [layer.w_in, layer.w_out], grad)
    ours_gate, ours_up = w_in[EXPERTS:].chunk(2, 1)
    assert relative_error(ours_gate.reshape(-1, WIDTH), gate) <= BOUND
    assert relative_error(ours_up.reshape(-1, WIDTH), up) <= BOUND
    assert relative_error(w_out[EXPERTS:].transpose(1, 2).reshape(-1, WIDTH), down.t()) <= BOUND


def gpt_oss() -> nn.Module:
    return GptOssExperts(GptOssConfig(hidden_size=WIDTH, intermediate_size=HIDDEN, num_local_experts=EXPERTS))


def nemotron_h() -> nn.Module:
    return NemotronHExperts(
        NemotronHConfig(hidden_size=WIDTH, moe_intermediate_size=HIDDEN, n_routed_experts=EXPERTS)
    )


def gemma4() -> nn.Module:
    return Gemma4TextExperts(
        Gemma4TextConfig(hidden_size=WIDTH, moe_intermediate_size=HIDDEN, num_experts=EXPERTS)
    )


def in_our_layout(experts: nn.Module) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """``w_in``, ``w_out``, ``b_in``, ``b_out`` of experts, differentiable.

    gpt-oss keeps ``[E, D, 2H]`` and ``[E, H, D]``, the gate in even columns, the other half in odd ones.
    """
    if isinstance(experts, GptOssExperts):
        w_in, b_in = experts.gate_up_proj.mT, experts.gate_up_proj_bias  # [E, 2H, D], [E, 2H]
        w_in, b_in = (torch.cat([t[:, ::2], t[:, 1::2]], 1) for t in (w_in, b_in))
        return w_in, experts.down_proj.mT, b_in, experts.down_proj_bias
    w_in = experts.up_proj if isinstance(experts, NemotronHExperts) else experts.gate_up_proj
    return w_in, experts.down_proj, None, None


@pytest.mark.parametrize(
    ("build", "activation"), [(gpt_oss, "swiglu_oai"), (nemotron_h, "relu2"), (gemma4, "geglu_tanh")]
)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_experts_with_other_activations_are_theirs(
    build: Callable[[], nn.Module], activation: fk.activations.Activation, scale: float
) -> None:
    """Outputs and every gradient; at scale 4 the pre-activations pass gpt-oss's limits."""
    experts = build()
    for name, parameter in experts.named_parameters():
        rows = parameter.shape[1] if isinstance(experts, GptOssExperts) else parameter.shape[-1]
        nn.init.normal_(parameter, std=1.0 if name.endswith("bias") else scale * rows**-0.5)
    x = torch.randn(90, WIDTH, requires_grad=True)
    routing = fk.route(torch.randn(90, EXPERTS), 3)
    theirs = experts(x, routing.experts, routing.weights)
    ours = fk.moe_mlp(x, routing, *in_our_layout(experts), activation=activation)
    assert relative_error(ours, theirs) <= BOUND
    leaves, grad = [x, *experts.parameters()], torch.randn_like(theirs)
    got, wanted = (torch.autograd.grad(y, leaves, grad) for y in (ours, theirs))
    for g, w in zip(got, wanted, strict=True):
        assert relative_error(g, w) <= BOUND


@pytest.mark.parametrize("theirs", [mixtral_loss, qwen_loss], ids=["mixtral", "qwen3"])
@pytest.mark.parametrize("top_k", [1, 2, EXPERTS])
@pytest.mark.parametrize("masked", [False, True])
def test_balance_loss_and_its_gradient_are_theirs(theirs: Any, top_k: int, masked: bool) -> None:
    logits = (2 * torch.randn(4 * 25, EXPERTS)).requires_grad_()
    mask = (torch.arange(25) < torch.tensor([25, 20, 7, 1])[:, None]).long() if masked else None
    wanted = theirs((logits,), EXPERTS, top_k, attention_mask=mask)
    experts = fk.route(logits, top_k).experts
    loss = fk.load_balancing_loss(
        logits, experts, mask=None if mask is None else mask.flatten(), sum_over_top_k=True
    )
    torch.testing.assert_close(loss, wanted, rtol=BOUND, atol=0)
    (got,), (truth,) = (torch.autograd.grad(value, logits) for value in (loss, wanted))
    if top_k < EXPERTS:
        assert truth.abs().max() > 1e-5
        assert relative_error(got, truth) <= BOUND
    else:
        # Every expert serves every token: the probabilities sum to one, and there is nothing to learn.
        assert got.abs().max() <= 1e-6


def test_balance_loss_of_several_layers_is_that_of_their_tokens_together() -> None:
    layers = [torch.randn(60, EXPERTS) for _ in range(3)]
    pooled = mixtral_loss(tuple(layers), EXPERTS, 2)
    stacked = torch.cat(layers)
    ours = fk.load_balancing_loss(stacked, fk.route(stacked, 2).experts, sum_over_top_k=True)
    torch.testing.assert_close(ours, pooled, rtol=BOUND, atol=0)
