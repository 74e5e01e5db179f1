"""Mixture-of-experts dispatch and retention for PyTorch as compiled operators.

Tokens are ``x [T, D]``, router logits ``[T, E]``; expert weights are kept as ``nn.Linear`` and transformers
keep them: ``w_in [E, H, D]`` (SwiGLU: ``[E, 2H, D]``, gate rows first, then up) and ``w_out [E, D, H]``.
Retention takes ``q, k [B, T, H, K]``, ``v [B, T, H, V]``, ``log_decay [H]`` or ``[B, T, H]``, at most zero.

Without its compiled library the package warns once and runs everything as plain PyTorch: same results, slow.
"""

import warnings

from frontier_kernels.build_info import BuildInfo, build_info
from frontier_kernels.moe import MoELayer, combine, dispatch, moe_mlp
from frontier_kernels.ops import NOT_COMPILED
from frontier_kernels.packing import PackedWeights
from frontier_kernels.retention import RetentionLayer, retention, retention_step
from frontier_kernels.router import (
    Routing,
    expert_capacity,
    group_by_expert,
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
    "PackedWeights",
    "RetentionLayer",
    "Routing",
    "build_info",
    "combine",
    "dispatch",
    "expert_capacity",
    "group_by_expert",
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

if NOT_COMPILED:
    warnings.warn(
        f"frontier_kernels: {NOT_COMPILED}, so every operator runs as plain PyTorch: correct, and slow. "
        "To build it, run `pip install --no-build-isolation .` in the repository; it takes a C++20 compiler "
        "and torch 2.10 or newer.",
        RuntimeWarning,
        stacklevel=2,
    )
