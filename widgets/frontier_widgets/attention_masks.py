"""Masks of attention for a reader's own code; the figure ``LongContextStrategies`` draws them."""

from .long_context_strategies.masks import (
    KINDS,
    Kind,
    Mask,
    Pattern,
    count,
    in_last_row,
    layers_to_see,
    mean_path_length,
    visible,
)

__all__ = [
    "KINDS",
    "Kind",
    "Mask",
    "Pattern",
    "count",
    "in_last_row",
    "layers_to_see",
    "mean_path_length",
    "visible",
]
