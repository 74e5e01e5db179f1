"""Ways to choose experts, side by side on the same router scores: the twin of ``routers.ts``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..draws import draws

ROUTERS = ("switch", "top2", "noisy", "expert_choice", "loss_free", "shared")
NOISE = 0.5
"""Standard deviation of the noise over that of the scores; in the paper it is learnt."""
BIAS_STEPS = 400
BIAS_RATE = 0.005
"""Steps of the bias by the sign of the lack of load, as in DeepSeek-V3, but on these tokens alone; so few are
alike that steps of one size would swing for ever, and they shrink to nothing."""


@dataclass(frozen=True)
class Routed:
    """What one router makes of the scores.

    Attributes:
        name: one of ``ROUTERS``.
        top_k: routed choices of a token.
        counts: assignments per expert before capacity, ``[experts]``; a shared expert is not among them.
        capacity: slots per expert, or ``None`` when dropless.
        balance_loss: ``experts * sum(f * P)``, with P of the softmax.
        cv: standard deviation of ``counts`` over their mean.
        entropy: entropy of f in bits.
        drop_fraction: dropped assignments over all.
        unserved: share of the tokens that no expert computes.
    """

    name: str
    top_k: int
    counts: NDArray[np.int64]
    capacity: int | None
    balance_loss: float
    cv: float
    entropy: float
    drop_fraction: float
    unserved: float


def _normals(seed: int, count: int) -> NDArray[np.float64]:
    uniform = np.array(list(islice(draws(seed, 0), 2 * count))).reshape(count, 2)
    found: NDArray[np.float64] = np.sqrt(-2 * np.log(1 - uniform[:, 0])) * np.cos(2 * np.pi * uniform[:, 1])
    return found


def _best(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :count].astype(np.int64)


def _with_bias(scores: NDArray[np.float64], top_k: int) -> NDArray[np.float64]:
    """Scores to which bias is added until the loads are even; the bias chooses and does not weigh."""
    tokens, experts = scores.shape
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is the 0 that is meant
        affinity = 1 / (1 + np.exp(-scores))
    bias: NDArray[np.float64] = np.zeros(experts)
    for step in range(BIAS_STEPS):
        counts = np.bincount(_best(affinity + bias, top_k).reshape(-1), minlength=experts)
        bias = bias + BIAS_RATE * (1 - step / BIAS_STEPS) * np.sign(tokens * top_k - counts * experts)
    found: NDArray[np.float64] = affinity + bias
    return found


def compare_routers(logits: ArrayLike, capacity_factor: float = 0.0, seed: int = 0) -> list[Routed]:
    """Every router of ``ROUTERS`` on the same scores.

    Args:
        logits: router scores before softmax, ``[tokens, experts]``.
        capacity_factor: slots are ``ceil(factor * k * tokens / experts)`` for each router's own k; 0 is
            dropless, and 1 for expert choice, which has no choice without a number.
        seed: of the noise.

    Raises:
        ValueError: an argument is out of its range.

    Sources: switch, arXiv:2101.03961; top-2, arXiv:2006.16668; noisy, arXiv:1701.06538; expert choice,
    arXiv:2202.09368; loss-free, arXiv:2408.15664; shared expert, arXiv:2401.06066.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"logits: got shape {scores.shape}, wanted [tokens, experts], neither of them 0")
    if not (capacity_factor >= 0 and math.isfinite(capacity_factor)):
        raise ValueError(f"capacity_factor: got {capacity_factor}, wanted 0 (dropless) or a positive number")
    tokens, experts = scores.shape
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = []
    for name in ROUTERS:
        top_k = min(experts, 1 if name in ("switch", "shared") else 2)
        factor = capacity_factor or (1.0 if name == "expert_choice" else 0.0)
        capacity = math.ceil(factor * top_k * tokens / experts - 1e-9) if factor else None
        kept = np.zeros(tokens, dtype=np.int64)
        dropped = 0
        if name == "expert_choice":
            capacity = min(tokens, capacity or 0)
            counts = np.full(experts, capacity, dtype=np.int64)
            chosen = np.argsort(-probabilities, axis=0, kind="stable")[:capacity]  # [C, E]
            kept += np.bincount(chosen.reshape(-1), minlength=tokens)
        else:
            by = scores
            if name == "noisy":
                by = scores + NOISE * scores.std() * _normals(seed, scores.size).reshape(scores.shape)
            elif name == "loss_free":
                by = _with_bias(scores, top_k)
            one_hot = np.zeros((tokens * top_k, experts), dtype=np.int64)
            one_hot[np.arange(tokens * top_k), _best(by, top_k).reshape(-1)] = 1
            place = (one_hot.cumsum(axis=0) * one_hot).sum(axis=1) - 1
            fits = np.ones_like(place, dtype=bool) if capacity is None else place < capacity
            kept += fits.reshape(tokens, top_k).sum(axis=1) + (name == "shared")
            counts, dropped = one_hot.sum(axis=0), int((~fits).sum())
        f = counts / counts.sum()
        used = f[f > 0]
        found.append(
            Routed(
                name=name,
                top_k=top_k,
                counts=counts,
                capacity=capacity,
                balance_loss=float(experts * (f * probabilities.mean(axis=0)).sum()),
                cv=float(counts.std() / counts.mean()),
                entropy=float(-(used * np.log2(used)).sum()) + 0.0,
                drop_fraction=float(dropped / counts.sum()),
                unserved=float((kept == 0).mean()),
            )
        )
    return found
