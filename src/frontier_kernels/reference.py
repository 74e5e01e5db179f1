"""Every operator in plain torch, slow and obvious: the readable truth that tests hold the others against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from frontier_kernels.activations import ACTIVATIONS, check_activation


def select_experts(scores: Tensor, top_k: int, num_groups: int = 1, top_k_groups: int = 1) -> Tensor:
    """The k largest scores of each row, lower index first among equals: ``[T, E]`` to ``[T, k]``."""
    tokens, experts = scores.shape
    if num_groups > 1:
        grouped = scores.reshape(tokens, num_groups, experts // num_groups)  # [T, G, E/G]
        value = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1)  # [T, G]
        open_groups = value.sort(dim=-1, descending=True, stable=True).indices[:, :top_k_groups]
        closed = torch.ones(tokens, num_groups, dtype=torch.bool).scatter(1, open_groups, False)
        scores = grouped.masked_fill(closed[..., None], -torch.inf).reshape(tokens, experts)
    return scores.sort(dim=-1, descending=True, stable=True).indices[:, :top_k]


def permute_slots(
    experts: Tensor, num_experts: int, capacity: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Counts, demand, offsets, slot to row, row to slot, by walking the slots one by one; -1 is no expert."""
    tokens, top_k = experts.shape
    queues: list[list[int]] = [[] for _ in range(num_experts)]
    for slot, expert in enumerate(experts.reshape(-1).tolist()):
        if expert != -1:
            queues[expert].append(slot)
    demand = torch.tensor([len(queue) for queue in queues])
    kept = [queue if capacity is None else queue[:capacity] for queue in queues]
    counts = torch.tensor([len(queue) for queue in kept])
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    row_to_slot = torch.full((tokens * top_k,), -1)
    slot_to_row = torch.full((tokens * top_k,), -1)
    for row, slot in enumerate(slot for queue in kept for slot in queue):
        row_to_slot[row], slot_to_row[slot] = slot, row
    return counts, demand, offsets, slot_to_row.reshape(tokens, top_k), row_to_slot


def activate(pre: Tensor, activation: str) -> Tensor:
    """Activations ``[..., H]`` of ``[..., H]``, or of a gated one's ``[..., 2H]`` (gate first, then up)."""
    return ACTIVATIONS[check_activation(activation)].forward(pre)


def moe_mlp(
    x: Tensor,
    weights: Tensor,
    experts: Tensor,
    dropped: Tensor,
    w_in: Tensor,
    w_out: Tensor,
    b_in: Tensor | None = None,
    b_out: Tensor | None = None,
    activation: str = "gelu",
    shared_experts: int = 0,
) -> Tensor:
    """Every expert on every token, ``[T, D]``; a token keeps its k, weighted, less what was dropped.

    A slot whose expert is -1 is among the dropped ones.
    The last ``shared_experts`` of the experts are kept by every token as they are.
    """
    kept = weights.masked_fill(dropped, 0)  # [T, k]
    mix = torch.zeros(x.shape[0], w_in.shape[0], dtype=weights.dtype)
    mix = mix.scatter_add(1, experts.clamp_min(0), kept)
    mix[:, w_in.shape[0] - shared_experts :] = 1
    y = torch.zeros_like(x, dtype=weights.dtype)
    for e in range(w_in.shape[0]):
        hidden = activate(F.linear(x, w_in[e], None if b_in is None else b_in[e]), activation)
        y = y + mix[:, e, None] * F.linear(hidden, w_out[e], None if b_out is None else b_out[e])
    return y.to(x.dtype)


def load_balancing_loss(logits: Tensor, experts: Tensor) -> Tensor:
    """E Σ f_i P_i, f counted over all k choices: 1 when even."""
    num_experts = logits.shape[1]
    f = torch.stack([(experts == e).float().mean() for e in range(num_experts)])
    return num_experts * (f * logits.softmax(-1).mean(0)).sum()


def sequence_balance_loss(logits: Tensor, experts: Tensor, scoring: str = "sigmoid") -> Tensor:
    """Σ f_i P_i of every sequence of ``logits [B, T, E]``, ``experts [B, T, k]``, then their mean."""
    num_experts, losses = logits.shape[-1], []
    for z, chosen in zip(logits, experts, strict=True):
        scores = z.sigmoid() if scoring == "sigmoid" else z.softmax(-1)
        mean = (scores / scores.sum(-1, keepdim=True)).mean(0)  # [E]
        f = torch.stack([num_experts * (chosen == e).to(z.dtype).mean() for e in range(num_experts)])
        losses.append((f * mean).sum())
    return torch.stack(losses).mean()


def retention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """One step after the other: the state fades, takes in k vᵀ, and is read by q.

    ``q, k [B, T, H, K]``, ``v [B, T, H, V]``, ``log_decay [H]`` or ``[B, T, H]``; gives ``o [B, T, H, V]``
    and the last state ``[B, H, K, V]``. With ``cu_seqlens [N + 1]`` the batch is one and time holds N
    sequences, each with a state of its own: ``[N, H, K, V]``.
    """
    batch, time, heads, key = q.shape
    scale = key**-0.5 if scale is None else scale
    decay = log_decay.exp().expand(batch, time, heads)  # [B, T, H]
    wide = torch.float64 if q.dtype == torch.float64 else torch.float32
    if cu_seqlens is not None:
        outputs, states = [], []
        for n, (start, stop) in enumerate(
            zip(cu_seqlens[:-1].tolist(), cu_seqlens[1:].tolist(), strict=True)
        ):
            part = slice(start, stop)
            first = None if initial_state is None else initial_state[n : n + 1]
            faded = log_decay.expand(batch, time, heads)[:, part]
            output, state = retention(q[:, part], k[:, part], v[:, part], faded, first, None, scale)
            outputs.append(output)
            states.append(state)
        return torch.cat(outputs, 1), torch.cat(states)
    state = (
        q.new_zeros(batch, heads, key, v.shape[-1], dtype=wide)
        if initial_state is None
        else initial_state.clone()
    )
    steps = []
    for t in range(time):
        written = k[:, t, :, :, None].to(wide) * v[:, t, :, None, :].to(wide)  # [B, H, K, V]
        state = decay[:, t, :, None, None] * state + written
        steps.append((scale * q[:, t, :, None].to(wide) @ state).squeeze(2))  # [B, H, V]
    o = torch.stack(steps, 1) if steps else v.to(wide, copy=True)
    return o.to(v.dtype), state


def normalized_retention(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, scale: float | None = None
) -> Tensor:
    """Retention with its scores normalised, as the paper writes it, from the T x T scores of each head.

    ``q, k [B, T, H, K]``, ``v [B, T, H, V]``, ``log_decay [H]`` or ``[B, T, H]``; gives ``o [B, T, H, V]``.

    Source: Sun et al., "Retentive Network" (2023), section 2.2, "Retention Score Normalization".
    """
    batch, time, heads, key = q.shape
    scale = key**-0.5 if scale is None else scale
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # [B, H, T, width]
    steps = log_decay.expand(batch, time, heads).transpose(1, 2)  # [B, H, T]
    # Step n keeps of step m what the decays of steps m + 1 to n leave.
    between = steps[..., None].expand(batch, heads, time, time).tril(-1).cumsum(-2)
    decay = between.exp().tril()  # [B, H, T, T]
    decay = decay / decay.sum(-1, keepdim=True).sqrt()
    scores = scale * q @ k.mT * decay  # [B, H, T, T]
    scores = scores / scores.sum(-1, keepdim=True).abs().clamp_min(1)
    return (scores @ v).transpose(1, 2)


def retention_backward(
    grads: tuple[Tensor, Tensor], inputs: Sequence[Tensor], initial_state: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v, log_decay and the initial state: back through ``retention``, step by step.

    ``grads`` are those of the output ``[B, T, H, V]`` and of the last state ``[B, H, K, V]``; ``inputs`` are
    q, k, v and log_decay, the last as ``[B, T, H]``; all in one float type. The states of all steps are kept,
    T K V numbers a head.

    Source: the chain rule on S_t = γ_t S_{t-1} + k_t v_tᵀ, o_t = scale · q_t S_t.
    """
    (grad, grad_state), (q, k, v, log_decay) = grads, inputs
    decay = log_decay.exp()  # [B, T, H]
    states = [initial_state]
    for t in range(q.shape[1]):
        written = k[:, t, :, :, None] * v[:, t, :, None, :]  # [B, H, K, V]
        states.append(decay[:, t, :, None, None] * states[-1] + written)
    dq, dk, dv, dlog_decay = (torch.empty_like(t) for t in (q, k, v, log_decay))
    for t in reversed(range(q.shape[1])):
        dq[:, t] = scale * (states[t + 1] @ grad[:, t, :, :, None]).squeeze(-1)
        grad_state = grad_state + scale * q[:, t, :, :, None] * grad[:, t, :, None, :]  # [B, H, K, V]
        dk[:, t] = (grad_state @ v[:, t, :, :, None]).squeeze(-1)
        dv[:, t] = (k[:, t, :, None, :] @ grad_state).squeeze(-2)
        grad_state = decay[:, t, :, None, None] * grad_state
        dlog_decay[:, t] = (grad_state * states[t]).sum((-2, -1))
    return dq, dk, dv, dlog_decay, grad_state
