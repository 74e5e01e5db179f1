"""Retention score normalisation: retention whose scores are weighed against their own sums.

Let D_nm be the product of the decays of steps m + 1 to n, and R = scale · q kᵀ ∘ D the scores. The paper
divides each row of D by the root of its sum, and then each row of the scores by the size of its sum, where
that is more than one. Of the two divisors only the larger is left in the output:

    o_n = a_n / max(|r_n|, √c_n),    a_n = Σ_m R_nm v_m,    r_n = Σ_m R_nm,    c_n = Σ_m D_nm

All three sums are retention themselves, so nothing of size T² is needed and every form has them: a column of
ones next to v gives r, and one next to k puts c into the corner of the state, which is therefore complete:

    S = Σ_m D_nm [k_m, 1]ᵀ [v_m, 1]    [K + 1, V + 1]

What it costs: one more row and column for each head, a copy of q, k and v, and c by itself for all steps at
once, retention with a width of one.

Source: Sun et al., "Retentive Network" (2023), section 2.2, "Retention Score Normalization".
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from frontier_kernels import ops
from frontier_kernels.ops import library, sum_dtype

CHUNK = 64
"""Steps in a chunk of the sums of decays, whatever the form: their state is one number."""


def _augment(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``[q, 0]``, ``[k, 1]`` and ``[v, 1]`` along the width, in the dtype of sums.

    Halves are widened first: a and r nearly cancel in the gradients, and would be rounded to halves before.
    """
    wide = sum_dtype(q.dtype)
    return F.pad(q.to(wide), (0, 1)), F.pad(k.to(wide), (0, 1), value=1), F.pad(v.to(wide), (0, 1), value=1)


def _divide(sums: Tensor, decays: Tensor, dtype: torch.dtype) -> Tensor:
    """``a / max(|r|, √c)`` from ``[a, r]``, ``[..., V + 1]``, and c, ``[..., 1]``."""
    a, r = sums[..., :-1], sums[..., -1:]
    return (a / torch.maximum(r.abs(), decays.sqrt())).to(dtype)


def normalized_retention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None,
    cu_seqlens: Tensor | None,
    chunk_size: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """The operator ``retention`` with normalised scores: same arguments, states ``[N, H, K + 1, V + 1]``."""
    sums, state = ops.retention(*_augment(q, k, v), log_decay, initial_state, cu_seqlens, chunk_size, scale)
    # Without a state to go on from, decays by head sum up the same in every sequence of the batch.
    rows = 1 if log_decay.ndim == 1 and initial_state is None else q.shape[0]
    ones = log_decay.new_ones(rows, q.shape[1], q.shape[2], 1)  # [1 or B, T, H, 1]
    corner = None if initial_state is None else initial_state[..., -1:, -1:]
    decays, _ = ops.retention(ones, ones, ones, log_decay, corner, cu_seqlens, CHUNK, 1.0)
    return _divide(sums, decays, q.dtype), cast(Tensor, state)


def normalized_retention_step(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor, scale: float
) -> Tensor:
    """The operator ``retention_step`` with normalised scores: same arguments, a larger state."""
    sums = library.retention_step(*_augment(q, k, v), state, log_decay, scale)
    return _divide(sums, state[..., -1, -1:], q.dtype)
