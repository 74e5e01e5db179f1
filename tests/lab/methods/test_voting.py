"""Votes, averages and stacking at points where their outcome is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from frontier_lab.methods import voting

# Two hesitant models choose class 1, a sure one chooses class 0.
SPLIT = torch.tensor([[[0.4, 0.6]], [[0.4, 0.6]], [[0.95, 0.05]]])


def test_soft_voting_follows_the_sure_model_and_majority_voting_the_many() -> None:
    assert voting.soft_vote(SPLIT).tolist() == [0]
    assert voting.majority_vote(SPLIT).tolist() == [1]


def test_a_tie_goes_to_the_higher_probability() -> None:
    three = torch.tensor([[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.3, 0.3, 0.4]]])
    assert voting.majority_vote(three).tolist() == [1]


def test_a_tie_is_seen_and_a_majority_of_one_is_none() -> None:
    three = torch.tensor([[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.3, 0.3, 0.4]]])
    assert voting.tied(three).tolist() == [True]
    assert voting.tied(SPLIT).tolist() == [False]
    two_pairs = torch.eye(3)[[0, 0, 1, 1]].unsqueeze(1)  # [4, 1, 3]
    assert voting.tied(two_pairs).tolist() == [True]
    assert voting.tied(two_pairs[:3]).tolist() == [False]


def test_models_that_agree_do_not_differ_and_opposites_do() -> None:
    same = torch.eye(2).expand(3, 2, 2)
    assert voting.disagreement(same) == 0
    assert voting.disagreement(torch.stack([torch.eye(2), torch.eye(2).flip(0)])) == 1
    assert voting.disagreement(SPLIT) == pytest.approx(2 / 3)
    assert torch.equal(voting.soft_vote(same), voting.majority_vote(same))


def test_accuracy_counts() -> None:
    assert voting.accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])) == 0.75


def test_bad_arguments_are_named() -> None:
    with pytest.raises(
        ValueError, match=r"probabilities: got shape \(2, 3\), wanted \[models, examples, classes"
    ):
        voting.soft_vote(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="probabilities: got one model, wanted at least two"):
        voting.disagreement(torch.zeros(1, 2, 3))


def drawn(seed: int, models: int, examples: int = 40, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities ``[M, N, C]`` and labels ``[N]`` at random."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(models, examples, classes, generator=generator)
    return logits.softmax(-1), torch.randint(classes, (examples,), generator=generator)


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_neither_average_is_worse_than_the_mean_model_on_any_example(seed: int, models: int) -> None:
    """Jensen; of the logarithmic one, that geometric means sum to 1 at most."""
    probabilities, labels = drawn(seed, models)
    mean = voting.nll(probabilities, labels).mean(0)
    for rule in (voting.average, voting.log_average):
        found = rule(probabilities)
        assert found.sum(-1) == pytest.approx(torch.ones(len(labels)), abs=1e-5)
        assert (voting.nll(found, labels) <= mean + 1e-5).all()


def test_the_log_average_is_the_softmax_of_the_mean_logits_and_lets_one_model_exclude() -> None:
    logits = torch.randn(3, 20, 4, generator=torch.Generator().manual_seed(0))
    found = voting.log_average(logits.softmax(-1))
    assert torch.allclose(found, logits.mean(0).softmax(-1), atol=1e-6)
    one_excludes = torch.tensor([[[0.9, 0.1]], [[0.0, 1.0]]])
    assert voting.soft_vote(one_excludes).tolist() == [1]
    sure = torch.tensor([[[0.999, 0.001]], [[0.999, 0.001]], [[1e-9, 1 - 1e-9]]])
    assert voting.average(sure)[0, 0] > 0.6
    assert voting.log_average(sure)[0, 0] < 0.55


def test_a_single_model_is_its_own_average() -> None:
    probabilities, _ = drawn(3, 1)
    assert torch.equal(voting.average(probabilities), probabilities[0])
    assert torch.allclose(voting.log_average(probabilities), probabilities[0], atol=1e-6)


def test_stacking_finds_the_model_that_knows_and_its_wrong_names() -> None:
    """One model is noise, the other is right about classes that it calls by each other's names."""
    _, labels = drawn(0, 1, examples=600, classes=3)
    noise, _ = drawn(1, 1, examples=600, classes=3)
    knows = 0.9 * torch.nn.functional.one_hot((labels + 1) % 3, 3) + 0.1 / 3
    models = torch.stack([noise[0], knows])
    found = voting.stacked(voting.stacking(models[:, :300], labels[:300], 1.0), models[:, 300:])
    assert voting.accuracy(found.argmax(-1), labels[300:]) > 0.99
    assert voting.accuracy(voting.soft_vote(models), labels) < 0.5


def test_cross_fitting_predicts_nothing_that_it_was_fitted_on() -> None:
    """Labels that are noise cannot be predicted from other examples, but are from the example itself."""
    models, labels = drawn(5, 4, examples=120, classes=2)
    groups = np.arange(120) // 2
    folds = list(GroupKFold(6).split(labels, labels, groups))
    honest = voting.cross_fitted(models, labels, folds, 100.0)
    every = np.arange(120)
    cheat = voting.cross_fitted(models, labels, [(every, every)], 100.0)
    assert voting.accuracy(honest.argmax(-1), labels) < voting.accuracy(cheat.argmax(-1), labels) - 0.05
    for fit, held_out in folds:
        assert not set(groups[fit]) & set(groups[held_out])


def test_a_fold_that_lacks_a_class_or_an_example_is_named() -> None:
    models, labels = drawn(2, 2, examples=30, classes=3)
    fit = np.flatnonzero(labels.numpy() > 0)
    with pytest.raises(ValueError, match="stacker: got 2 classes in the labels, wanted 3"):
        voting.cross_fitted(models, labels, [(fit, np.arange(30))], 1.0)
    with pytest.raises(ValueError, match="folds: 10 examples are in none, wanted each in one"):
        voting.cross_fitted(models, labels, [(np.arange(30), np.arange(20))], 1.0)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_temperature_that_was_divided_out_is_found_and_keeps_the_order(true: float) -> None:
    """Labels drawn from sharper or softer probabilities than the model gives."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20_000, 4, generator=generator)
    labels = torch.multinomial((logits / true).softmax(-1), 1, generator=generator).squeeze(1)
    given_probabilities = logits.softmax(-1)
    found = voting.temperature(given_probabilities, labels)
    assert found == pytest.approx(true, rel=0.05)
    after = voting.tempered(given_probabilities, found)
    assert torch.equal(after.argmax(-1), given_probabilities.argmax(-1))
    assert voting.score(voting.nll(after, labels)) <= voting.score(voting.nll(given_probabilities, labels))


def test_every_group_has_an_equal_share_of_a_score() -> None:
    values, groups = torch.tensor([1, 1, 1, 1, 0]), torch.tensor([7, 7, 7, 7, 2])
    assert voting.by_group(values, groups).tolist() == [0, 1]
    assert voting.score(values, groups) == 0.5
    assert voting.score(values) == 0.8
    assert voting.accuracy(torch.tensor([3, 3]), torch.tensor([3, 0]), torch.tensor([0, 1])) == 0.5


def test_the_nll_of_an_impossible_label_is_that_of_the_floor() -> None:
    found = voting.nll(torch.tensor([[[0.0, 1.0]], [[0.25, 0.75]]]), torch.tensor([0]))
    assert found.shape == (2, 1)
    assert found.flatten().tolist() == pytest.approx([-math.log(voting.FLOOR), math.log(4)])


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_stacking_is_at_the_minimum_of_its_penalised_loss(strength: float) -> None:
    generator = torch.Generator().manual_seed(4)
    probabilities = (2 * torch.randn(3, 80, 4, generator=generator)).softmax(-1)
    labels = torch.randint(4, (80,), generator=generator)
    stacker = voting.stacking(probabilities, labels, strength)
    features = torch.from_numpy(voting.log_features(probabilities))
    weights, biases = (
        torch.from_numpy(each).requires_grad_() for each in (stacker.coef_, stacker.intercept_)
    )
    fit = torch.nn.functional.cross_entropy(features @ weights.T + biases, labels, reduction="sum")
    (strength * fit + weights.square().sum() / 2).backward()
    for each in (weights, biases):
        assert each.grad is not None
        assert each.grad.abs().max() < 1e-2 * max(1.0, strength)
