"""Random numbers that Python and the browser draw alike: the twin of ``widgets/src/base/draws.ts``."""

from __future__ import annotations

from collections.abc import Iterator


def draws(seed: int, row: int) -> Iterator[float]:
    """Uniform numbers in [0, 1) of a row, the same in both languages: Tommy Ettinger's mulberry32."""
    state = (seed * 0x9E3779B1 + row * 0x85EBCA6B) & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((mixed ^ (mixed >> 14)) & 0xFFFFFFFF) / 4294967296
