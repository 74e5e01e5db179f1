"""Estimates give the textbooks' numbers, and their intervals hold the truth as often as they say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from frontier_lab.claims import (
    Estimate,
    correlation,
    estimates,
    exact,
    mean,
    paired,
    paired_shares,
    ratio,
    resampled,
    share,
    unpaired,
    unpaired_shares,
)

SLEEP = (
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
"""Student (1908): hours of sleep gained by ten patients on two drugs; R's data set ``sleep``."""


def hits(k: int, n: int) -> NDArray[np.float64]:
    return np.array([1.0] * k + [0.0] * (n - k))


def table(both: int, gained: int, lost: int, neither: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Paired hits, after and before."""
    after = [1] * (both + gained) + [0] * (lost + neither)
    before = [1] * both + [0] * gained + [1] * lost + [0] * neither
    return np.array(after, dtype=float), np.array(before, dtype=float)


@pytest.mark.parametrize(
    ("found", "value", "low", "high", "n"),
    [
        # R: t.test(extra ~ group, data = sleep, paired = TRUE), and without `paired`
        (paired(*SLEEP, "pair"), -1.58, -2.4598858, -0.7001142, 10),
        (unpaired(*SLEEP, "word"), -1.58, -3.3654832, 0.2054832, 20),
        (mean(SLEEP[0], "word"), 0.75, -0.5297804, 2.0297804, 10),
        (ratio(np.exp(SLEEP[0]), np.exp(SLEEP[1]), "pair"), *np.exp([-1.58, -2.4598858, -0.7001142]), 10),
        # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
        (share(hits(81, 263), "word"), 0.3080, 0.2553, 0.3662, 263),
        (share(hits(15, 148), "word"), 0.1014, 0.0624, 0.1605, 148),
        (share(hits(0, 20), "word"), 0, 0, 0.1611, 20),
        (share(hits(1, 29), "word"), 0.0345, 0.0061, 0.1718, 29),
        # Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10
        (unpaired_shares(hits(56, 70), hits(48, 80), "word"), 0.2, 0.0524, 0.3339, 150),
        (unpaired_shares(hits(9, 10), hits(3, 10), "word"), 0.6, 0.1705, 0.8090, 20),
        # Agresti, "Categorical data analysis", approval of the prime minister: standard error 0.0095
        (paired_shares(*table(794, 86, 150, 570), "word"), -0.04, -0.0586, -0.0214, 1600),
    ],
)
def test_intervals_are_those_of_the_textbooks(
    found: Estimate, value: float, low: float, high: float, n: int
) -> None:
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=6e-4)
    assert found.n == n


def test_pearsons_interval_is_scipys_and_spearmans_is_wider_by_bonett_and_wright() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    y += x
    pearson = correlation(x, y, "head", ranks=False)
    wanted = stats.pearsonr(x, y)
    assert (pearson.low, pearson.high) == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    spearman = correlation(x, y, "head")
    assert spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    halves = [math.atanh(bound) - math.atanh(spearman.value) for bound in (spearman.low, spearman.high)]
    assert halves[1] == pytest.approx(1.959964 * math.sqrt((1 + spearman.value**2 / 2) / 47))
    assert halves[0] == pytest.approx(-halves[1])


def test_a_bootstrap_of_many_is_students_interval_and_of_clusters_that_of_their_means() -> None:
    values = np.random.default_rng(0).normal(size=400)
    many, student = resampled(values, "text"), mean(values, "text")
    assert (many.low, many.high) == pytest.approx((student.low, student.high), abs=0.006)
    clusters = np.repeat(np.arange(40), 10)
    clustered = resampled(values, "text", clusters)
    of_means = resampled(values.reshape(40, 10).mean(1), "text")
    assert (clustered.low, clustered.high, clustered.n) == (of_means.low, of_means.high, 40)
    assert (clustered.method, of_means.method) == ("cluster bootstrap", "bootstrap")


def test_clusters_weigh_the_same_whatever_their_size() -> None:
    values = [*range(20), *[100.0] * 80]
    clusters = [*range(20), *["all"] * 80]
    assert resampled(values, "text", list(map(str, clusters))).value == pytest.approx((190 + 100) / 21)


def seen_with_power(error: float, degrees: float, effect: float) -> float:
    """Power of a two-sided t-test, by the noncentral t-distribution."""
    critical = stats.t.ppf(0.975, degrees)
    shift = effect / error
    return float(stats.nct.sf(critical, degrees, shift) + stats.nct.cdf(-critical, degrees, shift))


def test_the_detectable_effect_would_have_been_seen_four_times_in_five() -> None:
    one, other = SLEEP
    difference = one - other
    for found in (paired(one, other, "pair"), mean(difference, "pair"), resampled(difference, "pair")):
        assert found.detectable
        error = difference.std(ddof=1) / math.sqrt(10)
        assert seen_with_power(error, 9, found.detectable) == pytest.approx(0.8, abs=1e-4)
    welch = unpaired(one, other * 3, "word")
    assert welch.detectable
    parts = one.var(ddof=1) / 10, 9 * other.var(ddof=1) / 10
    degrees = sum(parts) ** 2 / sum(part**2 / 9 for part in parts)
    assert seen_with_power(math.sqrt(sum(parts)), degrees, welch.detectable) == pytest.approx(0.8, abs=1e-4)
    quotient = ratio(np.exp(one), np.exp(other), "pair")
    assert quotient.detectable == pytest.approx(math.exp(paired(one, other, "pair").detectable or math.nan))


@pytest.mark.parametrize(
    "make",
    [
        lambda draw, by: paired_shares(*table(*draw.multinomial(200, cells(0.3, 0.2, by))), "word"),
        lambda draw, by: unpaired_shares(draw.random(300) < 0.5 + by, draw.random(200) < 0.5, "word"),
        lambda draw, by: correlation(*bivariate(draw, by, 60), "head", ranks=False),
    ],
    ids=["paired_shares", "unpaired_shares", "correlation"],
)
def test_the_detectable_effect_is_seen_in_simulation(
    make: Callable[[np.random.Generator, float], Estimate],
) -> None:
    draw = np.random.default_rng(0)
    effect = float(np.mean([make(draw, 0.0).detectable for _ in range(100)]))
    shown = [make(draw, effect) for _ in range(800)]
    assert 0.74 < np.mean([found.low > 0 for found in shown]) < 0.86


def bivariate(draw: np.random.Generator, correlated: float, n: int) -> NDArray[np.float64]:
    """Two normal variables, ``[2, n]``."""
    return draw.multivariate_normal([0, 0], [[1, correlated], [correlated, 1]], n).T


def cells(both: float, differ: float, by: float) -> list[float]:
    """Probabilities of the four cells of ``table`` where a share ``differ`` of pairs differs."""
    return [both, (differ + by) / 2, (differ - by) / 2, 1 - both - differ]


Draw = np.random.Generator
COVERAGE: dict[str, tuple[float, Callable[[Draw], Estimate]]] = {
    "mean of few": (1.0, lambda draw: mean(draw.normal(1, 2, 3), "seed")),
    "paired": (0.5, lambda draw: paired(draw.normal(0.5, 1, 5), draw.normal(0, 1, 5), "seed")),
    "paired hits": (
        0.25,
        lambda draw: paired(*table(*draw.multinomial(128, [0.3, 0.3, 0.05, 0.35])), "needle"),
    ),
    "unpaired, unlike": (1.0, lambda draw: unpaired(draw.normal(1, 1, 8), draw.normal(0, 4, 12), "word")),
    "ratio": (
        math.e,
        lambda draw: ratio(draw.lognormal(1, 0.5, 10), draw.lognormal(0, 0.5, 10), "text"),
    ),
    "share": (0.3, lambda draw: share(draw.random(50) < 0.3, "word")),
    "share near one": (0.95, lambda draw: share(draw.random(200) < 0.95, "word")),
    "paired shares": (
        0.2,
        lambda draw: paired_shares(*table(*draw.multinomial(64, [0.5, 0.25, 0.05, 0.2])), "needle"),
    ),
    "unpaired shares": (
        0.5,
        lambda draw: unpaired_shares(draw.random(40) < 0.9, draw.random(60) < 0.4, "word"),
    ),
    "bootstrap of few": (0.0, lambda draw: resampled(draw.normal(0, 1, 12), "text")),
    "bootstrap of hits": (
        0.25,
        lambda draw: resampled(draw.choice([1, -1, 0], 80, p=[0.3, 0.05, 0.65]), "word"),
    ),
    "bootstrap of clusters": (
        0.0,
        lambda draw: resampled(
            (draw.normal(0, 1, (20, 1)) + draw.normal(0, 1, (20, 5))).ravel(), "text", np.repeat(range(20), 5)
        ),
    ),
    "Pearson": (
        0.6,
        lambda draw: correlation(*bivariate(draw, 0.6, 20), "head", ranks=False),
    ),
    "Spearman": (
        6 / math.pi * math.asin(0.9 / 2),
        lambda draw: correlation(*bivariate(draw, 0.9, 40), "head"),
    ),
}


@pytest.mark.parametrize("case", COVERAGE)
def test_intervals_hold_the_truth_in_95_of_100_draws(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "RESAMPLES", 999)
    monkeypatch.setattr(estimates, "_visible_errors", lambda degrees: 1.0)  # solved anew for each draw
    truth, make = COVERAGE[case]
    draw = np.random.default_rng(0)
    found = [make(draw) for _ in range(2000)]
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.97


def test_an_interval_over_observations_would_be_too_narrow_where_they_come_in_clusters() -> None:
    draw = np.random.default_rng(0)
    held = []
    for _ in range(500):
        values = (draw.normal(0, 1, (20, 1)) + draw.normal(0, 1, (20, 5))).ravel()
        one = mean(values, "text")
        held.append(one.low <= 0 <= one.high)
    assert np.mean(held) < 0.8


ONES = np.ones(20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean([0.3, 0.1 + 0.2, 0.3], "seed"), "3 equal numbers"),
        (lambda: mean([1.0], "seed"), "wanted 2 or more finite numbers"),
        (lambda: mean([1.0, math.nan], "seed"), "wanted 2 or more finite numbers"),
        (lambda: mean([[1.0, 2.0]], "seed"), "in a row"),
        (lambda: mean([1.0, 2.0], "token"), "unit: got 'token', wanted one of seed"),
        (lambda: mean(hits(55, 64), "needle"), "got 9 hits or misses, wanted 10 or more; use `share`"),
        (lambda: resampled(hits(9, 64), "needle"), "got 9 differences of hits that are not 0"),
        (lambda: paired([1, 2, 3], [1, 2], "seed"), "got 2 numbers, wanted 3"),
        (lambda: paired(hits(9, 50), hits(0, 50), "needle"), "got 9 pairs of hits that differ"),
        (lambda: unpaired(ONES * 2, ONES * 3, "word"), "20 equal numbers"),
        (lambda: unpaired(hits(41, 50), hits(30, 50), "word"), "got 9 hits or misses"),
        (lambda: ratio([1.0, 0.0], [1.0, 2.0], "text"), "not positive"),
        (lambda: ratio([1.0, 2.0], [1.0, 2.0, 3.0], "text"), "got 3 numbers, wanted 2"),
        (lambda: share([0, 0.5], "word"), "other numbers than 0 and 1"),
        (lambda: share([], "word"), "wanted 1 or more"),
        (lambda: paired_shares([1, 0], [1], "word"), "got 1 numbers, wanted 2"),
        (lambda: unpaired_shares([1, 2], [1], "word"), "one: got other numbers"),
        (lambda: resampled(range(9), "text"), "got 9 units"),
        (lambda: resampled(ONES, "text"), "20 equal numbers"),
        (lambda: resampled(range(20), "text", [0] * 19), "clusters: got shape"),
        (lambda: resampled(range(20), "text", [0, 1] * 10), "got 2 units"),
        (lambda: correlation(range(20), ONES, "head"), "20 equal numbers"),
        (
            lambda: correlation(range(20), np.arange(20) ** 3, "head"),
            "correlation of 1, which has no interval",
        ),
        (lambda: correlation(range(9), range(9), "head"), "wanted 10 or more"),
        (lambda: Estimate(1, 2, 3, 2, "seed", "t"), "outside its interval"),
        (lambda: Estimate(1, 1, 1, 2, "", "t"), "unit: got ''"),
        (lambda: Estimate(1, 1, 1, 2, "seed", "magic"), "method: got 'magic'"),
    ],
)
def test_what_has_no_interval_is_refused(call: Callable[[], Estimate], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_no_pairs_that_differ_still_have_an_interval_and_a_size_that_would_have_been_seen() -> None:
    found = paired_shares(hits(40, 64), hits(40, 64), "needle")
    assert found.low < found.value == 0 < found.high
    assert found.detectable
    assert found.high < found.detectable < 0.05


def test_an_exact_number_has_no_width_and_no_unit() -> None:
    assert exact(3) == Estimate(3.0, 3.0, 3.0, 0, "", "exact")
