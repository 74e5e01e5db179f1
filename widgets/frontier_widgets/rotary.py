"""Rotary positions for a reader's own code; the figure ``LongContextStrategies`` turns them."""

from .long_context_strategies.rotary import (
    METHODS,
    WINDOW_NATS,
    Method,
    Rotary,
    Vector,
    alibi_slopes,
    alibi_window,
    closest,
    frequencies,
    ntk_base,
    ramp,
    resolution,
    similarity,
    temperature,
    turns,
)

__all__ = [
    "METHODS",
    "WINDOW_NATS",
    "Method",
    "Rotary",
    "Vector",
    "alibi_slopes",
    "alibi_window",
    "closest",
    "frequencies",
    "ntk_base",
    "ramp",
    "resolution",
    "similarity",
    "temperature",
    "turns",
]
