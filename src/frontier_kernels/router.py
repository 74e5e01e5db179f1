"""Routing: which experts a token takes, with what weight, and the losses that keep the load even."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from frontier_kernels import ops
from frontier_kernels.checks import FLOATS, can_look, check_device, check_integer, check_tensor
from frontier_kernels.ops import library, run, sum_dtype

Scoring = Literal["softmax", "sigmoid"]


class Routing(NamedTuple):
    """The plan of one batch: T tokens, k slots each, E experts.

    A slot is one token's j-th choice, numbered t k + j.

    Attributes:
        weights: ``[T, k]``, float32 (float64 for float64 logits); differentiable with respect to the logits.
        experts: ``[T, k]`` int64, the chosen experts, best first; -1 where a choice that was made elsewhere
            leaves the slot unused.
        counts: ``[E]`` int64, slots that each expert serves.
        demand: ``[E]`` int64, slots that asked for each expert; more than ``counts`` where a capacity drops
            some.
        offsets: ``[E + 1]`` int64; expert e owns rows ``offsets[e]`` to ``offsets[e + 1]`` of what is
            dispatched.
        slot_to_row: ``[T, k]`` int64, the row that a slot went to, -1 if it was dropped or unused.
        row_to_slot: ``[T k]`` int64, the slot that a row came from; -1 in the unused rows at the end.
        dropped: ``[T, k]`` bool, slots that found their expert full or have none; a token without any other
            keeps its residual path only.
    """

    weights: Tensor
    experts: Tensor
    counts: Tensor
    demand: Tensor
    offsets: Tensor
    slot_to_row: Tensor
    row_to_slot: Tensor
    dropped: Tensor


def check_routing(routing: Any) -> None:
    """Raise unless this is a plan of ours."""
    if not isinstance(routing, Routing):
        raise TypeError(f"routing: got {type(routing).__name__}, wanted a Routing, as route gives it")


def check_logits(logits: Tensor) -> None:
    """Raise unless ``logits`` is ``[tokens, experts]``, of a type and on a device that the kernels have."""
    check_tensor("logits", logits)
    if logits.dtype not in FLOATS:
        raise TypeError(f"logits: got {logits.dtype}, wanted float32, float64, bfloat16 or float16")
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(
            f"logits: got shape {tuple(logits.shape)}, wanted [tokens, experts] with at least one expert"
        )
    check_device("logits", logits)


def expert_capacity(num_tokens: int, num_experts: int, top_k: int, capacity_factor: float) -> int:
    """Slots that each expert may serve: ``ceil(capacity_factor · T · k / E)``, the factor to six decimals.

    Args:
        num_tokens: T, zero or more.
        num_experts: E.
        top_k: slots of each token.
        capacity_factor: 1 for just enough room when the load is even.

    Raises:
        ValueError: the factor is no number of at least 0.000001.

    Source: Fedus et al., "Switch Transformers" (2022), eq. 3, with k choices for each token.
    """
    if not 1e-6 <= capacity_factor < math.inf:
        raise ValueError(
            f"capacity_factor: got {capacity_factor}, wanted more than 0 (leave capacity out for dropless)"
        )
    # In whole numbers: 1.1 times 10 slots are 11, where floats round up to 12, and a compiled graph keeps the
    # number of tokens open.
    millionths = round(capacity_factor * 1_000_000)
    return -(-millionths * num_tokens * top_k // (1_000_000 * num_experts))


def check_choice(
    num_experts: int,
    top_k: int,
    scoring: str,
    num_groups: int | None,
    top_k_groups: int | None,
    routed_scaling_factor: float | Tensor,
) -> tuple[int, int]:
    """Raise an error that names the option of ``route`` that does not fit; return group counts."""
    check_integer("top_k", top_k)
    if not 1 <= top_k <= num_experts:
        raise ValueError(f"top_k: got {top_k}, wanted 1 to {num_experts} (the number of experts)")
    if scoring not in get_args(Scoring):
        raise ValueError(f"scoring: got {scoring!r}, wanted 'softmax' or 'sigmoid'")
    _check_factor(routed_scaling_factor)
    if num_groups is None:
        if top_k_groups is not None:
            raise ValueError(f"top_k_groups: got {top_k_groups} without num_groups, wanted both or neither")
        return 1, 1
    if check_integer("num_groups", num_groups) < 1 or num_experts % num_groups:
        raise ValueError(
            f"num_groups: got {num_groups}, wanted a divisor of {num_experts} (the number of experts)"
        )
    chosen = num_groups if top_k_groups is None else top_k_groups
    if not 1 <= check_integer("top_k_groups", chosen) <= num_groups:
        raise ValueError(f"top_k_groups: got {chosen}, wanted 1 to {num_groups} (num_groups)")
    if chosen * (num_experts // num_groups) < top_k:
        raise ValueError(
            f"top_k_groups: got {chosen} groups of {num_experts // num_groups} experts, "
            f"wanted at least top_k = {top_k} experts in them"
        )
    return num_groups, chosen


def _check_factor(factor: float | Tensor) -> None:
    if isinstance(factor, Tensor):
        if not factor.is_floating_point():
            raise TypeError(f"routed_scaling_factor: got {factor.dtype}, wanted a float type")
        if factor.numel() != 1:
            raise ValueError(f"routed_scaling_factor: got shape {tuple(factor.shape)}, wanted one number")
        return  # of any size: one that is learnt may pass through zero
    if not 0 < factor < math.inf:
        raise ValueError(f"routed_scaling_factor: got {factor}, wanted a number above 0")


def _check_capacity(capacity: int | None) -> int:
    """What the operators take for a capacity: -1 for none."""
    if capacity is None:
        return -1
    if (capacity := check_integer("capacity", capacity)) < 0:
        raise ValueError(f"capacity: got {capacity}, wanted 0 or more slots for each expert, or None")
    return capacity


def _check_expert_bias(expert_bias: Tensor, logits: Tensor) -> None:
    check_tensor("expert_bias", expert_bias)
    if not expert_bias.is_floating_point():
        raise TypeError(f"expert_bias: got {expert_bias.dtype}, wanted a float dtype")
    if expert_bias.shape != logits.shape[1:]:
        raise ValueError(f"expert_bias: got shape {tuple(expert_bias.shape)}, wanted [{logits.shape[1]}]")
    if expert_bias.device != logits.device:
        raise ValueError(
            f"expert_bias: got a tensor on {expert_bias.device}, wanted {logits.device}, as logits"
        )


def route(
    logits: Tensor,
    top_k: int,
    *,
    scoring: Scoring = "softmax",
    renormalize: bool = True,
    expert_bias: Tensor | None = None,
    num_groups: int | None = None,
    top_k_groups: int | None = None,
    routed_scaling_factor: float | Tensor = 1.0,
    capacity: int | None = None,
) -> Routing:
    """Choose each token's experts and group the slots by expert, without sorting.

    Logits that are NaN raise nothing, since looking for them would cost a pass: the token still gets k
    different experts, its weights are NaN and so is its output, and every other token is untouched (a full
    expert may drop it all the same). An expert whose logit is ``-inf`` weighs nothing.

    Args:
        logits: router scores before softmax or sigmoid, ``[T, E]``, float32, float64, bfloat16 or float16.
        top_k: experts a token takes, 1 to E; the lower index wins a tie.
        scoring: ``"softmax"`` over the experts, or ``"sigmoid"`` of each (DeepSeek-V3).
        renormalize: divide a token's k weights by their sum, as Mixtral does.
        expert_bias: ``[E]``, added to the scores for the choice only, never to the weights (loss-free
            balance).
        num_groups: split the experts into this many equal groups and choose within the best of them only.
        top_k_groups: how many groups stay open; a group scores the sum of its two best experts.
        routed_scaling_factor: multiplies the weights last, so that they keep up with shared experts: a number
            above 0, or a tensor of one number, with its gradient.
        capacity: slots that an expert serves, in token order; later ones are dropped. ``None``: no limit.

    Returns:
        The plan; its shapes depend on T, k and E alone, so it goes through ``torch.compile``.

    Raises:
        TypeError: the dtype of ``logits`` is not supported, or that of ``expert_bias`` is no float.
        ValueError: an argument does not fit; the message says which, what came and what was wanted.

    Source: Shazeer et al. (2017); Fedus et al. (2022) for the capacity; DeepSeek-AI, "DeepSeek-V3" (2024),
    section 2.1.2, for the bias and the groups; its released code for the scaling factor.
    """
    check_logits(logits)
    experts_total = logits.shape[1]
    groups, open_groups = check_choice(
        experts_total, top_k, scoring, num_groups, top_k_groups, routed_scaling_factor
    )
    limit = _check_capacity(capacity)
    if expert_bias is not None:
        _check_expert_bias(expert_bias, logits)

    # The operator takes a number; a tensor multiplies the weights here, and has its gradient from there.
    learnt = routed_scaling_factor if isinstance(routed_scaling_factor, Tensor) else None
    plan = ops.route(
        logits,
        None if expert_bias is None else expert_bias.detach(),
        top_k,
        scoring,
        renormalize,
        groups,
        open_groups,
        routed_scaling_factor if learnt is None else 1.0,
        limit,
    )
    routing = Routing._make(plan)
    if learnt is None:
        return routing
    return routing._replace(weights=routing.weights * learnt.to(routing.weights.dtype).reshape(()))


def _int64(name: str, indices: Tensor) -> Tensor:
    """Indices in int64, which operators take; int32, which other libraries give, is converted."""
    check_tensor(name, indices)
    if indices.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{name}: got {indices.dtype}, wanted torch.int64 or torch.int32")
    return indices.long()


def group_by_expert(
    experts: Tensor, weights: Tensor, num_experts: int, *, capacity: int | None = None
) -> Routing:
    """The plan of a choice that was made elsewhere: another router's, a fixed one, or that of other devices.

    Args:
        experts: chosen experts, ``[T, k]`` int64 or int32, each 0 to E - 1, or -1: then the slot is not used,
            takes no row and no capacity, and is reported as dropped. A token may so have fewer than k.
        weights: ``[T, k]``, any float dtype; kept as they are, with their gradient, zero where a slot is not
            used.
        num_experts: E.
        capacity: slots that an expert serves, in token order; later ones are dropped. ``None``: no limit.

    Returns:
        The plan, as ``route`` gives it.

    Raises:
        TypeError: ``experts`` is not int64 or int32, ``weights`` no float, or a number no int.
        ValueError: a shape, a device or an argument does not fit; the message says which. An index of an
            expert out of range is a ``RuntimeError`` of the operator; on a GPU, where looking would wait for
            it, the slot is dropped.
    """
    experts = _int64("experts", experts)
    check_tensor("weights", weights)
    if not weights.is_floating_point():
        raise TypeError(f"weights: got {weights.dtype}, wanted a float dtype")
    if experts.ndim != 2:
        raise ValueError(f"experts: got shape {tuple(experts.shape)}, wanted [tokens, top_k]")
    check_device("experts", experts)
    if weights.shape != experts.shape:
        raise ValueError(
            f"weights: got shape {tuple(weights.shape)}, wanted {list(experts.shape)}, as experts"
        )
    if weights.device != experts.device:
        raise ValueError(f"weights: got a tensor on {weights.device}, wanted {experts.device}, as experts")
    if (num_experts := check_integer("num_experts", num_experts)) < 1:
        raise ValueError(f"num_experts: got {num_experts}, wanted 1 or more")
    limit = _check_capacity(capacity)
    counts, demand, offsets, slot_to_row, row_to_slot = run(
        library.permute_slots.default, experts, num_experts, limit
    )
    return Routing(weights, experts, counts, demand, offsets, slot_to_row, row_to_slot, slot_to_row < 0)


def with_shared_experts(routing: Routing, shared_experts: int) -> Routing:
    """Let every token visit some more experts with weight 1: more rows of the same plan, for the same kernel.

    The shared experts follow the routed ones, so ``moe_mlp`` takes weights of E + S experts, and one call
    computes both. No capacity limits them and no token is dropped from them. Balance losses and the bias rule
    are about the choice alone: give them the plan from before.

    Args:
        routing: from ``route``, of E experts and k slots for each token.
        shared_experts: S, zero or more.

    Returns:
        A plan of E + S experts and k + S slots for each token, the shared ones last.

    Raises:
        ValueError: ``shared_experts`` is negative.

    Source: Dai et al., "DeepSeekMoE" (2024), section 3.2.
    """
    check_routing(routing)
    if check_integer("shared_experts", shared_experts) < 0:
        raise ValueError(f"shared_experts: got {shared_experts}, wanted 0 or more")
    if shared_experts == 0:
        return routing
    tokens, top_k = routing.experts.shape
    device, slots = routing.experts.device, tokens * (top_k + shared_experts)
    each = torch.arange(shared_experts, device=device)  # [S]
    used = routing.offsets[-1:]  # [1], kept slots of the routed experts
    rows = used + tokens * each + torch.arange(tokens, device=device)[:, None]  # [T, S]
    slot_to_row = torch.cat([routing.slot_to_row, rows], 1)  # [T, k + S]
    # The inverse map; dropped slots have no row and all land in one more place, which is cut off.
    place = torch.where(slot_to_row < 0, slots, slot_to_row).flatten()
    row_to_slot = place.new_full((slots + 1,), -1).scatter(0, place, torch.arange(slots, device=device))
    served = routing.counts.new_full((shared_experts,), tokens)
    return Routing(
        weights=torch.cat([routing.weights, routing.weights.new_ones(tokens, shared_experts)], 1),
        experts=torch.cat([routing.experts, (routing.counts.shape[0] + each).expand(tokens, -1)], 1),
        counts=torch.cat([routing.counts, served]),
        demand=torch.cat([routing.demand, served]),
        offsets=torch.cat([routing.offsets, used + tokens * (each + 1)]),
        slot_to_row=slot_to_row,
        row_to_slot=row_to_slot[:slots],
        dropped=slot_to_row < 0,
    )


def _check_scores(logits: Tensor, axes: str) -> None:
    """Raise unless ``logits`` is a float tensor with these axes and at least one expert, on any device."""
    check_tensor("logits", logits)
    if not logits.is_floating_point():
        raise TypeError(f"logits: got {logits.dtype}, wanted a float dtype")
    if logits.ndim != len(axes.split(", ")) or logits.shape[-1] == 0:
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, wanted [{axes}] with at least one expert")


def _check_chosen(experts: Tensor, logits: Tensor) -> Tensor:
    """The choices ``[..., k]`` of the tokens of ``logits [..., E]`` in int64, checked."""
    num_experts = logits.shape[-1]
    experts = _int64("experts", experts)
    if experts.ndim != logits.ndim or experts.shape[:-1] != logits.shape[:-1] or experts.shape[-1] == 0:
        wanted = ", ".join(str(size) for size in logits.shape[:-1])
        raise ValueError(
            f"experts: got shape {tuple(experts.shape)}, wanted [{wanted}, top_k] with a top_k of 1 or more"
        )
    if experts.device != logits.device:
        raise ValueError(f"experts: got a tensor on {experts.device}, wanted {logits.device}, as logits")
    # Where values cannot be looked at the scatter refuses an index out of range itself.
    if can_look(experts) and experts.numel():
        low, high = experts.aminmax()
        if low < 0 or high >= num_experts:
            wrong = low if low < 0 else high
            raise ValueError(f"experts: got index {wrong.item()}, wanted 0 to {num_experts - 1}")
    return experts


def _check_mask(mask: Tensor, logits: Tensor) -> None:
    check_tensor("mask", mask)
    if mask.shape != logits.shape[:-1]:
        raise ValueError(f"mask: got shape {tuple(mask.shape)}, wanted {list(logits.shape[:-1])}")
    if mask.device != logits.device:
        raise ValueError(f"mask: got a tensor on {mask.device}, wanted {logits.device}, as logits")


def _balance(probability: Tensor, experts: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """E Σ f_i P_i of each sequence, 1 when even, and how many tokens of it count: both ``[B]``.

    ``probability [B, T, E]``, ``experts [B, T, k]``, ``mask [B, T]``.
    """
    sequences, tokens, num_experts = probability.shape
    one = probability.new_ones(sequences, tokens) if mask is None else (mask != 0).to(probability.dtype)
    length = one.sum(1)  # [B]
    # Whole numbers up to 2^24, so the order in which they are added does not matter, and f is exact.
    slots = one[..., None].expand_as(experts).flatten(1)
    times = probability.new_zeros(sequences, num_experts).scatter_add(1, experts.flatten(1), slots)
    mean = (one[..., None] * probability).sum(1)  # [B, E], times the length
    scale = num_experts / experts.shape[-1]
    return scale * (times * mean).sum(-1) / length.square().clamp_min(1), length


def load_balancing_loss(
    logits: Tensor, experts: Tensor, *, mask: Tensor | None = None, sum_over_top_k: bool = False
) -> Tensor:
    """Switch's balance loss E Σ f_i P_i of one layer: 1 when the load is even, whatever k is.

    Args:
        logits: router scores before softmax, ``[T, E]``, any float dtype.
        experts: the chosen experts, ``[T, k]`` int64 or int32, as in ``Routing.experts``.
        mask: ``[T]``, nonzero where a token counts; padding left out. ``None``: every token counts.
        sum_over_top_k: count f over the k choices without dividing by k, so that even is k, as transformers
            do.

    Returns:
        Scalar in float32 (float64 for float64 logits), 0 if no token counts. Its gradient flows through P
        only.

    Raises:
        TypeError: ``logits`` is no float, or ``experts`` not int64 or int32.
        ValueError: a shape, a device or an expert's index does not fit. On a GPU and in a compiled graph an
            index out of range is the scatter's own error.

    Source: Fedus et al., "Switch Transformers" (2022), eq. 4 to 6.
    """
    _check_scores(logits, "tokens, experts")
    experts = _check_chosen(experts, logits)
    if mask is not None:
        _check_mask(mask, logits)
    probability = logits.to(sum_dtype(logits.dtype)).softmax(-1)  # [T, E]
    loss, _ = _balance(probability[None], experts[None], None if mask is None else mask[None])
    return loss[0] * experts.shape[1] if sum_over_top_k else loss[0]


def sequence_balance_loss(
    logits: Tensor, experts: Tensor, *, scoring: Scoring = "sigmoid", mask: Tensor | None = None
) -> Tensor:
    """DeepSeek-V3's sequence-wise balance loss Σ f_i P_i, averaged over sequences: 1 when each one is even.

    The loss of a batch is even as soon as its sequences make up for each other; this one is not.

    Args:
        logits: router scores before softmax or sigmoid, ``[B, T, E]``, any float dtype.
        experts: the chosen experts, ``[B, T, k]`` int64 or int32. The paper counts the k best scores without
            the bias; ``Routing.experts`` of a biased router differs from that.
        scoring: how scores come from logits, as in ``route``; P averages each token's scores over their sum.
        mask: ``[B, T]``, nonzero where a token counts. ``None``: every token counts. A sequence in which none
            counts is left out of the average.

    Returns:
        Scalar in float32 (float64 for float64 logits), before the balance factor α; 0 if no token counts. Its
        gradient flows through P only.

    Raises:
        TypeError: ``logits`` is no float, or ``experts`` not int64 or int32.
        ValueError: a shape, a device, an expert's index or ``scoring`` does not fit. On a GPU and in a
            compiled graph an index out of range is the scatter's own error.

    Source: DeepSeek-AI, "DeepSeek-V3" (2024), eq. 17 to 20.
    """
    _check_scores(logits, "sequences, tokens, experts")
    experts = _check_chosen(experts, logits)
    if scoring not in get_args(Scoring):
        raise ValueError(f"scoring: got {scoring!r}, wanted 'softmax' or 'sigmoid'")
    if mask is not None:
        _check_mask(mask, logits)
    wide = logits.to(sum_dtype(logits.dtype))  # [B, T, E]
    # Sigmoids over their sum are a softmax of their logarithms, which does not underflow.
    probability = wide.softmax(-1) if scoring == "softmax" else logsigmoid(wide).softmax(-1)
    loss, length = _balance(probability, experts, mask)
    return loss.sum() / (length > 0).sum().clamp_min(1)


def router_z_loss(logits: Tensor) -> Tensor:
    """Mean squared log-partition of the router, which keeps its logits small.

    Args:
        logits: router scores before softmax, ``[tokens, experts]``, any float dtype.

    Returns:
        Scalar in float32 (float64 for float64 logits), in nats squared; 0 for no tokens.

    Raises:
        TypeError: ``logits`` is no float.
        ValueError: ``logits`` is not two-dimensional or has no experts.

    Source: Zoph et al., "ST-MoE" (2022), eq. 5.
    """
    _check_scores(logits, "tokens, experts")
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
        TypeError: ``expert_bias`` is no float, or ``demand`` not real.
        ValueError: a shape does not fit, or the devices differ.

    Source: Wang et al., "Auxiliary-Loss-Free Load Balancing Strategy" (2024), algorithm 1.
    """
    check_tensor("expert_bias", expert_bias)
    check_tensor("demand", demand)
    if not expert_bias.is_floating_point():
        raise TypeError(f"expert_bias: got {expert_bias.dtype}, wanted a float dtype")
    if expert_bias.ndim != 1:
        raise ValueError(f"expert_bias: got shape {tuple(expert_bias.shape)}, wanted [experts]")
    if demand.is_complex():
        raise TypeError(f"demand: got {demand.dtype}, wanted numbers of slots")
    if demand.shape != expert_bias.shape:
        raise ValueError(
            f"demand: got shape {tuple(demand.shape)}, wanted {list(expert_bias.shape)}, as expert_bias"
        )
    if demand.device != expert_bias.device:
        raise ValueError(
            f"demand: got a tensor on {demand.device}, wanted {expert_bias.device}, as expert_bias"
        )
    error = demand.to(torch.float64).mean() - demand.to(torch.float64)  # [E]
    return expert_bias + update_rate * error.sign().to(expert_bias.dtype)
