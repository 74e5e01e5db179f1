"""Mixture-of-experts dispatch and retention for PyTorch as compiled operators.

Tokens are ``x [T, D]``, router logits ``[T, E]``; expert weights are kept as ``nn.Linear`` and transformers
keep them: ``w_in [E, H, D]`` (SwiGLU: ``[E, 2H, D]``, gate rows first, then up) and ``w_out [E, D, H]``.
Retention takes ``q, k [B, T, H, K]``, ``v [B, T, H, V]``, ``log_decay [H]`` or ``[B, T, H]``, at most zero.
"""

from frontier_kernels.build_info import BuildInfo, build_info
from frontier_kernels.moe import MoELayer, combine, dispatch, moe_mlp
from frontier_kernels.retention import RetentionLayer, retention, retention_step
from frontier_kernels.router import (
    Routing,
    expert_capacity,
    load_balancing_loss,
    route,
    router_z_loss,
    sequence_balance_loss,
    update_expert_bias,
    with_shared_experts,
)

__all__ = [
    "BuildInfo",
    "MoELayer",
    "RetentionLayer",
    "Routing",
    "build_info",
    "combine",
    "dispatch",
    "expert_capacity",
    "load_balancing_loss",
    "moe_mlp",
    "retention",
    "retention_step",
    "route",
    "router_z_loss",
    "sequence_balance_loss",
    "update_expert_bias",
    "with_shared_experts",
]
