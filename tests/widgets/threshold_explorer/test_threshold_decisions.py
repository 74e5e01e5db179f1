"""What thresholds let through and block, against the lab's own filter and other people's libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from frontier_widgets import ThresholdExplorer
from frontier_widgets.threshold_explorer import decisions as d
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from frontier_lab.methods import safety_filter


@pytest.fixture(params=["bert", "heads"])
def scored(request: pytest.FixtureRequest) -> tuple[d.Scores, d.Bits]:
    """Real scores, rich in ties: those at the end of a byte's range."""
    return ThresholdExplorer(filter=request.param).scored()


@pytest.mark.parametrize("level", [-8.0, -1.5, 0.0, 0.0625, 3.0, 8.0])
@pytest.mark.parametrize(("ratio", "prevalence"), [(5.0, 0.01), (1.0, 0.5), (0.2, 0.3)])
def test_rates_and_costs_are_those_of_the_lab(
    scored: tuple[d.Scores, d.Bits], level: float, ratio: float, prevalence: float
) -> None:
    scores, harmful = scored
    found = d.rates(scores, harmful, level)
    both = torch.from_numpy(scores), torch.from_numpy(harmful).long()
    missed, blocked = safety_filter.rates(*both, level)
    assert (found.missed / found.harmful, found.blocked / found.harmless) == pytest.approx((missed, blocked))
    costs = safety_filter.Costs(missed=ratio, blocked=1.0)
    assert d.cost(found, ratio, prevalence) == pytest.approx(
        safety_filter.cost(*both, level, costs, prevalence)
    )
    best = safety_filter.best_threshold(*both, costs, prevalence)
    point = d.cheapest(d.operating(scores, harmful), ratio, prevalence)
    assert d.cost(d.rates(scores, harmful, point.level), ratio, prevalence) == pytest.approx(
        safety_filter.cost(*both, best, costs, prevalence)
    )


def test_the_area_is_scikit_learns(scored: tuple[d.Scores, d.Bits]) -> None:
    scores, harmful = scored
    assert d.auroc(d.operating(scores, harmful)) == pytest.approx(roc_auc_score(harmful, scores))


@pytest.mark.parametrize(("hits", "of"), [(0, 80), (41, 80), (80, 80), (2, 16), (1, 1)])
def test_the_interval_is_statsmodels(hits: int, of: int) -> None:
    found = d.wilson(hits, of)
    assert found is not None
    assert found == pytest.approx(proportion_confint(hits, of, method="wilson"), abs=1e-12)
    assert d.wilson(0, 0) is None


def test_every_point_is_what_its_level_gives(scored: tuple[d.Scores, d.Bits]) -> None:
    scores, harmful = scored
    points = d.operating(scores, harmful)
    assert (points[0].level, points[0].blocked, points[-1].missed) == (d.HIGHEST, 0, 0)
    for point in points:
        kept = 1 / (1 + math.exp(-point.level))  # a level is kept as a probability
        found = d.rates(scores, harmful, math.log(kept / (1 - kept)))
        assert (found.missed, found.blocked) == (point.missed, point.blocked)


def test_a_shift_moves_one_label_and_never_takes_it_out() -> None:
    logits = np.array([[1.0, -2.0], [-3.0, 2.0]])
    assert d.combined(logits, (0.0, 0.0)).tolist() == [1.0, 2.0]
    assert d.combined(logits, (0.0, 1.5)).tolist() == [1.0, 0.5]
    assert d.combined(logits, (0.0, d.NEVER)).tolist() == [1.0, -3.0]
    assert d.combined(logits, (d.NEVER, d.NEVER)).tolist() == [d.LOWEST, d.LOWEST]
    assert d.combined(logits, (0.0, 0.0), [(2.0, 1.0), (1.0, -1.0)]).tolist() == [3.0, 1.0]
    assert d.combined(logits, (0.0, 0.0), [(99.0, 0.0), (1.0, 0.0)]).tolist() == [d.TOP, 2.0]


def test_precision_falls_with_prevalence_and_recall_does_not() -> None:
    """As the text has it: at recall one half, precision .85 where half is harmful."""
    found = d.Rates(harmful=80, missed=40, harmless=80, blocked=7)
    at_half, at_hundredth = (d.precision(found, share) for share in (0.5, 0.01))
    assert at_half == pytest.approx(0.851, abs=1e-3)
    assert at_hundredth == pytest.approx(0.0546, abs=1e-3)
    assert d.precision(d.Rates(80, 80, 80, 0), 0.5) is None


@pytest.mark.parametrize("share", [0.001, 0.01, 0.025, 0.5, 0.999])
def test_a_thousand_are_a_thousand(share: float) -> None:
    found = d.thousand(d.Rates(80, 41, 80, 7), share)
    assert found is not None
    assert found.caught + found.missed == math.floor(1000 * share + 0.5)
    assert found.caught + found.missed + found.blocked + found.passed == 1000
    assert d.thousand(d.Rates(0, 0, 100, 100), share) is None


def test_a_threshold_is_judged_on_texts_that_did_not_choose_it() -> None:
    """Scores that tell nothing look useful to the texts that choose, and to no others."""
    generator = np.random.default_rng(0)
    chosen, judged = [], []
    for _ in range(40):
        scores, harmful = generator.normal(size=60), np.arange(60) % 4 < 2
        points = d.operating(scores, harmful)
        best = d.cheapest(points, 1.0, 0.5)
        chosen.append(d.cost(d.rates(scores, harmful, best.level), 1.0, 0.5))
        judged.append(d.crossed(scores, harmful, 1.0, 0.5))
    assert np.mean([value for value in chosen if value is not None]) < 0.44
    assert np.mean([value for value in judged if value is not None]) == pytest.approx(0.5, abs=0.02)
    assert d.crossed(np.array([1.0, 2.0]), np.array([True, False]), 1.0, 0.5) is None
