"""Preference losses against what they are derived from: counted by hand, by enumeration, and by gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from frontier_lab.methods import preference


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=7, n_positions=8, n_embd=8, n_layer=1, n_head=2, resid_pdrop=0.0)
    return GPT2LMHeadModel(config).double().eval()


def test_the_log_prob_of_a_response_is_the_sum_over_its_tokens(model: GPT2LMHeadModel) -> None:
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 1, 0]])
    mask = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]])
    found = preference.log_prob(model, ids, mask)
    for row in range(2):
        logits = model(input_ids=ids[row : row + 1]).logits[0].log_softmax(-1)
        wanted = sum(logits[at - 1, ids[row, at]] for at in range(1, 4) if mask[row, at])
        assert found[row].item() == pytest.approx(float(wanted))


def test_all_responses_of_one_length_have_probability_one_together(model: GPT2LMHeadModel) -> None:
    rows = torch.cartesian_prod(torch.tensor([3]), torch.arange(7), torch.arange(7))
    mask = torch.tensor([[0, 1, 1]]).expand(len(rows), -1)
    assert preference.log_prob(model, rows, mask).exp().sum().item() == pytest.approx(1)


def test_padding_behind_a_response_changes_nothing(model: GPT2LMHeadModel) -> None:
    short, long = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 3, 0, 6]])
    masks = torch.tensor([[0, 1, 1]]), torch.tensor([[0, 1, 1, 0, 0]])
    one, other = (
        preference.log_prob(model, ids, mask) for ids, mask in zip((short, long), masks, strict=True)
    )
    assert one.item() == pytest.approx(other.item())


def test_dpo_begins_at_the_log_of_two_and_falls_with_the_margin() -> None:
    policy = torch.tensor([-3.0, -5.0])
    loss = preference.dpo_loss(policy, policy - 1, policy, policy - 1, beta=0.1)
    assert loss.item() == pytest.approx(math.log(2))
    margin = torch.tensor([2.0, 4.0])
    moved = preference.dpo_loss(policy + margin, policy - 1, policy, policy - 1, beta=0.5)
    assert moved.item() == pytest.approx(float(torch.log1p(torch.exp(-0.5 * margin)).mean()))


def test_the_optimum_of_a_priced_reward_has_that_reward_implied() -> None:
    reference = torch.tensor([0.5, 0.3, 0.2]).log()
    rewards, beta = torch.tensor([0.0, 1.0, 3.0]), 0.7
    optimum = (reference + rewards / beta).log_softmax(-1)
    implied = preference.implied_reward(optimum, reference, beta)
    assert torch.allclose(implied - implied[0], rewards, atol=1e-5)


def test_dpo_on_every_pair_finds_the_optimum_of_the_reward() -> None:
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    rewards, beta = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 0.7
    pairs = torch.combinations(torch.arange(3))
    prefers = torch.sigmoid(rewards[pairs[:, 0]] - rewards[pairs[:, 1]])  # Bradley and Terry's
    logits = reference.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([logits], max_iter=200)

    def step() -> Tensor:
        optimizer.zero_grad()
        policy = logits.log_softmax(-1)
        loss = torch.zeros((), dtype=torch.float64)
        for share, (one, other) in zip(prefers.tolist(), pairs.tolist(), strict=True):
            for weight, (yes, no) in ((share, (one, other)), (1 - share, (other, one))):
                rows = policy[[yes]], policy[[no]], reference[[yes]], reference[[no]]
                loss = loss + weight * preference.dpo_loss(*rows, beta)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    wanted = (reference + rewards / beta).log_softmax(-1)
    assert torch.allclose(logits.detach().log_softmax(-1), wanted, atol=1e-4)


def test_an_advantage_is_over_the_other_responses() -> None:
    found = preference.rloo_advantages(torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]))
    assert found.tolist() == [[-3.0, -1.5, 4.5], [-1.5, -1.5, 3.0]]
    assert found.sum(1).tolist() == pytest.approx([0, 0])


def test_the_mean_gradient_of_rloo_is_the_gradient_of_the_expected_reward() -> None:
    logits = torch.tensor([0.2, -0.4, 0.7], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    reference = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    beta = 0.3

    def expected() -> Tensor:
        policy = logits.log_softmax(-1)
        return (policy.exp() * (rewards - beta * (policy - reference))).sum()

    (wanted,) = torch.autograd.grad(expected(), logits)
    total = torch.zeros(3, dtype=torch.float64)
    for one in range(3):
        for other in range(3):
            policy = logits.log_softmax(-1)
            drawn = torch.tensor([[one, other]])
            loss = preference.rloo_loss(policy[drawn], rewards[drawn], reference[drawn], beta)
            (gradient,) = torch.autograd.grad(loss, logits)
            total -= gradient * (policy[one] + policy[other]).exp().detach()
    assert torch.allclose(total, wanted, atol=1e-9)


def test_the_mean_estimate_is_the_divergence() -> None:
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    estimates = preference.divergence(policy.log(), reference.log())
    wanted = (policy * (policy / reference).log()).sum()
    assert (policy * estimates).sum().item() == pytest.approx(wanted.item())
    assert estimates.min() < 0


def test_what_does_not_fit_is_refused(model: GPT2LMHeadModel) -> None:
    ids = torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match="mask: got shape"):
        preference.log_prob(model, ids, torch.tensor([[1]]))
    with pytest.raises(ValueError, match="wanted a prompt before"):
        preference.log_prob(model, ids, torch.tensor([[1, 1]]))
    with pytest.raises(ValueError, match="beta"):
        preference.implied_reward(torch.zeros(1), torch.zeros(1), 0.0)
    with pytest.raises(ValueError, match="two responses or more"):
        preference.rloo_advantages(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="rewards: got shape"):
        preference.rloo_loss(torch.zeros(2, 2), torch.zeros(2, 3), torch.zeros(2, 2), 0.1)
