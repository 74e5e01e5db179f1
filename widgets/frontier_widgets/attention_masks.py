"""Which tokens each token sees: eight patterns of attention in numpy, the twin of ``attention_masks.ts``.

Written for figures, where all patterns share their settings. ``count`` gives the number of cells without
drawing them, so that a million tokens cost nothing; ``widgets/tests/golden/attention_masks.json`` holds both
languages to the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["full", "causal", "window", "dilated", "global", "random", "strided", "sinks"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pattern:
    """A pattern and its settings; a pattern reads those that it has.

    Attributes:
        kind: which pattern.
        causal: no token sees a later one; ``causal`` and ``sinks`` always are, ``full`` never is.
        window: tokens in a window, itself among them. Causal, it ends at the token; else half of the others
            lie on either side, so an even number is rounded up.
        dilation: tokens from one visible token to the next in ``dilated``.
        anchors: tokens at the front that all see in ``global`` and ``random``, and that see all.
        random: further tokens that each token sees in ``random``.
        seed: of these.
        stride: of ``strided``, whose tokens see the last ``stride`` ones and every ``stride``-th before.
        sinks: tokens at the front that all see in ``sinks``.

    Sources: Child et al., "Generating Long Sequences with Sparse Transformers" (2019): ``strided``; Beltagy
    et al., "Longformer" (2020): ``window``, ``dilated``, ``global``; Zaheer et al., "Big Bird" (2020):
    ``random``, here by tokens, there by blocks; Xiao et al., "Efficient Streaming Language Models with
    Attention Sinks" (2023): ``sinks``.
    """

    kind: Kind
    causal: bool = True
    window: int = 8
    dilation: int = 2
    anchors: int = 1
    random: int = 2
    seed: int = 0
    stride: int = 8
    sinks: int = 4

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, wanted one of {', '.join(KINDS)}")
        for name in ("window", "dilation", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, wanted 1 or more")
        for name in ("anchors", "random", "seed", "sinks"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, wanted 0 or more")

    @property
    def forward(self) -> bool:
        """Whether no token sees a later one."""
        return self.kind in ("causal", "sinks") or (self.kind != "full" and self.causal)

    @property
    def reach(self) -> int:
        """Steps of ``dilation`` that a window goes back, and on if it is not causal."""
        return self.window - 1 if self.forward else self.window // 2


def draws(seed: int, row: int) -> Iterator[float]:
    """Uniform numbers in [0, 1) of a row, the same in both languages: Tommy Ettinger's mulberry32."""
    state = (seed * 0x9E3779B1 + row * 0x85EBCA6B) & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((mixed ^ (mixed >> 14)) & 0xFFFFFFFF) / 4294967296


def visible(pattern: Pattern, n: int) -> Mask:
    """The mask ``[n, n]``: whether the token of a row sees that of a column.

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}, wanted 1 or more")
    back = np.arange(n)[:, None] - np.arange(n)[None, :]  # [n, n], how far back the column lies
    far = np.abs(back)
    key, query = np.arange(n)[None, :], np.arange(n)[:, None]
    near: Mask = far <= pattern.reach
    mask: Mask
    match pattern.kind:
        case "full" | "causal":
            mask = np.ones((n, n), bool)
        case "window":
            mask = near
        case "dilated":
            mask = (far <= pattern.reach * pattern.dilation) & (far % pattern.dilation == 0)
        case "global" | "random":
            mask = near | (key < pattern.anchors) | (query < pattern.anchors)
        case "strided":
            mask = (far < pattern.stride) | (far % pattern.stride == 0)
        case "sinks":
            mask = near | (key < pattern.sinks)
    if pattern.forward:
        mask = mask & (back >= 0)
    if pattern.kind == "random":
        for row in range(n):
            hidden = np.flatnonzero(~mask[row, : row + 1 if pattern.forward else n]).tolist()
            numbers = draws(pattern.seed, row)
            for _ in range(min(pattern.random, len(hidden))):
                mask[row, hidden.pop(int(next(numbers) * len(hidden)))] = True
    return mask


def _in_row(pattern: Pattern, n: int, row: int) -> int:
    """Visible tokens of a row, without drawing it; not for ``strided``."""
    last = row if pattern.forward else n - 1
    if pattern.kind in ("full", "causal"):
        return last + 1
    step = pattern.dilation if pattern.kind == "dilated" else 1
    if step > 1:
        before = min(pattern.reach, row // step)
        after = 0 if pattern.forward else min(pattern.reach, (n - 1 - row) // step)
        return before + 1 + after
    anchors = pattern.anchors if pattern.kind in ("global", "random") else 0
    if row < anchors:
        return last + 1
    if pattern.kind == "sinks":
        anchors = pattern.sinks
    first = max(0, row - pattern.reach)
    end = min(last, row + pattern.reach)
    found = end - first + 1 + min(anchors, first)
    if pattern.kind == "random":
        found += min(pattern.random, last + 1 - found)
    return found


def count(pattern: Pattern, n: int) -> int:
    """Cells of the mask that are visible, in time that does not grow with ``n``."""
    if n < 1:
        raise ValueError(f"n is {n}, wanted 1 or more")
    if pattern.kind in ("full", "causal"):
        return n * n if pattern.kind == "full" else n * (n + 1) // 2
    if pattern.kind == "strided":
        s = min(pattern.stride, n)
        local = s * (s + 1) // 2 + (n - s) * s
        turns, rest = divmod(n, pattern.stride)
        strided = pattern.stride * turns * (turns - 1) // 2 + turns * rest  # sum of row // stride
        return local + strided if pattern.forward else 2 * (local + strided) - n
    # Rows differ near both ends only: beyond the window, the anchors and what random tokens need to be free.
    edge = pattern.reach * pattern.dilation + max(pattern.anchors, pattern.sinks) + pattern.random + 1
    if n <= 2 * edge + 1:
        return sum(_in_row(pattern, n, row) for row in range(n))
    ends = sum(_in_row(pattern, n, row) + _in_row(pattern, n, n - 1 - row) for row in range(edge))
    return ends + (n - 2 * edge) * _in_row(pattern, n, edge)


def in_last_row(pattern: Pattern, n: int) -> int:
    """Tokens that the last token sees, itself among them."""
    if pattern.kind == "strided":
        return min(pattern.stride, n) + (n - 1) // pattern.stride
    return _in_row(pattern, n, n - 1)


def layers_to_see(mask: Mask) -> NDArray[np.int64]:
    """By how many layers the last token sees each token: 0 for itself, -1 for never, ``[n]``."""
    n = len(mask)
    found = np.full(n, -1, np.int64)
    found[-1] = 0
    front, layer = np.zeros(n, bool), 0
    front[-1] = True
    while front.any():
        layer += 1
        front = mask[front].any(0) & (found < 0)
        found[front] = layer
    return found


def mean_path_length(mask: Mask) -> tuple[float, float]:
    """Fewest layers from one token to another, over all pairs that can: mean, and the share of such pairs.

    Pairs of a token with itself are left out; in a causal mask only pairs that look back can.
    """
    n = len(mask)
    length = np.full((n, n), -1, np.int64)
    np.fill_diagonal(length, 0)
    front, layer = np.eye(n, dtype=bool), 0
    while front.any():
        layer += 1
        front = (front.astype(np.int64) @ mask.astype(np.int64) > 0) & (length < 0)
        length[front] = layer
    joined = length > 0
    pairs = int(joined.sum())
    return (float(length[joined].mean()) if pairs else 0.0, pairs / max(1, n * (n - 1)))
