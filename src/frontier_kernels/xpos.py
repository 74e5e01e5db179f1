"""xPos: features of queries and keys that fade with distance, each pair at a rate of its own.

The query of step n is multiplied by ζ^(n / base) and the key of step m by ζ^(-m / base), so their product has
ζ^((n - m) / base); ζ rises from 0.29 in the first pair of features nearly to 1 in the last. Counted from the
start of a sequence the factors leave float32 after 70 bases and float16 after 8. So steps are counted within
segments of four bases, from the step before each: no factor is above 151 or below 1 / 151. After a segment
the state, whose rows are features of keys, is multiplied by ζ^(steps / base). It is then what it would be if
the recurrence itself faded, so it depends on no origin, and a sequence can be cut anywhere.

Source: Sun et al., "A Length-Extrapolatable Transformer" (2022), section 3.2, with ζ and the usual base, 512,
of the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BASES = 4
"""Bases in a segment."""


def log_fading(pairs: int, base: float, device: torch.device) -> Tensor:
    """ln ζ / base of each pair of features, ``[K/2]`` in float64: what one step adds to its logarithm."""
    pair = torch.arange(pairs, dtype=torch.float64, device=device)
    return torch.log((pair / pairs + 0.4) / 1.4) / base


def query_factors(time: int, pairs: int, base: float, device: torch.device) -> Tensor:
    """What queries are multiplied by and keys divided by, ``[T, 1, K/2]`` in float64."""
    since = torch.arange(time, dtype=torch.float64, device=device).remainder(int(BASES * base)) + 1
    return torch.exp(since[:, None, None] * log_fading(pairs, base, device))


def retain_in_segments(
    retain: Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor | None,
    base: float,
) -> tuple[Tensor, Tensor]:
    """Retention of scaled queries and keys, one segment after the other; between them the state fades.

    Args:
        retain: gives output and last state of q, k, v and a state.
        q: ``[B, T, H, K]``, multiplied by ``query_factors``.
        k: ``[B, T, H, K]``, divided by them.
        v: ``[B, T, H, V]``.
        state: ``[B, H, K, V]``, or with a row more, which does not fade; ``None`` at the start.
        base: ``xpos_scale_base`` of the layer.

    Returns:
        The output ``[B, T, H, V]`` and the last state.
    """
    rates = log_fading(q.shape[3] // 2, base, q.device).repeat_interleave(2)  # [K]
    steps, outputs = int(BASES * base), []
    for start in range(0, max(q.shape[1], 1), steps):
        part = slice(start, start + steps)
        o, last = retain(q[:, part], k[:, part], v[:, part], state)
        assert last is not None
        faded = torch.exp(o.shape[1] * rates)
        faded = torch.cat([faded, faded.new_ones(last.shape[2] - q.shape[3])]).to(last.dtype)
        outputs.append(o)
        state = last * faded[:, None]
    assert state is not None
    return torch.cat(outputs, 1), state
