"""Estimates with the interval over what is independent: the evidence that a claim is judged on.

The unit decides the interval. Tokens of one text, needles in one window and steps of one run are not
independent; texts, words, seeds and pairs are. Paired data are paired, clustered data clustered. The
statistics are scipy's and statsmodels', but for three formulas that neither has, each with its source; this
module only names them after what a page has in its hands. Intervals have two sides, so what is claimed of one
side alone is held to an error of 2.5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
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


NULLS: dict[str, float | None] = {
    **dict.fromkeys(("t", "paired t", "Welch t", "bootstrap", "cluster bootstrap"), 0.0),
    **dict.fromkeys(("Agresti Min", "Newcombe", "Spearman", "Pearson"), 0.0),
    "paired t of logs": 1.0,
    **dict.fromkeys(("Wilson", "exact")),
}
"""Every method with the value that means "no effect"; None where there is no such value."""

FEW_DISCORDANT = 10
"""Below so many pairs that differ, or hits or misses of a sample, no t-distribution fits hits."""


@dataclass(frozen=True)
class Estimate:
    """A number, its interval, and what the interval is over.

    ``detectable`` is the smallest effect, or factor of a ratio, that this sample would have shown with
    probability ``POWER``; None where that has no meaning. An exact number has no unit, ``n`` of 0, and an
    interval of no width.

    Raises:
        ValueError: unit or method is unknown, or the value lies outside its interval.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str
    method: str
    detectable: float | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS and (self.unit or self.n):
            raise ValueError(f"unit: got {self.unit!r}, wanted one of {', '.join(UNITS)}")
        if self.method not in NULLS:
            raise ValueError(f"method: got {self.method!r}, wanted one of {', '.join(NULLS)}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value: got {self.value} outside its interval [{self.low}, {self.high}]")


def _numbers(values: ArrayLike, name: str, least: int = 2) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or len(found) < least or not np.isfinite(found).all():
        raise ValueError(f"{name}: got shape {found.shape}, wanted {least} or more finite numbers in a row")
    return found


def _same_length(first: NDArray[np.float64], second: NDArray[np.float64], name: str) -> None:
    if len(first) != len(second):
        raise ValueError(f"{name}: got {len(second)} numbers, wanted {len(first)}, one for each unit")


def _spread(values: NDArray[np.float64]) -> float:
    """Standard deviation; of equal numbers, which say nothing of the next one, there is none."""
    found = float(values.std(ddof=1))
    if found <= 1e-12 * max(1.0, float(np.abs(values).max())):
        raise ValueError(
            f"values: got {len(values)} equal numbers, which have no interval; wanted a finer measure, the "
            "share of smaller units, or an exact claim"
        )
    return found


@cache
def _visible_errors(degrees: float) -> float:
    """The smallest effect that a t-test would have shown, in standard errors."""
    size = TTestPower().solve_power(nobs=degrees + 1, alpha=1 - LEVEL, power=POWER)
    return float(size) * math.sqrt(degrees + 1)


_VISIBLE_NORMAL = float(stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER))
"""The same in standard errors, for large samples."""


def _t(values: NDArray[np.float64], unit: str, method: str) -> Estimate:
    n, spread = len(values), _spread(values)
    low, high = DescrStatsW(values).tconfint_mean(1 - LEVEL)
    seen = spread / math.sqrt(n) * _visible_errors(n - 1)
    return Estimate(float(values.mean()), float(low), float(high), n, unit, method, seen)


def _are_hits(*samples: NDArray[np.float64]) -> bool:
    return all(bool(np.isin(sample, (0, 1)).all()) for sample in samples)


def _fewest(hits: NDArray[np.float64]) -> int:
    """Hits or misses, whichever are fewer."""
    return int(min(hits.sum(), len(hits) - hits.sum()))


def _hits(values: ArrayLike, name: str) -> NDArray[np.float64]:
    found = _numbers(values, name, 1)
    if not _are_hits(found):
        raise ValueError(f"{name}: got other numbers than 0 and 1, wanted one of them for each unit")
    return found


def exact(value: float) -> Estimate:
    """A number that nothing random goes into: a count, a formula, bytes."""
    return Estimate(float(value), float(value), float(value), 0, "", "exact")


def mean(values: ArrayLike, unit: str) -> Estimate:
    """Mean of independent numbers, with Student's interval.

    Args:
        values: one for each unit, ``[n]``.
        unit: a key of ``UNITS``.

    Raises:
        ValueError: of hits (0 or 1), there are fewer than ten, or fewer than ten misses: see ``share``.
    """
    found = _numbers(values, "values")
    if _are_hits(found) and (fewest := _fewest(found)) < FEW_DISCORDANT:
        raise ValueError(f"values: got {fewest} hits or misses, wanted {FEW_DISCORDANT} or more; use `share`")
    return _t(found, unit, "t")


def paired(after: ArrayLike, before: ArrayLike, unit: str) -> Estimate:
    """Mean difference ``after - before`` of the same units, with Student's interval of the differences.

    Args:
        after, before: one number for each unit and condition, in the same order, ``[n]``.
        unit: a key of ``UNITS``.

    Raises:
        ValueError: of hits (0 or 1), fewer than ten pairs differ: see ``paired_shares``.
    """
    first, second = _numbers(after, "after"), _numbers(before, "before")
    _same_length(first, second, "before")
    if _are_hits(first, second) and (first != second).sum() < FEW_DISCORDANT:
        raise ValueError(
            f"after, before: got {(first != second).sum():.0f} pairs of hits that differ, wanted "
            f"{FEW_DISCORDANT} or more for a t-distribution; use `paired_shares`"
        )
    return _t(first - second, unit, "paired t")


def unpaired(one: ArrayLike, other: ArrayLike, unit: str) -> Estimate:
    """Difference of two means of different units, with Welch's interval.

    Raises:
        ValueError: of hits (0 or 1), one sample has fewer than ten hits or misses: see ``unpaired_shares``.
    """
    first, second = _numbers(one, "one"), _numbers(other, "other")
    if _are_hits(first, second):
        fewest = min(_fewest(first), _fewest(second))
        if fewest < FEW_DISCORDANT:
            raise ValueError(
                f"one, other: got {fewest} hits or misses in one of them, wanted {FEW_DISCORDANT} or "
                "more for a t-distribution; use `unpaired_shares`"
            )
    compared = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    if max(first.std(), second.std()) == 0:
        _spread(first)
    low, high = compared.tconfint_diff(1 - LEVEL, usevar="unequal")
    seen = float(compared.std_meandiff_separatevar) * _visible_errors(float(compared.dof_satt()))
    value = float(first.mean() - second.mean())
    return Estimate(value, float(low), float(high), len(first) + len(second), unit, "Welch t", seen)


def ratio(after: ArrayLike, before: ArrayLike, unit: str) -> Estimate:
    """Geometric mean of ``after / before`` of the same units, with Student's interval of the logarithms.

    Raises:
        ValueError: a number is not positive.
    """
    first, second = _numbers(after, "after"), _numbers(before, "before")
    if min(first.min(), second.min()) <= 0:
        raise ValueError("after, before: got a number that is not positive, wanted positive ones for a ratio")
    _same_length(first, second, "before")
    logs = _t(np.log(first) - np.log(second), unit, "paired t")
    assert logs.detectable is not None
    value, low, high, seen = (math.exp(x) for x in (logs.value, logs.low, logs.high, logs.detectable))
    return Estimate(value, low, high, logs.n, unit, "paired t of logs", seen)


def share(hits: ArrayLike, unit: str) -> Estimate:
    """Share of units that hit, with Wilson's interval: it stays within 0 and 1, and has a width at both.

    Args:
        hits: 0 or 1 for each unit, ``[n]``.
    """
    found = _hits(hits, "hits")
    low, high = proportion_confint(found.sum(), len(found), 1 - LEVEL, method="wilson")
    value = float(found.mean())
    return Estimate(value, min(float(low), value), max(float(high), value), len(found), unit, "Wilson")


def paired_shares(after: ArrayLike, before: ArrayLike, unit: str) -> Estimate:
    """Difference of the shares that hit, of the same units: for few pairs that differ, down to none.

    Neither scipy nor statsmodels has an interval for it.

    Args:
        after, before: 0 or 1 for each unit and condition, in the same order, ``[n]``.

    Source: Agresti and Min, "Simple improved confidence intervals for comparing matched proportions" (2005):
        Wald's interval after half an observation was added to each of the four cells.
    """
    first, second = _hits(after, "after"), _hits(before, "before")
    _same_length(first, second, "before")
    n = len(first) + 2
    gained, lost = float((first > second).sum()) + 0.5, float((first < second).sum()) + 0.5
    middle = (gained - lost) / n
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt((gained + lost) / n - middle**2) / math.sqrt(n)
    value = float((first - second).mean())
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    seen = _VISIBLE_NORMAL * math.sqrt((gained + lost) / n / len(first))
    return Estimate(value, min(low, value), max(high, value), len(first), unit, "Agresti Min", seen)


def unpaired_shares(one: ArrayLike, other: ArrayLike, unit: str) -> Estimate:
    """Difference of the shares that hit, of different units, with Newcombe's interval of Wilson's.

    Args:
        one, other: 0 or 1 for each unit, ``[n]`` and ``[m]``.
    """
    first, second = _hits(one, "one"), _hits(other, "other")
    low, high = confint_proportions_2indep(
        first.sum(), len(first), second.sum(), len(second), method="newcomb", compare="diff", alpha=1 - LEVEL
    )
    value, n = float(first.mean() - second.mean()), len(first) + len(second)
    both = (first.sum() + second.sum() + 2) / (n + 4)  # as Agresti and Caffo: not 0 and not 1
    seen = _VISIBLE_NORMAL * math.sqrt(both * (1 - both) * (1 / len(first) + 1 / len(second)))
    return Estimate(value, min(float(low), value), max(float(high), value), n, unit, "Newcombe", float(seen))


def resampled(values: ArrayLike, unit: str, clusters: Sequence[object] | ArrayLike | None = None) -> Estimate:
    """Mean of numbers that no t-distribution fits, by bootstrap; of whole clusters where units come in them.

    Bias-corrected and accelerated, at the level that makes up for a bootstrap's narrowness in small samples.
    Of a very skewed quantity fifty units are still few: take logarithms, or ``ratio``.

    Args:
        values: one for each observation, ``[n]``: paired differences of hits, for one.
        unit: what is resampled: the observation, or the cluster.
        clusters: the unit that each observation belongs to, ``[n]``; each unit has equal weight.

    Source: of the level, Hesterberg, "What teachers should know about the bootstrap" (2015), section 5.3.
    """
    found = _numbers(values, "values")
    if clusters is not None:
        labels = np.asarray(clusters)
        if labels.shape != found.shape:
            raise ValueError(f"clusters: got shape {labels.shape}, wanted {found.shape}, one for each value")
        found = np.array([found[labels == label].mean() for label in np.unique(labels)])
    elif np.isin(found, (-1, 0, 1)).all() and (differ := np.count_nonzero(found)) < FEW_DISCORDANT:
        raise ValueError(
            f"values: got {differ} differences of hits that are not 0, wanted {FEW_DISCORDANT} or more; "
            "use `paired_shares`"
        )
    n = len(found)
    if n < 10:
        raise ValueError(f"values: got {n} units, wanted 10 or more to resample; use `mean`")
    error = _spread(found) / math.sqrt(n)
    wider = math.sqrt(n / (n - 1)) * stats.t.ppf((1 + LEVEL) / 2, n - 1)
    level = 1 - 2 * stats.norm.sf(wider)
    drawn = stats.bootstrap(
        (found,), np.mean, confidence_level=level, n_resamples=RESAMPLES, rng=np.random.default_rng(0)
    )
    low, high = (float(bound) for bound in drawn.confidence_interval)
    value, method = float(found.mean()), "bootstrap" if clusters is None else "cluster bootstrap"
    return Estimate(value, min(low, value), max(high, value), n, unit, method, error * _visible_errors(n - 1))


def correlation(x: ArrayLike, y: ArrayLike, unit: str, *, ranks: bool = True) -> Estimate:
    """Spearman's correlation of two numbers of each unit, or Pearson's, with Fisher's interval.

    Args:
        x, y: one number for each unit, ``[n]``.
        unit: a key of ``UNITS``.
        ranks: Spearman's; else Pearson's.

    Raises:
        ValueError: one of the two is constant, or the order is perfect, which has no interval.

    Source: of Spearman's standard error, Bonett and Wright, "Sample size requirements for estimating Pearson,
        Kendall and Spearman correlations" (2000); Fisher's own is too small for ranks.
    """
    first, second = _numbers(x, "x", 10), _numbers(y, "y", 10)
    _same_length(first, second, "y")
    _spread(first), _spread(second)
    found = stats.spearmanr(first, second) if ranks else stats.pearsonr(first, second)
    value, n = float(found.statistic), len(first)
    if abs(value) > 1 - 1e-12:
        raise ValueError(
            f"x, y: got a correlation of {value:.0f}, which has no interval; wanted an exact claim"
        )
    error = math.sqrt((1 + (value**2 / 2 if ranks else 0)) / (n - 3))
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
    low, high = (math.tanh(math.atanh(value) + side) for side in (-half, half))
    seen = math.tanh(_VISIBLE_NORMAL / math.sqrt(n - 3))
    return Estimate(value, low, high, n, unit, "Spearman" if ranks else "Pearson", seen)
