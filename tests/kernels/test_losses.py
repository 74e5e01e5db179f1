"""Balance loss, z-loss and the bias rule."""

from __future__ import annotations

import pytest
import torch
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

import frontier_kernels as fk
from frontier_kernels import reference


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_balance_loss_equals_the_reference_and_transformers(top_k: int) -> None:
    logits = torch.randn(100, 8)
    experts = fk.route(logits, top_k).experts
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts), reference.load_balancing_loss(logits, experts)
    )
    theirs = load_balancing_loss_func((logits,), 8, top_k)
    torch.testing.assert_close(fk.load_balancing_loss(logits, experts, sum_over_top_k=True), theirs)


def test_balance_loss_leaves_masked_tokens_out() -> None:
    logits = torch.randn(60, 4)
    experts = fk.route(logits, 2).experts
    mask = torch.arange(60) < 40
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts, mask=mask), fk.load_balancing_loss(logits[:40], experts[:40])
    )
    theirs = load_balancing_loss_func((logits,), 4, 2, attention_mask=mask[None].long())
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts, mask=mask, sum_over_top_k=True), theirs
    )


def test_balance_loss_is_one_when_even_and_the_number_of_experts_when_collapsed() -> None:
    even = torch.eye(4).repeat(8, 1) * 30
    collapsed = torch.tensor([30.0, 0, 0, 0]).expand(32, 4)
    for logits, wanted in ((even, 1.0), (collapsed, 4.0)):
        assert fk.load_balancing_loss(logits, fk.route(logits, 1).experts).item() == pytest.approx(
            wanted, rel=1e-5
        )


def test_balance_loss_sends_its_gradient_through_the_probabilities() -> None:
    logits = torch.randn(50, 6, dtype=torch.float64, requires_grad=True)
    experts = fk.route(logits, 2).experts
    assert torch.autograd.gradcheck(lambda z: fk.load_balancing_loss(z, experts), (logits,))


def test_z_loss_is_the_mean_squared_log_partition() -> None:
    logits = torch.randn(20, 5)
    torch.testing.assert_close(fk.router_z_loss(logits), logits.exp().sum(-1).log().square().mean())
    assert fk.router_z_loss(torch.empty(0, 5)).item() == 0


def test_bias_rule_balances_a_skewed_router() -> None:
    logits = torch.randn(2000, 8) + torch.linspace(0, 2, 8)
    bias = torch.zeros(8)
    for _ in range(300):
        bias = fk.update_expert_bias(bias, fk.route(logits, 2, expert_bias=bias).demand, update_rate=5e-3)
    before = fk.route(logits, 2).demand.float()
    after = fk.route(logits, 2, expert_bias=bias).demand.float()
    assert before.max() > 1.8 * before.mean()
    assert after.max() < 1.1 * after.mean()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"experts: got shape \(3, 2\), wanted \[5, top_k\]"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"mask: got shape \(4,\)"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.zeros(5, 2, dtype=torch.int64), mask=torch.ones(4))
    with pytest.raises(ValueError, match="logits: got shape"):
        fk.router_z_loss(torch.randn(4))
    with pytest.raises(ValueError, match="demand: got shape"):
        fk.update_expert_bias(torch.zeros(4), torch.zeros(5))
