"""Random numbers that Python and the browser draw alike: the twin of ``widgets/src/base/draws.ts``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def draws(seed: int, row: int) -> Iterator[float]:
    """Uniform numbers in [0, 1) of a row, the same in both languages: Tommy Ettinger's mulberry32."""
    state = (seed * 0x9E3779B1 + row * 0x85EBCA6B) & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((mixed ^ (mixed >> 14)) & 0xFFFFFFFF) / 4294967296


def drawn(seed: int, row: int, count: int) -> NDArray[np.float64]:
    """The first ``count`` numbers of :func:`draws` at once."""
    start = (seed * 0x9E3779B1 + row * 0x85EBCA6B) & 0xFFFFFFFF
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x6D2B79F5) + np.uint64(start)
    state = steps.astype(np.uint32)  # what is above 32 bits falls off, as it does above
    mixed = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
    mixed ^= mixed + (mixed ^ (mixed >> np.uint32(7))) * (mixed | np.uint32(61))
    found: NDArray[np.float64] = (mixed ^ (mixed >> np.uint32(14))) / 4294967296
    return found


class Chance:
    """What an attack leaves to chance, as a numpy generator gives it, from a row of :func:`draws`.

    The browser's are ``whole`` and ``chosen`` of ``draws.ts``.
    """

    def __init__(self, seed: int, row: int = 0) -> None:
        self._draws = draws(seed, row)

    def integers(self, low: int, high: int) -> int:
        """A whole number from ``low`` to below ``high``."""
        return low + int(next(self._draws) * (high - low))

    def choice(self, of: Sequence[Any], size: int | None = None, replace: bool = False) -> Any:
        """One of a sequence; of ``size``, an array of that many, no place twice.

        Raises:
            ValueError: places twice are wanted.
        """
        if size is None:
            return of[self.integers(0, len(of))]
        if replace:
            raise ValueError("replace: got True, wanted False")
        left = list(of)
        for at in range(size):
            other = self.integers(at, len(left))
            left[at], left[other] = left[other], left[at]
        return np.array(left[:size])

    def permutation(self, of: Sequence[Any]) -> Any:
        """All of a sequence in another order, as an array."""
        return self.choice(of, len(of))
