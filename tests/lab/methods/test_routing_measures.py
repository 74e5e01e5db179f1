"""Routing in numbers: every measure at points where its value is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import MixtralConfig, MixtralForCausalLM
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from frontier_lab import hub
from frontier_lab.methods import routing


def even(experts: int, rounds: int = 5) -> Tensor:
    """Logits of ``experts · rounds`` tokens that visit the experts in turn, certain of their choice."""
    return 40 * torch.eye(experts).repeat(rounds, 1)


def collapsed(experts: int, tokens: int = 20) -> Tensor:
    """Logits of tokens that all are certain of expert 0."""
    return 40 * torch.eye(experts)[0].expand(tokens, experts)


def printed_loss(router_probs: Tensor, num_experts: int) -> Tensor:
    """The source chapter's balance loss, as printed."""
    expert_usage = router_probs.mean(dim=0)
    target = torch.ones_like(expert_usage) / num_experts
    return torch.nn.functional.mse_loss(expert_usage, target)


@pytest.mark.parametrize("experts", [2, 4, 8, 64])
def test_switch_loss_is_one_at_balance_and_the_number_of_experts_at_collapse(experts: int) -> None:
    assert routing.switch_loss(even(experts), 1).item() == pytest.approx(1, rel=1e-5)
    assert routing.switch_loss(collapsed(experts), 1).item() == pytest.approx(experts, rel=1e-5)


@pytest.mark.parametrize("top_k", [1, 2, 3, 6])
def test_switch_loss_is_one_for_uniform_probabilities_whatever_the_load(top_k: int) -> None:
    # Equal logits: top-k sends every token to the same k experts, and P is 1/E everywhere.
    assert routing.switch_loss(torch.zeros(9, 6), top_k).item() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_switch_loss_is_transformers_up_to_its_factor_k(top_k: int) -> None:
    logits = torch.randn(200, 8)
    theirs = load_balancing_loss_func((logits,), 8, top_k)
    torch.testing.assert_close(theirs, top_k * routing.switch_loss(logits, top_k))


def test_transformers_pools_the_layers_so_that_opposite_collapses_cancel_out() -> None:
    # Layer j sends everything to expert j: each collapsed, together even.
    layers = torch.stack([40 * torch.eye(4)[j].expand(10, 4) for j in range(4)])
    assert load_balancing_loss_func(tuple(layers), 4, 1).item() == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(routing.switch_loss(layers, 1), torch.full((4,), 4.0))


def test_switch_loss_of_layers_is_that_of_each() -> None:
    layers = torch.randn(3, 50, 6)
    each = torch.stack([routing.switch_loss(layer, 2) for layer in layers])
    torch.testing.assert_close(routing.switch_loss(layers, 2), each)


def test_switch_loss_pushes_the_busy_experts_probability_down() -> None:
    logits = (torch.randn(100, 4) + torch.tensor([2.0, 0, 0, 0])).requires_grad_()
    routing.switch_loss(logits, 1).backward()
    assert logits.grad is not None
    assert logits.grad.sum(0)[0] > 0
    assert (logits.grad.sum(0)[1:] < 0).all()


def test_the_printed_loss_is_blind_to_collapse() -> None:
    # Every token prefers expert 0 by a hair: all of them go there, and the printed loss sees nothing.
    experts, tokens = 4, 1000
    probability = torch.tensor([0.26, 0.74 / 3, 0.74 / 3, 0.74 / 3]).expand(tokens, experts)
    logits = probability.log()
    assert routing.load(logits, 1).tolist() == [1, 0, 0, 0]
    assert printed_loss(probability, experts).item() < 1e-4
    # A router whose choice is perfectly even has the same printed loss, to four digits.
    assert printed_loss(even(experts).softmax(-1), experts).item() < 1e-4
    assert routing.switch_loss(logits, 1).item() == pytest.approx(4 * 0.26, rel=1e-5)
    assert routing.coefficient_of_variation(routing.load(logits, 1)).item() == pytest.approx(math.sqrt(3))


def test_the_scale_of_the_printed_loss_shrinks_with_the_experts() -> None:
    for experts in (4, 8, 64):
        total = printed_loss(collapsed(experts).softmax(-1), experts).item()
        assert total == pytest.approx((experts - 1) / experts**2, rel=1e-5)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_load_counts_assignments_and_sums_to_one(top_k: int) -> None:
    logits = torch.randn(3, 40, 8)
    load = routing.load(logits, top_k)
    assert load.shape == (3, 8)
    torch.testing.assert_close(load.sum(-1), torch.ones(3))
    chosen = logits[1].topk(top_k).indices
    wanted = torch.bincount(chosen.flatten(), minlength=8) / (40 * top_k)
    torch.testing.assert_close(load[1], wanted)


@pytest.mark.parametrize("experts", [2, 5, 8])
def test_variation_and_effective_experts_at_their_ends(experts: int) -> None:
    uniform, single = torch.full((experts,), 1 / experts), torch.eye(experts)[0]
    assert routing.coefficient_of_variation(uniform).item() == pytest.approx(0, abs=1e-6)
    assert routing.coefficient_of_variation(single).item() == pytest.approx(math.sqrt(experts - 1), rel=1e-5)
    assert routing.effective_experts(uniform).item() == pytest.approx(experts, rel=1e-5)
    assert routing.effective_experts(single).item() == pytest.approx(1)
    half = torch.zeros(2 * experts).index_fill(0, torch.arange(experts), 1 / experts)
    assert routing.effective_experts(half).item() == pytest.approx(experts, rel=1e-5)


def test_language_loss_is_transformers_own() -> None:
    model = MixtralForCausalLM(tiny()).eval()
    ids = torch.randint(0, 50, (3, 12))
    out = model(input_ids=ids, labels=ids)
    torch.testing.assert_close(routing.language_loss(out.logits, ids), out.loss)


def tiny() -> MixtralConfig:
    """A Mixtral of two layers, untrained."""
    return MixtralConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=4,
        num_experts_per_tok=2,
    )


def test_router_logits_are_the_gates_of_every_layer() -> None:
    model = MixtralForCausalLM(tiny()).eval()
    seen: list[Tensor] = []
    for layer in model.model.layers:
        layer.mlp.gate.register_forward_hook(
            lambda gate, inputs, output: seen.append(
                inputs[0].detach().reshape(-1, 16) @ gate.weight.detach().T
            )
        )
    ids = torch.randint(0, 50, (3, 7))
    logits = routing.router_logits(model, ids)
    assert logits.shape == (2, 21, 4)
    assert not logits.requires_grad
    torch.testing.assert_close(logits, torch.stack(seen))


def test_specialisation_of_experts_that_know_the_class_is_the_entropy_of_the_classes() -> None:
    classes = ["a", "b", "c", "d"] * 50
    found = routing.specialisation(even(4, 50), classes, 1)
    assert found.information == pytest.approx(2)
    assert found.ceiling == pytest.approx(2)
    assert found.baseline + 5 * found.spread < 0.2


def test_specialisation_of_experts_that_know_nothing_is_the_baseline() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2000, 8, generator=generator)
    classes = torch.randint(0, 3, (2000,), generator=generator).tolist()
    found = routing.specialisation(logits, classes, 2)
    assert found.information == pytest.approx(found.baseline, abs=4 * found.spread)
    # Chance alone gives about (E - 1)(C - 1) / (2 n ln 2) bits over n = 4000 assignments (Miller, 1955).
    assert found.baseline == pytest.approx(7 * 2 / (2 * 4000 * math.log(2)), rel=0.3)


def test_specialisation_is_zero_for_a_collapsed_router_and_the_same_twice() -> None:
    classes = ["x", "y"] * 10
    assert routing.specialisation(collapsed(4), classes, 1).information == pytest.approx(0, abs=1e-12)
    logits = torch.randn(20, 4)
    assert routing.specialisation(logits, classes, 1) == routing.specialisation(logits, classes, 1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"logits: got shape \(4,\), wanted \[\.\.\., tokens, experts\]"):
        routing.load(torch.zeros(4), 1)
    with pytest.raises(ValueError, match=r"top_k: got 5, wanted 1 to 4"):
        routing.switch_loss(torch.zeros(3, 4), 5)
    with pytest.raises(ValueError, match=r"classes: got shape \(2,\), wanted \[3\], one label a token"):
        routing.specialisation(torch.zeros(3, 4), ["a", "b"], 1)
    with pytest.raises(
        ValueError, match=r"logits: got shape \(2, 3, 4\), wanted \[tokens, experts\] of one layer"
    ):
        routing.specialisation(torch.zeros(2, 3, 4), ["a", "b", "c"], 1)


def test_an_expert_that_is_switched_off_is_chosen_by_no_token_and_comes_back() -> None:
    model = hub.load(hub.path("mistralai/Mixtral-8x7B-v0.1"))
    ids = torch.arange(40, 72)[None]
    chosen: list[torch.Tensor] = []
    experts = model.model.layers[1].mlp.experts
    handle = experts.register_forward_pre_hook(lambda _module, given: chosen.append(given[1]))
    with torch.no_grad():
        before = model(ids).logits
        expert = int(chosen[0][0, 0])
        with routing.without_expert(model, 1, expert):
            without = model(ids).logits
        after = model(ids).logits
    handle.remove()
    assert not (chosen[1] == expert).any()
    assert torch.equal(before, after)
    assert not torch.allclose(before, without)
    for layer, unknown in ((4, 0), (0, 8)):
        with pytest.raises(ValueError, match="wanted 0 to"), routing.without_expert(model, layer, unknown):
            pass


def test_the_ablation_is_the_change_of_each_windows_own_loss() -> None:
    model = hub.load(hub.path("mistralai/Mixtral-8x7B-v0.1"))
    ids = torch.arange(40, 136).view(3, 32)
    whole, found = routing.expert_ablation(model, ids)
    with torch.no_grad():
        each = torch.stack([routing.language_loss(model(row[None]).logits, row[None]) for row in ids])
        with routing.without_expert(model, 2, 5):
            off = torch.stack([routing.language_loss(model(row[None]).logits, row[None]) for row in ids])
    assert found.shape == (4, 8, 2)
    assert whole == pytest.approx(each.mean().item(), abs=1e-5)
    assert found[2, 5, 0].item() == pytest.approx((off - each).mean().item(), abs=1e-5)
    assert found[2, 5, 1].item() == pytest.approx((off - each).std().item() / 3**0.5, abs=1e-5)
    with pytest.raises(ValueError, match=r"ids: got shape \(1, 32\), wanted \[windows, tokens\]"):
        routing.expert_ablation(model, ids[:1])
