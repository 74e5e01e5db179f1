"""Routing: which experts a token takes, with what weight, and the losses that keep the load even."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from frontier_kernels.ops import library, sum_dtype

FLOATS = (torch.float32, torch.float64, torch.bfloat16)


class Routing(NamedTuple):
    """The plan of one batch: T tokens, k slots each, E experts.

    A slot is one token's j-th choice, numbered t k + j.

    Attributes:
        weights: ``[T, k]``, float32 (float64 for float64 logits); differentiable with respect to the logits.
        experts: ``[T, k]`` int64, the chosen experts, best first.
        counts: ``[E]`` int64, slots that each expert serves.
        demand: ``[E]`` int64, slots that asked for each expert; more than ``counts`` where a capacity drops
            some.
        offsets: ``[E + 1]`` int64; expert e owns rows ``offsets[e]`` to ``offsets[e + 1]`` of what is
            dispatched.
        slot_to_row: ``[T, k]`` int64, the row that a slot went to, -1 if it was dropped.
        row_to_slot: ``[T k]`` int64, the slot that a row came from; -1 in the unused rows at the end.
        dropped: ``[T, k]`` bool, slots that found their expert full; a token without any other keeps its
            residual path only.
    """

    weights: Tensor
    experts: Tensor
    counts: Tensor
    demand: Tensor
    offsets: Tensor
    slot_to_row: Tensor
    row_to_slot: Tensor
    dropped: Tensor


def check_logits(logits: Tensor) -> None:
    """Raise unless ``logits`` is ``[tokens, experts]``, of a float type that the kernels have, on the CPU."""
    if logits.dtype not in FLOATS:
        raise TypeError(f"logits: got {logits.dtype}, wanted float32, float64 or bfloat16")
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(
            f"logits: got shape {tuple(logits.shape)}, wanted [tokens, experts] with at least one expert"
        )
    if logits.device.type != "cpu":
        raise ValueError(
            f"logits: got a tensor on {logits.device}, wanted cpu: "
            f"this build has no {logits.device.type} kernels"
        )


def expert_capacity(num_tokens: int, num_experts: int, top_k: int, capacity_factor: float) -> int:
    """Slots that each expert may serve: ``ceil(capacity_factor · T · k / E)``.

    Raises:
        ValueError: the factor is not positive.

    Source: Fedus et al., "Switch Transformers" (2022), eq. 3, with k choices for each token.
    """
    if capacity_factor <= 0:
        raise ValueError(
            f"capacity_factor: got {capacity_factor}, wanted more than 0 (leave capacity out for dropless)"
        )
    return math.ceil(capacity_factor * num_tokens * top_k / num_experts)


def route(
    logits: Tensor,
    top_k: int,
    *,
    scoring: Literal["softmax", "sigmoid"] = "softmax",
    renormalize: bool = True,
    expert_bias: Tensor | None = None,
    num_groups: int | None = None,
    top_k_groups: int | None = None,
    capacity: int | None = None,
) -> Routing:
    """Choose each token's experts and group the slots by expert, without sorting.

    Args:
        logits: router scores before softmax or sigmoid, ``[T, E]``, float32, float64 or bfloat16.
        top_k: experts a token takes, 1 to E; the lower index wins a tie.
        scoring: ``"softmax"`` over the experts, or ``"sigmoid"`` of each (DeepSeek-V3).
        renormalize: divide a token's k weights by their sum, as Mixtral does.
        expert_bias: ``[E]``, added to the scores for the choice only, never to the weights (loss-free
            balance).
        num_groups: split the experts into this many equal groups and choose within the best of them only.
        top_k_groups: how many groups stay open; a group scores the sum of its two best experts.
        capacity: slots that an expert serves, in token order; later ones are dropped. ``None``: no limit.

    Returns:
        The plan; its shapes depend on T, k and E alone, so it goes through ``torch.compile``.

    Raises:
        TypeError: the dtype of ``logits`` is not supported, or that of ``expert_bias`` is no float.
        ValueError: an argument does not fit; the message says which, what came and what was wanted.

    Source: Shazeer et al. (2017); Fedus et al. (2022) for the capacity; DeepSeek-AI, "DeepSeek-V3" (2024),
    section 2.1.2, for the bias and the groups.
    """
    check_logits(logits)
    experts_total = logits.shape[1]
    if not 1 <= top_k <= experts_total:
        raise ValueError(f"top_k: got {top_k}, wanted 1 to {experts_total} (the number of experts)")
    if scoring not in ("softmax", "sigmoid"):
        raise ValueError(f"scoring: got {scoring!r}, wanted 'softmax' or 'sigmoid'")
    if capacity is not None and capacity < 0:
        raise ValueError(f"capacity: got {capacity}, wanted 0 or more slots for each expert, or None")
    if expert_bias is not None and not expert_bias.is_floating_point():
        raise TypeError(f"expert_bias: got {expert_bias.dtype}, wanted a float dtype")
    if expert_bias is not None and expert_bias.shape != (experts_total,):
        raise ValueError(f"expert_bias: got shape {tuple(expert_bias.shape)}, wanted [{experts_total}]")
    groups, open_groups = _groups(experts_total, top_k, num_groups, top_k_groups)

    wide = logits.to(sum_dtype(logits.dtype))  # [T, E]
    scores = wide.softmax(-1) if scoring == "softmax" else wide.sigmoid()  # [T, E]
    biased = (
        scores.detach() if expert_bias is None else scores.detach() + expert_bias.detach().to(scores.dtype)
    )
    experts = library.select_experts(biased, top_k, groups, open_groups)  # [T, k]
    weights = scores.gather(1, experts)  # [T, k]
    if renormalize:
        weights = weights / weights.sum(-1, keepdim=True)
    plan = library.permute_slots(experts, experts_total, -1 if capacity is None else capacity)
    counts, demand, offsets, slot_to_row, row_to_slot = plan
    return Routing(weights, experts, counts, demand, offsets, slot_to_row, row_to_slot, slot_to_row < 0)


def _groups(experts: int, top_k: int, num_groups: int | None, top_k_groups: int | None) -> tuple[int, int]:
    if num_groups is None:
        if top_k_groups is not None:
            raise ValueError(f"top_k_groups: got {top_k_groups} without num_groups, wanted both or neither")
        return 1, 1
    if num_groups < 1 or experts % num_groups:
        raise ValueError(
            f"num_groups: got {num_groups}, wanted a divisor of {experts} (the number of experts)"
        )
    chosen = num_groups if top_k_groups is None else top_k_groups
    if not 1 <= chosen <= num_groups:
        raise ValueError(f"top_k_groups: got {chosen}, wanted 1 to {num_groups} (num_groups)")
    if chosen * (experts // num_groups) < top_k:
        raise ValueError(
            f"top_k_groups: got {chosen} groups of {experts // num_groups} experts, "
            f"wanted at least top_k = {top_k} experts in them"
        )
    return num_groups, chosen


def load_balancing_loss(
    logits: Tensor, experts: Tensor, *, mask: Tensor | None = None, sum_over_top_k: bool = False
) -> Tensor:
    """Switch's balance loss E Σ f_i P_i of one layer: 1 when the load is even, whatever k is.

    Args:
        logits: router scores before softmax, ``[T, E]``, any float dtype.
        experts: the chosen experts, ``[T, k]`` int64, as in ``Routing.experts``.
        mask: ``[T]``, nonzero where a token counts; padding left out. ``None``: every token counts.
        sum_over_top_k: count f over the k choices without dividing by k, so that even is k, as transformers
            do.

    Returns:
        Scalar in float32 (float64 for float64 logits). Its gradient flows through P only.

    Raises:
        ValueError: a shape does not fit.

    Source: Fedus et al., "Switch Transformers" (2022), eq. 4 to 6.
    """
    if logits.ndim != 2:
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, wanted [tokens, experts]")
    tokens, num_experts = logits.shape
    if experts.ndim != 2 or experts.shape[0] != tokens:
        raise ValueError(f"experts: got shape {tuple(experts.shape)}, wanted [{tokens}, top_k]")
    if mask is not None and mask.shape != (tokens,):
        raise ValueError(f"mask: got shape {tuple(mask.shape)}, wanted [{tokens}]")
    probability = logits.to(sum_dtype(logits.dtype)).softmax(-1)  # [T, E]
    share = probability.new_ones(tokens) if mask is None else (mask != 0).to(probability.dtype)
    share = share / share.sum().clamp_min(1)  # [T]
    chosen = torch.nn.functional.one_hot(experts, num_experts).to(probability.dtype).sum(1)
    f = (share[:, None] * chosen).sum(0)  # [E], sums to k
    mean = (share[:, None] * probability).sum(0)  # [E]
    loss = num_experts * (f * mean).sum()
    return loss if sum_over_top_k else loss / experts.shape[1]


def router_z_loss(logits: Tensor) -> Tensor:
    """Mean squared log-partition of the router, which keeps its logits small.

    Args:
        logits: router scores before softmax, ``[tokens, experts]``, any float dtype.

    Returns:
        Scalar in float32 (float64 for float64 logits), in nats squared; 0 for no tokens.

    Raises:
        ValueError: ``logits`` is not two-dimensional or has no experts.

    Source: Zoph et al., "ST-MoE" (2022), eq. 5.
    """
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(
            f"logits: got shape {tuple(logits.shape)}, wanted [tokens, experts] with at least one expert"
        )
    partition = logits.to(sum_dtype(logits.dtype)).logsumexp(-1)  # [T]
    return partition.square().sum() / max(1, logits.shape[0])


@torch.no_grad()
def update_expert_bias(expert_bias: Tensor, demand: Tensor, *, update_rate: float = 1e-3) -> Tensor:
    """One step of loss-free balancing: raise the bias of experts below the mean demand, lower it above.

    Args:
        expert_bias: ``[E]``, any float dtype.
        demand: slots that asked for each expert, ``[E]``, as in ``Routing.demand``.
        update_rate: size of the step.

    Returns:
        The new bias, ``[E]``; the argument is left as it was.

    Raises:
        ValueError: the shapes differ.

    Source: Wang et al., "Auxiliary-Loss-Free Load Balancing Strategy" (2024), algorithm 1.
    """
    if expert_bias.shape != demand.shape or expert_bias.ndim != 1:
        raise ValueError(
            f"demand: got shape {tuple(demand.shape)} for a bias of {tuple(expert_bias.shape)}, "
            "wanted both [experts]"
        )
    error = demand.to(torch.float64).mean() - demand.to(torch.float64)  # [E]
    return expert_bias + update_rate * error.sign().to(expert_bias.dtype)
