"""What was measured at the nodes of a grid of weights, and an estimate in between.

The numpy twin of ``src/model_merging/landscape.ts``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Measured = NDArray[np.float64]


def decode(grid: bytes, lengths: int, axis: int, tasks: int) -> Measured:
    """Measurements ``[lengths, 2, axis, axis, axis, tasks + 1]``: right answers, and the loss on text.

    The second place says whether the embedding was merged. Stored are sixteen bits each, low byte first, the
    loss in thousandths of a nat.

    Raises:
        ValueError: the bytes are more or fewer.
    """
    shape = (lengths, 2, *[axis] * 3, tasks + 1)
    wanted = 2 * int(np.prod(shape))
    if len(grid) != wanted:
        raise ValueError(f"grid: got {len(grid)} bytes, wanted {wanted} for {list(shape)}")
    found = np.frombuffer(grid, "<u2").astype(np.float64).reshape(shape)
    found[..., -1] /= 1000
    return found


def estimate(values: Measured, axis: Sequence[float], weights: Sequence[float]) -> Measured:
    """Trilinear between the nodes, as at the edge beyond it.

    Args:
        values: measurements, ``[axis, axis, axis, any]``.
        axis: weights at the nodes, rising.
        weights: three.

    Returns:
        ``[any]``.
    """
    for weight in weights:  # each step takes the first axis away
        at = min(max(bisect_right(axis, weight) - 1, 0), len(axis) - 2)
        share = float(np.clip((weight - axis[at]) / (axis[at + 1] - axis[at]), 0, 1))
        values = (1 - share) * values[at] + share * values[at + 1]
    return values
