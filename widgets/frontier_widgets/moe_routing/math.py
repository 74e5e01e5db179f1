"""Top-k routing with capacity in numpy, float64: the twin of ``math.ts``.

The figure computes in the browser and Python computes here; ``widgets/tests/golden/moe_routing.json`` holds
both to the same numbers (relative error at most 1e-6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..draws import draws


@dataclass(frozen=True)
class Routing:
    """Where the tokens of one layer go.

    Attributes:
        probabilities: softmax(logits / temperature), ``[tokens, experts]``, float64.
        experts: experts of each token, best first, ``[tokens, top_k]``, int64; ties go to the lower index.
        weights: combine weights before any drop, ``[tokens, top_k]``, float64.
        kept: whether the expert had a slot left, ``[tokens, top_k]``, bool.
        slots: place in the expert's queue, -1 where dropped, ``[tokens, top_k]``, int64.
        capacity: slots per expert, or ``None`` when dropless.
        counts: assignments per expert before capacity, ``[experts]``, int64; all ``top_k`` choices count.
        f: ``counts / (top_k * tokens)``, sums to 1, ``[experts]``.
        P: mean probability, sums to 1, ``[experts]``.
        balance_loss: ``experts * sum(f * P)``: 1 when balanced, at most ``experts / top_k``.
            ``transformers``' ``load_balancing_loss_func`` sums f over the choices: ``top_k`` times this.
        cv: standard deviation of ``counts`` over their mean.
        entropy: entropy of ``f`` in bits; ``log2(experts)`` when balanced.
        drop_fraction: dropped assignments over all assignments.
        z_loss: mean of ``logsumexp(logits) ** 2``, before the temperature (Zoph et al., arXiv:2202.08906).
    """

    probabilities: NDArray[np.float64]
    experts: NDArray[np.int64]
    weights: NDArray[np.float64]
    kept: NDArray[np.bool_]
    slots: NDArray[np.int64]
    capacity: int | None
    counts: NDArray[np.int64]
    f: NDArray[np.float64]
    P: NDArray[np.float64]
    balance_loss: float
    cv: float
    entropy: float
    drop_fraction: float
    z_loss: float


def route(
    logits: ArrayLike,
    top_k: int,
    *,
    temperature: float = 1.0,
    capacity_factor: float = 0.0,
    renormalize: bool = True,
    priority: bool = False,
) -> Routing:
    """Route tokens, of which the later ones find full experts.

    Args:
        logits: router scores before softmax, ``[tokens, experts]``.
        top_k: experts per token.
        temperature: divides the logits, > 0.
        capacity_factor: slots per expert are ``ceil(factor * top_k * tokens / experts)``; 0 is dropless.
        renormalize: divide the chosen probabilities by their sum, as Mixtral does.
        priority: tokens take slots by their highest probability, all first choices before the second ones,
            as batch prioritised routing does; else in order of arrival.

    Raises:
        ValueError: an argument is out of its range; the message names it, what came and what was wanted.

    Source: Shazeer et al. (2017), arXiv:1701.06538; capacity and loss: Fedus et al. (2022), arXiv:2101.03961,
    eq. 3-6; priority: Riquelme et al. (2021), arXiv:2106.05974, section 4.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(
            f"logits: got shape {scores.shape}, wanted [tokens, experts] with at least one expert"
        )
    tokens, experts = scores.shape
    if not 1 <= top_k <= experts:
        raise ValueError(f"top_k: got {top_k}, wanted 1 to {experts}, the number of experts")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature: got {temperature}, wanted a positive number")
    if not (capacity_factor >= 0 and math.isfinite(capacity_factor)):
        raise ValueError(f"capacity_factor: got {capacity_factor}, wanted 0 (dropless) or a positive number")

    highest = scores.max(axis=1, keepdims=True)
    log_sums = highest[:, 0] + np.log(np.exp(scores - highest).sum(axis=1))
    exponentials = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    ranked = np.argsort(-scores, axis=1, kind="stable")  # stable: ties go to the lower index
    chosen = ranked[:, :top_k].astype(np.int64)
    weights = np.take_along_axis(probabilities, chosen, axis=1)
    if renormalize:
        weights = weights / weights.sum(axis=1, keepdims=True)

    order = np.arange(tokens * top_k)
    if priority:
        sure = np.argsort(-np.take_along_axis(probabilities, chosen[:, :1], axis=1)[:, 0], kind="stable")
        order = (sure[None, :] * top_k + np.arange(top_k)[:, None]).reshape(-1)
    one_hot = np.zeros((tokens * top_k, experts), dtype=np.int64)
    one_hot[np.arange(tokens * top_k), chosen.reshape(-1)[order]] = 1
    counts = one_hot.sum(axis=0)
    queue = np.empty(tokens * top_k, dtype=np.int64)
    queue[order] = (one_hot.cumsum(axis=0) - 1)[np.arange(tokens * top_k), chosen.reshape(-1)[order]]
    place = queue.reshape(tokens, top_k)
    capacity = math.ceil(capacity_factor * top_k * tokens / experts - 1e-9) if capacity_factor > 0 else None
    kept = np.ones_like(place, dtype=np.bool_) if capacity is None else place < capacity

    assignments = tokens * top_k
    f = counts / assignments if assignments else np.zeros(experts)
    mean_probability = probabilities.mean(axis=0) if tokens else np.zeros(experts)
    used = f[f > 0]
    return Routing(
        probabilities=probabilities,
        experts=chosen,
        weights=weights,
        kept=kept,
        slots=np.where(kept, place, -1),
        capacity=capacity,
        counts=counts,
        f=f,
        P=mean_probability,
        balance_loss=float(experts * (f * mean_probability).sum()),
        cv=float(counts.std() / counts.mean()) if assignments else 0.0,
        entropy=float(-(used * np.log2(used)).sum()) + 0.0,
        drop_fraction=float((~kept).mean()) if assignments else 0.0,
        z_loss=float(np.mean(log_sums**2)) if tokens else 0.0,
    )


def mutual_information(routing: Routing, groups: ArrayLike) -> float:
    """Bits that an expert tells about the group of its token, over all assignments.

    Args:
        routing: from :func:`route`.
        groups: number of each token's group, from 0, ``[tokens]``.
    """
    named = np.repeat(np.asarray(groups, dtype=np.int64), routing.experts.shape[1])
    table = np.zeros((int(named.max(initial=0)) + 1, len(routing.counts)))
    np.add.at(table, (named, routing.experts.reshape(-1)), 1 / max(1, named.size))
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True)
    seen = table > 0
    return float((table[seen] * np.log2(table[seen] / expected[seen])).sum())


def shuffled_information(
    routing: Routing, groups: ArrayLike, times: int, seed: int = 0
) -> NDArray[np.float64]:
    """:func:`mutual_information` after the groups were shuffled among the tokens, ``times`` times, rising."""
    found = []
    for time in range(times):
        shuffled = [int(group) for group in np.asarray(groups).reshape(-1)]
        uniform = draws(seed, time)
        for i in range(len(shuffled) - 1, 0, -1):
            j = int(next(uniform) * (i + 1))
            shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
        found.append(mutual_information(routing, shuffled))
    return np.sort(found)


@dataclass(frozen=True)
class Parallel:
    """Experts laid on devices.

    Attributes:
        load: kept assignments that each device computes, ``[devices]``.
        sent: token vectors that each device sends to others, and gets back, ``[devices]``.
        straggler: largest load over the mean: the others wait for it.
    """

    load: NDArray[np.int64]
    sent: NDArray[np.int64]
    straggler: float


def expert_parallel(routing: Routing, devices: int) -> Parallel:
    """Experts and tokens laid on devices in equal blocks, in order.

    Raises:
        ValueError: ``devices`` does not divide the number of experts.
    """
    experts = len(routing.counts)
    if devices < 1 or experts % devices:
        raise ValueError(f"devices: got {devices}, wanted a divisor of the {experts} experts")
    tokens, top_k = routing.experts.shape
    home = np.repeat(np.arange(tokens) * devices // max(1, tokens), top_k)[routing.kept.reshape(-1)]
    away = (routing.experts.reshape(-1) * devices // experts)[routing.kept.reshape(-1)]
    load = np.bincount(away, minlength=devices)
    sent = np.bincount(home[home != away], minlength=devices)
    return Parallel(load, sent, float(load.max() * devices / load.sum()) if load.sum() else 0.0)


@dataclass(frozen=True)
class TokenPath:
    """Where one token goes, layer by layer.

    Attributes:
        experts: experts of the token in each layer, best first, ``[layers, top_k]``, int64.
        weights: their combine weights, ``[layers, top_k]``, float64.
        alike: tokens whose first choice is the same in every layer, this one among them.
    """

    experts: NDArray[np.int64]
    weights: NDArray[np.float64]
    alike: int


def token_path(
    logits: ArrayLike, token: int, top_k: int, *, temperature: float = 1.0, renormalize: bool = True
) -> TokenPath:
    """The way of one token through all layers.

    Args:
        logits: router scores before softmax, ``[layers, tokens, experts]``.
        token: index of the token.
        top_k, temperature, renormalize: as :func:`route` takes them.

    Raises:
        ValueError: ``logits`` is no such array, or has no such token.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 3:
        raise ValueError(f"logits: got shape {scores.shape}, wanted [layers, tokens, experts]")
    if not 0 <= token < scores.shape[1]:
        raise ValueError(f"token: got {token}, wanted 0 to {scores.shape[1] - 1}")
    layers = [
        route(layer[token : token + 1], top_k, temperature=temperature, renormalize=renormalize)
        for layer in scores
    ]
    first = scores.argmax(axis=-1)  # [layers, tokens], the lower index on a tie
    return TokenPath(
        experts=np.concatenate([layer.experts for layer in layers]),
        weights=np.concatenate([layer.weights for layer in layers]),
        alike=int((first == first[:, token : token + 1]).all(axis=0).sum()),
    )
