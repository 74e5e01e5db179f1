"""The word embedding association test: which of two groups of words is nearer to which of two others.

The association of a word is the mean of its cosines with the first attributes less that with the second. An
effect size compares the associations of two groups of targets; the paper's test shuffles which target is in
which group. That takes the attributes for given, though other words would have done as well. The difference
of the means is the same if targets and attributes change places, so the same test shuffles the attributes:
``p_value(associations(a, x, y), associations(b, x, y))``. And an interval is over words of all four groups.

The effect size must not be compared over attributes: it is in standard deviations of the associations, which
shrink with them, and attributes drawn at random reach a large one.

Source: Caliskan, Bryson and Narayanan, "Semantics derived automatically from language corpora contain
human-like biases" (2017).
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]

EXACT = 20_000
"""Splits of the targets up to which all are counted: two groups of 8 have 12,870."""


def associations(targets: Rows, first: Rows, second: Rows) -> Rows:
    """Mean cosine with the first attributes less the mean cosine with the second, ``[N]``.

    Args:
        targets: vectors ``[N, D]``, of any length.
        first: vectors of attributes, ``[A, D]``.
        second: vectors of attributes, ``[B, D]``.

    Raises:
        ValueError: vectors differ in width, or one has no direction.
    """
    named = {"targets": targets, "first": first, "second": second}
    for name, rows in named.items():
        if rows.ndim != 2 or rows.shape[1] != targets.shape[-1]:
            raise ValueError(f"{name}: got shape {rows.shape}, wanted [N, {targets.shape[-1]}]")
        if not np.linalg.norm(rows, axis=1).all():
            raise ValueError(f"{name}: got a vector of length 0, wanted a direction in each row")
    unit, a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in named.values())
    found: Rows = (unit @ a.T).mean(1) - (unit @ b.T).mean(1)
    return found


def effect_size(x: Rows, y: Rows) -> float:
    """Difference of the groups' mean associations, in standard deviations of all; between -2 and 2.

    The deviation is that of a sample (over ``N - 1``): with it, the paper's numbers follow from its vectors.

    Args:
        x: associations of the first targets, ``[N]``.
        y: associations of the second, ``[M]``.
    """
    return float((x.mean() - y.mean()) / np.concatenate([x, y]).std(ddof=1))


def p_value(x: Rows, y: Rows, *, samples: int = 9_999, seed: int = 0) -> float:
    """Share of splits into groups of these sizes whose difference is as large, in the direction of the paper.

    All splits are counted if there are ``EXACT`` or fewer; else so many are drawn, and the one at hand counts
    as one of them, so that no p-value is 0.

    Args:
        x: associations of the first targets, ``[N]``.
        y: associations of the second, ``[M]``.
        samples: splits to draw.
        seed: of the draws.

    Source: of the drawn test, Phipson and Smyth, "Permutation p-values should never be zero" (2010).
    """
    pooled, size = np.concatenate([x, y]), len(x)
    here = x.sum() - 1e-12  # the total is fixed, so the first group's sum alone orders the splits
    if math.comb(len(pooled), size) <= EXACT:
        sums = pooled[list(combinations(range(len(pooled)), size))].sum(1)
        return float((sums >= here).mean())
    generator = np.random.default_rng(seed)
    drawn = generator.permuted(np.tile(pooled, (samples, 1)), axis=1)[:, :size].sum(1)
    return float((1 + (drawn >= here).sum()) / (1 + samples))


def resampled(
    x: Rows, y: Rows, a: Rows, b: Rows, *, samples: int = 4_999, seed: int = 0, attributes: bool = True
) -> Rows:
    """Effect sizes of groups drawn anew with replacement, ``[samples]``: for an interval over words.

    Args:
        x: vectors of the first targets, ``[N, D]``; as the three others.
        y: of the second targets.
        a: of the first attributes.
        b: of the second.
        samples: how many.
        seed: of the draws.
        attributes: draw these anew as well, and not the targets alone.
    """
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y, a, b)]
    generator = np.random.default_rng(seed)

    def weights(rows: Rows, draw: bool = True) -> Rows:
        count = len(rows)
        if not draw:
            return np.full((samples, count), 1 / count)
        return generator.multinomial(count, np.full(count, 1 / count), samples) / count

    n, m = len(x), len(y)
    cosines = np.concatenate(unit[:2]) @ np.concatenate(unit[2:]).T  # [N + M, A + B]
    signed = np.concatenate([weights(a, attributes), -weights(b, attributes)], axis=1)
    found = signed @ cosines.T  # [samples, N + M]
    wx, wy = weights(x), weights(y)
    means = [(wx * found[:, :n]).sum(1), (wy * found[:, n:]).sum(1)]
    counts = np.concatenate([wx * n, wy * m], axis=1)  # how often each target was drawn
    middle = (counts * found).sum(1, keepdims=True) / (n + m)
    spread = np.sqrt((counts * (found - middle) ** 2).sum(1) / (n + m - 1))
    sizes: Rows = (means[0] - means[1]) / spread
    return sizes
