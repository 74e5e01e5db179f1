"""A filter's parts do what they promise: on data of which the truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from frontier_lab import zoo
from frontier_lab.methods import safety_filter
from frontier_lab.methods.safety_filter import Costs, Encoder, Heads

TEXTS = ["the first verse", "a", "and god said , let there be light", "the first verse"]


def drawn(n: int, slope: float = 1.0, shift: float = 0.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels of which ``sigmoid(slope * logit + shift)`` is the true probability."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, generator=generator) * 2
    return logits, torch.bernoulli((slope * logits + shift).sigmoid(), generator=generator)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    folder = zoo.CHECKPOINTS / "bert"
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False).eval()
    return Encoder(model, AutoTokenizer.from_pretrained(folder), batch=2)


def test_vectors_have_length_one_and_do_not_depend_on_who_is_read_beside_them(encoder: Encoder) -> None:
    found = encoder(TEXTS)
    assert torch.equal(found[0], found[3])
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(4))
    alone = Encoder(encoder.model, encoder.tokenizer, batch=1)(TEXTS)
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=0)


def test_vectors_are_kept_by_text_and_weights(encoder: Encoder, tmp_path: Path) -> None:
    first = Encoder(encoder.model, encoder.tokenizer, tmp_path)(TEXTS)
    (file,) = tmp_path.iterdir()
    again = Encoder(encoder.model, encoder.tokenizer, tmp_path)
    again._read = None  # type: ignore[method-assign, assignment]  # nothing is left to read
    assert torch.equal(again(TEXTS), first)
    other = type(encoder.model)(encoder.model.config).eval()
    Encoder(other, encoder.tokenizer, tmp_path)(TEXTS)
    assert {each.name for each in tmp_path.iterdir()} > {file.name}


def test_heads_come_back_as_they_were_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    heads, x = Heads(8, ("a", "b")), torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    heads.save(tmp_path)
    again = Heads.load(tmp_path)
    assert again.labels == ("a", "b")
    torch.testing.assert_close(again(x), heads(x), atol=5e-3, rtol=0)
    weight = heads.linear.weight * math.sqrt(8)  # as it acts on vectors of length 1
    torch.testing.assert_close(heads.penalty(), weight.square().sum() / 2)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.3, -1.0), (2.5, 2.0)])
def test_platt_finds_the_sigmoid_that_labels_were_drawn_from(slope: float, shift: float) -> None:
    logits, labels = drawn(20_000, slope, shift)
    found = safety_filter.platt(logits, labels)
    assert found.slope == pytest.approx(slope, rel=0.08)
    assert found.shift == pytest.approx(shift, abs=0.08)
    temperature = safety_filter.platt(*drawn(20_000, slope), shifted=False)
    assert temperature.shift == 0
    assert temperature.slope == pytest.approx(slope, rel=0.08)


def test_platt_of_separable_examples_is_finite_and_of_one_class_refused() -> None:
    logits = torch.tensor([-2.0, -1.0, 1.0, 2.0])
    assert 0 < safety_filter.platt(logits, torch.tensor([0, 0, 1, 1])).slope < 50
    with pytest.raises(ValueError, match="labels: got one class only"):
        safety_filter.platt(logits, torch.ones(4))


def test_calibration_error_is_the_distance_of_said_and_true() -> None:
    said, labels = torch.full((100,), 0.9), (torch.arange(100) < 60).float()
    assert safety_filter.calibration_error(said, labels, bins=1) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="labels: got 100, wanted 101 or more"):
        safety_filter.reliability(said, labels, bins=101)


def test_calibrated_probabilities_are_at_the_floor_and_overconfident_ones_above() -> None:
    logits, labels = drawn(400)
    probabilities = logits.sigmoid()
    floor = safety_filter.calibration_floor(probabilities)
    assert 0 < floor.mean() < 0.1  # chance alone
    assert safety_filter.calibration_error(probabilities, labels) < floor.max()
    assert safety_filter.calibration_error((3 * logits).sigmoid(), labels) > floor.max()


@pytest.mark.parametrize("costs", [Costs(1, 1), Costs(5, 1), Costs(1, 20)])
@pytest.mark.parametrize("prevalence", [None, 0.01])
def test_the_threshold_of_the_costs_is_best_where_probabilities_are_true(
    costs: Costs, prevalence: float | None
) -> None:
    logits, labels = drawn(50_000)
    p = logits.sigmoid()
    if prevalence is not None:
        p = safety_filter.at_prevalence(p, float(labels.mean()), prevalence)
    at_costs = safety_filter.cost(p, labels, costs.threshold, costs, prevalence)
    grid = [safety_filter.cost(p, labels, at, costs, prevalence) for at in np.linspace(0.005, 0.995, 199)]
    assert at_costs <= min(grid) * 1.03 + 1e-4


def test_the_best_threshold_costs_least_of_all_and_may_block_nothing() -> None:
    scores, labels = drawn(60, seed=3)
    costs = Costs(3, 2)
    best = safety_filter.best_threshold(scores, labels, costs)
    every = [safety_filter.cost(scores, labels, float(at), costs) for at in [*scores, math.inf, -math.inf]]
    assert safety_filter.cost(scores, labels, best, costs) == min(every)
    wrong_way = torch.tensor([0.1, 0.9]), torch.tensor([1, 0])
    assert safety_filter.best_threshold(*wrong_way, Costs(1, 3)) == math.inf


def test_what_is_at_the_threshold_is_blocked() -> None:
    scores, labels = torch.tensor([0.2, 0.5, 0.5, 0.8]), torch.tensor([1, 1, 0, 0])
    assert safety_filter.rates(scores, labels, 0.5) == (0.5, 1.0)


@pytest.mark.parametrize("n", [9, 40, 41])
def test_in_the_mean_over_calibrations_no_more_than_alpha_is_let_through(n: int) -> None:
    """Of continuous scores exactly ``floor(alpha * (n + 1)) / (n + 1)``."""
    generator = torch.Generator().manual_seed(n)
    calibration = torch.rand(20_000, n, generator=generator)
    missed = torch.tensor([safety_filter.conformal_threshold(each, 0.1) for each in calibration])
    assert missed.mean() == pytest.approx(math.floor(0.1 * (n + 1)) / (n + 1), abs=0.003)


def test_one_calibration_may_let_through_more_but_for_the_certain_threshold() -> None:
    generator = torch.Generator().manual_seed(1)
    calibration = torch.rand(5_000, 60, generator=generator)
    plain = torch.tensor([safety_filter.conformal_threshold(each, 0.1) for each in calibration])
    certain = torch.tensor([safety_filter.certain_threshold(each, 0.1, 0.1) for each in calibration])
    assert (plain > 0.1).float().mean() > 0.3
    assert 0.02 < (certain > 0.1).float().mean() <= 0.1 + 0.01


def test_too_few_texts_for_a_guarantee_block_everything() -> None:
    assert safety_filter.conformal_threshold(torch.rand(8), 0.1) == -math.inf
    assert safety_filter.conformal_threshold(torch.rand(9), 0.1) > -math.inf
    assert safety_filter.certain_threshold(torch.rand(20), 0.1, 0.1) == -math.inf


def test_ties_let_through_no_more_than_was_promised() -> None:
    scores = torch.tensor([0.5] * 30 + [0.9] * 9)
    threshold = safety_filter.conformal_threshold(scores, 0.1)
    assert float((scores < threshold).float().mean()) <= 0.1


def test_a_share_of_none_or_all_is_no_prevalence() -> None:
    p = torch.tensor([0.0, 0.3, 1.0])
    torch.testing.assert_close(safety_filter.at_prevalence(p, 0.5, 0.5), p.double(), atol=1e-9, rtol=0)
    with pytest.raises(ValueError, match="wanted: got 0"):
        safety_filter.at_prevalence(p, 0.5, 0)
