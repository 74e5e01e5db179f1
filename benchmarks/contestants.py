"""Who is measured. Every contestant goes from the router's logits to the output, on the same tensors.

Routing is part of the time on purpose: one's router sorts the slots, another's experts do, and only the whole
compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

import frontier_kernels
from benchmarks.cases import Case
from frontier_kernels import reference
from frontier_kernels.moe import Activation

OURS = "frontier_kernels"
GRADIENTS = ("dx", "dlogits", "dw_in", "dw_out")


@dataclass(frozen=True)
class Inputs:
    """``x [T, D]``, ``logits [T, E]``, ``w_in [E, 2H, D]``, ``w_out [E, D, H]``, ``grad_y [T, D]``."""

    x: Tensor
    logits: Tensor
    w_in: nn.Parameter
    w_out: nn.Parameter
    grad_y: Tensor

    def differentiable(self) -> tuple[Tensor, ...]:
        """What gradients are taken of, in the order of ``GRADIENTS``."""
        return (self.x, self.logits, self.w_in, self.w_out)


Forward = Callable[[Inputs], Tensor]


def make_inputs(case: Case, dtype: torch.dtype) -> Inputs:
    """Unit-scale inputs that bfloat16 can hold, so that every dtype has the same truth; fixed seed."""
    generator = torch.Generator().manual_seed(case.tokens)
    inner = 2 * case.hidden if case.activation == "swiglu" else case.hidden

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=generator) * scale).bfloat16().to(dtype)

    x = normal(case.tokens, case.width).requires_grad_()
    logits = torch.randn(case.tokens, case.experts, generator=generator)
    logits = logits.to(torch.float64 if dtype == torch.float64 else torch.float32).requires_grad_()
    w_in = nn.Parameter(normal(case.experts, inner, case.width, scale=case.width**-0.5))
    w_out = nn.Parameter(normal(case.experts, case.width, case.hidden, scale=case.hidden**-0.5))
    return Inputs(x, logits, w_in, w_out, normal(case.tokens, case.width))


def _top_k(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Weights and experts as transformers' ``MixtralTopKRouter`` computes them, after its product."""
    weights, experts = logits.float().softmax(-1).topk(top_k, dim=-1)
    weights /= weights.sum(-1, keepdim=True)
    return weights, experts


def truth(case: Case) -> Forward:
    """The reference; in float64 when the inputs are."""

    def forward(inputs: Inputs) -> Tensor:
        scores = inputs.logits.softmax(-1)
        experts = reference.select_experts(scores.detach(), case.top_k)
        weights = scores.gather(1, experts)
        weights = weights / weights.sum(-1, keepdim=True)
        dropped = torch.zeros_like(experts, dtype=torch.bool)
        return reference.moe_mlp(
            inputs.x, weights, experts, dropped, inputs.w_in, inputs.w_out, activation=case.activation
        )

    return forward


def ours(case: Case, activation: Activation = "swiglu") -> Forward:
    """``route`` and ``moe_mlp``."""

    def forward(inputs: Inputs) -> Tensor:
        routing = frontier_kernels.route(inputs.logits, case.top_k)
        return frontier_kernels.moe_mlp(inputs.x, routing, inputs.w_in, inputs.w_out, activation=activation)

    return forward


def transformers_experts(case: Case, implementation: str) -> Forward:
    """transformers' Mixtral experts, with the given ``experts_implementation``, on the shared weights."""
    config = MixtralConfig(
        hidden_size=case.width,
        intermediate_size=case.hidden,
        num_local_experts=case.experts,
        num_experts_per_tok=case.top_k,
        experts_implementation=implementation,
    )
    if config._experts_implementation != implementation:
        raise RuntimeError(f"transformers took {config._experts_implementation!r}, not {implementation!r}")
    with torch.device("meta"):
        experts = MixtralExperts(config)

    def forward(inputs: Inputs) -> Tensor:
        if experts.gate_up_proj is not inputs.w_in:
            experts.gate_up_proj, experts.down_proj = inputs.w_in, inputs.w_out
        weights, chosen = _top_k(inputs.logits, case.top_k)
        y: Tensor = experts(inputs.x, chosen, weights)
        return y

    return forward


def torch_grouped_mm(case: Case) -> Forward:
    """The leanest pipeline around ``torch.nn.functional.grouped_mm``: sort, gather, multiply, gather, sum."""

    def forward(inputs: Inputs) -> Tensor:
        weights, experts = _top_k(inputs.logits, case.top_k)
        order = experts.reshape(-1).argsort(stable=True)  # [T k]
        ends = torch.bincount(experts.reshape(-1), minlength=case.experts).cumsum(0).int()  # [E]
        rows = inputs.x.index_select(0, order // case.top_k)  # [T k, D]
        pre = F.grouped_mm(rows, inputs.w_in.transpose(1, 2), offs=ends)  # [T k, 2H]
        hidden = reference.activate(pre, case.activation)
        out = F.grouped_mm(hidden, inputs.w_out.transpose(1, 2), offs=ends)  # [T k, D]
        slots = out.index_select(0, order.argsort()).view(case.tokens, case.top_k, case.width)
        return (slots * weights[..., None]).sum(1).to(inputs.x.dtype)

    return forward


def moe_contestants(case: Case, compiled: bool) -> dict[str, Forward]:
    """Ours first, then the peers; ``compiled`` adds torch.compile of transformers' faster form."""
    if case.activation != "swiglu":
        raise ValueError(f"activation: got {case.activation!r}, wanted 'swiglu', the only one all peers have")
    field: dict[str, Forward] = {
        OURS: ours(case),
        "transformers eager": transformers_experts(case, "eager"),
        "transformers grouped_mm": transformers_experts(case, "grouped_mm"),
    }
    if hasattr(F, "grouped_mm"):
        field["torch grouped_mm"] = torch_grouped_mm(case)
    if compiled:
        torch.compiler.reset()  # after a few recompilations torch would run it uncompiled
        field["torch.compile"] = torch.compile(transformers_experts(case, "grouped_mm"), dynamic=False)
    return field


OPERATORS: dict[str, Callable[[Case, bool], dict[str, Forward]]] = {"moe": moe_contestants}


def run(forward: Forward, inputs: Inputs, backward: bool) -> tuple[Tensor, ...]:
    """One measured call: the output, and with ``backward`` the gradients too."""
    if not backward:
        with torch.no_grad():
            return (forward(inputs),)
    y = forward(inputs)
    return (y, *torch.autograd.grad(y, inputs.differentiable(), inputs.grad_y))
