"""Which tokens each token sees: eight patterns of attention in numpy, the twin of ``masks.ts``.

Written for figures, where all patterns share their settings. ``count`` gives the number of cells without
drawing them, so that a million tokens cost no more than a few; ``widgets/tests/golden/attention_masks.json``
holds both languages to the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..draws import draws

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
            raise ValueError(f"kind: got {self.kind!r}, wanted one of {', '.join(KINDS)}")
        for name in ("window", "dilation", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 1 or more")
        for name in ("anchors", "random", "seed", "sinks"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 0 or more")

    @property
    def forward(self) -> bool:
        """Whether no token sees a later one."""
        return self.kind in ("causal", "sinks") or (self.kind != "full" and self.causal)

    @property
    def reach(self) -> int:
        """Steps of ``dilation`` that a window goes back, and on if it is not causal."""
        return self.window - 1 if self.forward else self.window // 2


def visible(pattern: Pattern, n: int) -> Mask:
    """The mask ``[n, n]``: whether the token of a row sees that of a column.

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n: got {n}, wanted 1 or more")
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


def _ramp(most: int, rows: int) -> int:
    """Sum of ``min(row, most)`` over the first rows."""
    rising = max(0, min(rows, most + 1))
    return rising * (rising - 1) // 2 + max(0, rows - rising) * most


def count(pattern: Pattern, n: int) -> int:
    """Cells of the mask that are visible, without going through the rows."""
    if n < 1:
        raise ValueError(f"n: got {n}, wanted 1 or more")
    sides = 1 if pattern.forward else 2
    reach = pattern.reach
    match pattern.kind:
        case "full":
            return n * n
        case "causal":
            return n * (n + 1) // 2
        case "strided":
            turns, rest = divmod(n, pattern.stride)
            strided = pattern.stride * turns * (turns - 1) // 2 + turns * rest  # sum of row // stride
            return sides * (n + _ramp(pattern.stride - 1, n) + strided) - (sides - 1) * n
        case "dilated":
            turns, rest = divmod(n, pattern.dilation)
            return n + sides * (pattern.dilation * _ramp(reach, turns) + rest * min(reach, turns))
    near = n + sides * _ramp(reach, n)
    if pattern.kind == "window":
        return near
    if pattern.kind == "sinks":
        return near + _ramp(pattern.sinks, n - reach)
    # Rows of the anchors see all; the others see the anchors that lie before their window.
    a = min(pattern.anchors, n)
    all_of_them = a * (a + 1) // 2 if pattern.forward else a * n
    own = a + _ramp(reach, a) + (0 if pattern.forward else _ramp(reach, n) - _ramp(reach, n - a))
    seen = all_of_them + near - own + _ramp(a, n - reach) - _ramp(a, a - reach)
    if pattern.kind == "global":
        return seen
    if pattern.forward:
        return seen + _ramp(pattern.random, n - reach - a)
    if n - 1 - 2 * reach - a >= pattern.random:
        return seen + (n - a) * pattern.random
    hidden = (max(0, row - reach - a) + max(0, n - 1 - row - reach) for row in range(a, n))
    return seen + sum(min(pattern.random, free) for free in hidden)


def in_last_row(pattern: Pattern, n: int) -> int:
    """Tokens that the last token sees, itself among them."""
    reach, last = pattern.reach, n - 1
    match pattern.kind:
        case "full" | "causal":
            return n
        case "strided":
            return min(pattern.stride, n) + last // pattern.stride
        case "dilated":
            return 1 + min(reach, last // pattern.dilation)
    near = 1 + min(reach, last)
    before = max(0, last - reach)
    if pattern.kind == "window":
        return near
    if pattern.kind == "sinks":
        return near + min(pattern.sinks, before)
    if last < pattern.anchors:
        return n
    seen = near + min(pattern.anchors, before)
    return seen + (min(pattern.random, n - seen) if pattern.kind == "random" else 0)


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
