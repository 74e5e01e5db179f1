"""Estimates with the interval over what is independent: the evidence that a claim is judged on.

The unit decides the interval. Tokens of one text, needles in one window and steps of one run are not
independent; texts, words, seeds and pairs are. Paired data are paired, clustered data clustered. The
statistics are scipy's and statsmodels'; this module only names them after what a page has in its hands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

LEVEL = 0.95
"""Of every interval in the book."""
POWER = 0.8
"""With which the smallest visible effect would have been seen, at level ``1 - LEVEL``."""
RESAMPLES = 4999

UNITS = {
    "seed": ("个种子", "seeds"),
    "text": ("段文本", "texts"),
    "sentence": ("个句子", "sentences"),
    "word": ("个词", "words"),
    "pair": ("对", "pairs"),
    "needle": ("段捞针文本", "needle texts"),
    "question": ("个问题", "questions"),
    "passage": ("段文字", "passages"),
    "window": ("个窗口", "windows"),
    "head": ("个头", "heads"),
    "prompt": ("个提示", "prompts"),
    "template": ("个模板", "templates"),
    "run": ("次运行", "runs"),
}
"""What can be independent, in Chinese and English, as it stands after a number."""


@dataclass(frozen=True)
class Estimate:
    """A number, its interval, and what the interval is over.

    ``detectable`` is the smallest effect that this sample would have shown with probability ``POWER``;
    ``nan`` where that has no meaning. An exact number has no unit, ``n`` of 0, and an interval of no width.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str
    method: str
    detectable: float = math.nan

    def __post_init__(self) -> None:
        if self.unit and self.unit not in UNITS:
            raise ValueError(f"unit: got {self.unit!r}, wanted one of {', '.join(UNITS)}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value: got {self.value} outside its interval [{self.low}, {self.high}]")


def _numbers(values: ArrayLike, name: str, least: int = 2) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or len(found) < least or not np.isfinite(found).all():
        raise ValueError(f"{name}: got shape {found.shape}, wanted {least} or more finite numbers in a row")
    return found


def _t(values: NDArray[np.float64], unit: str, method: str) -> Estimate:
    spread = values.std(ddof=1)
    if spread == 0:
        raise ValueError(
            f"values: got {len(values)} equal numbers, which have no interval; wanted an exact claim"
        )
    low, high = DescrStatsW(values).tconfint_mean(1 - LEVEL)
    effect = TTestPower().solve_power(nobs=len(values), alpha=1 - LEVEL, power=POWER)
    return Estimate(values.mean(), low, high, len(values), unit, method, float(effect) * spread)


def exact(value: float) -> Estimate:
    """A number that nothing random goes into: a count, a formula, bytes."""
    return Estimate(float(value), float(value), float(value), 0, "", "exact")


def mean(values: ArrayLike, unit: str) -> Estimate:
    """Mean of independent numbers, with Student's interval.

    Args:
        values: one for each unit, ``[n]``.
        unit: a key of ``UNITS``.
    """
    return _t(_numbers(values, "values"), unit, "t")


def paired(after: ArrayLike, before: ArrayLike, unit: str) -> Estimate:
    """Mean difference ``after - before`` of the same units, with Student's interval of the differences.

    Args:
        after, before: one number for each unit and condition, in the same order, ``[n]``.
        unit: a key of ``UNITS``.
    """
    first, second = _numbers(after, "after"), _numbers(before, "before")
    if len(first) != len(second):
        raise ValueError(f"before: got {len(second)} numbers, wanted {len(first)}, one for each of `after`")
    return _t(first - second, unit, "paired t")


def unpaired(one: ArrayLike, other: ArrayLike, unit: str) -> Estimate:
    """Difference of two means of different units, with Welch's interval."""
    first, second = _numbers(one, "one"), _numbers(other, "other")
    compared = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    low, high = compared.tconfint_diff(1 - LEVEL, usevar="unequal")
    pooled = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    effect = TTestIndPower().solve_power(
        nobs1=len(first), ratio=len(second) / len(first), alpha=1 - LEVEL, power=POWER
    )
    return Estimate(
        first.mean() - second.mean(),
        low,
        high,
        len(first) + len(second),
        unit,
        "Welch t",
        float(effect) * pooled,
    )


def ratio(after: ArrayLike, before: ArrayLike, unit: str) -> Estimate:
    """Geometric mean of ``after / before`` of the same units, with Student's interval of the logarithms.

    Raises:
        ValueError: a number is not positive.
    """
    first, second = _numbers(after, "after"), _numbers(before, "before")
    if min(first.min(), second.min()) <= 0:
        raise ValueError("after, before: got a number that is not positive, wanted positive ones for a ratio")
    logs = paired(np.log(first), np.log(second), unit)
    value, low, high = (math.exp(x) for x in (logs.value, logs.low, logs.high))
    return Estimate(value, low, high, logs.n, unit, "paired t of logs", math.exp(logs.detectable))


def share(hits: ArrayLike, unit: str) -> Estimate:
    """Share of units that hit, with Wilson's interval: it stays within 0 and 1, and has a width at both.

    Args:
        hits: 0 or 1 for each unit, ``[n]``.
    """
    found = _numbers(hits, "hits", 1)
    if not np.isin(found, (0, 1)).all():
        raise ValueError("hits: got other numbers than 0 and 1, wanted one of them for each unit")
    low, high = proportion_confint(found.sum(), len(found), 1 - LEVEL, method="wilson")
    value = found.mean()
    return Estimate(value, min(low, value), max(high, value), len(found), unit, "Wilson")


def resampled(values: ArrayLike, unit: str, clusters: Sequence[object] | ArrayLike | None = None) -> Estimate:
    """Mean of numbers that no t-distribution fits, by bootstrap; of whole clusters where units come in them.

    Args:
        values: one for each observation, ``[n]``: paired differences of hits, for one.
        unit: what is resampled: the observation, or the cluster.
        clusters: the unit that each observation belongs to, ``[n]``; each unit has equal weight.
    """
    found = _numbers(values, "values")
    if clusters is not None:
        labels = np.asarray(clusters)
        if labels.shape != found.shape:
            raise ValueError(f"clusters: got shape {labels.shape}, wanted {found.shape}, one for each value")
        found = np.array([found[labels == label].mean() for label in np.unique(labels)])
    if len(found) < 10:
        raise ValueError(f"values: got {len(found)} units, wanted 10 or more to resample; use `mean`")
    spread = found.std(ddof=1)
    if spread == 0:
        raise ValueError(
            f"values: got {len(found)} equal numbers, which have no interval; wanted an exact claim"
        )
    drawn = stats.bootstrap(
        (found,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, rng=np.random.default_rng(0)
    )
    low, high = drawn.confidence_interval
    value = found.mean()
    effect = TTestPower().solve_power(nobs=len(found), alpha=1 - LEVEL, power=POWER)
    method = "bootstrap" if clusters is None else "cluster bootstrap"
    return Estimate(
        value, min(low, value), max(high, value), len(found), unit, method, float(effect) * spread
    )


def correlation(x: ArrayLike, y: ArrayLike, unit: str, *, ranks: bool = True) -> Estimate:
    """Spearman's correlation of two numbers of each unit, or Pearson's, with Fisher's interval.

    Args:
        x, y: one number for each unit, ``[n]``.
        unit: a key of ``UNITS``.
        ranks: Spearman's; else Pearson's.
    """
    first, second = _numbers(x, "x", 10), _numbers(y, "y", 10)
    if ranks:
        first, second = stats.rankdata(first), stats.rankdata(second)
    found = stats.pearsonr(first, second)
    low, high = found.confidence_interval(LEVEL)
    needed = (stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER)) / math.sqrt(len(first) - 3)
    return Estimate(
        found.statistic,
        low,
        high,
        len(first),
        unit,
        "Spearman" if ranks else "Pearson",
        math.tanh(needed),
    )
