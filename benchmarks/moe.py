"""Mixture of experts. Every contestant goes from the router's logits to the output, on the same tensors.

Routing is part of the time on purpose: one's router sorts the slots, another's experts do, and only the whole
compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

import frontier_kernels
from benchmarks.case import OURS, PACKED, Call, Contestant, Goals, Tensors, Work, differentiate
from frontier_kernels import reference

SEED = 11
NAMES = ("y", "dx", "dlogits", "dw_in", "dw_out")


@dataclass(frozen=True)
class Inputs:
    """``x [T, D]``, ``logits [T, E]``, ``w_in [E, 2H, D]``, ``w_out [E, D, H]``, ``grad_y [T, D]``."""

    x: Tensor
    logits: Tensor
    w_in: nn.Parameter
    w_out: nn.Parameter
    grad_y: Tensor

    def leaves(self) -> tuple[Tensor, ...]:
        """What gradients are taken of, in the order of ``NAMES``."""
        return (self.x, self.logits, self.w_in, self.w_out)


Forward = Callable[[Inputs], Tensor]


@dataclass(frozen=True)
class MoECase:
    """T tokens of width D, E experts of width H with SwiGLU, the activation that all peers have; k a token.

    Attributes:
        dtype: of tokens and weights; the router's logits are float32, as transformers keep its scores.
        backward: time forward and backward together, with gradients of x, logits and both weights.
    """

    name: str
    tokens: int
    width: int
    hidden: int
    experts: int
    top_k: int
    dtype: str
    backward: bool
    goals: Goals
    operator: str = field(default="moe", init=False)

    @property
    def shape(self) -> tuple[object, ...]:
        return (self.operator, self.tokens, self.width, self.hidden, self.experts, self.top_k)

    def logits(self) -> Tensor:
        """The router's scores, float32 ``[T, E]``."""
        generator = torch.Generator().manual_seed(1000 + self.tokens)
        return torch.randn(self.tokens, self.experts, generator=generator)

    def inputs(self, dtype: torch.dtype) -> Inputs:
        """Unit-scale inputs that bfloat16 can hold, so that every dtype has the same truth; fixed seed.

        A single token's gradient of the logits is one number, the difference of two experts: the seed is one
        that does not let them cancel, which would leave but rounding to compare.
        """
        generator = torch.Generator().manual_seed(SEED + self.tokens)

        def normal(*shape: int, scale: float = 1.0) -> Tensor:
            return (torch.randn(shape, generator=generator) * scale).bfloat16().to(dtype)

        logits = self.logits().to(torch.float64 if dtype == torch.float64 else torch.float32)
        return Inputs(
            normal(self.tokens, self.width).requires_grad_(),
            logits.requires_grad_(),
            nn.Parameter(normal(self.experts, 2 * self.hidden, self.width, scale=self.width**-0.5)),
            nn.Parameter(normal(self.experts, self.width, self.hidden, scale=self.hidden**-0.5)),
            normal(self.tokens, self.width),
        )

    def truth(self) -> Tensors:
        """``reference.py``."""
        inputs = self.inputs(torch.float64)
        y = _reference(self, inputs)
        return dict(zip(NAMES, differentiate(y, inputs.leaves(), inputs.grad_y), strict=True))

    def contestants(self, compiled: bool) -> Sequence[Contestant]:
        inputs = self.inputs(getattr(torch, self.dtype))
        forwards: dict[str, Forward] = {
            OURS: partial(_ours, self, None),
            "transformers eager": _transformers(self, inputs, "eager"),
            "transformers grouped_mm": _transformers(self, inputs, "grouped_mm"),
        }
        if not self.backward:
            forwards[PACKED] = partial(_ours, self, frontier_kernels.PackedWeights())
        if hasattr(F, "grouped_mm"):
            forwards["torch grouped_mm"] = partial(_torch_grouped_mm, self)
        # In float16 each product takes torch a hundred times as long, compiled or not.
        if compiled and self.dtype != "float16":
            # transformers' form: torch refuses to compile its own grouped_mm in float32, and an eager loop
            # over experts breaks the graph at each. Without the reset torch would give up after a few shapes.
            torch.compiler.reset()
            forwards["torch.compile"] = torch.compile(forwards["transformers grouped_mm"], dynamic=False)
        return [
            Contestant(name, partial(self.bind, forward, inputs), counts=name not in (OURS, PACKED))
            for name, forward in forwards.items()
        ]

    def bind(self, forward: Forward, inputs: Inputs) -> Call:
        """A contestant's call on these inputs."""

        def run() -> tuple[Tensor, ...]:
            if self.backward:
                return differentiate(forward(inputs), inputs.leaves(), inputs.grad_y)
            with torch.no_grad():
                return (forward(inputs),)

        return Call(run, lambda results: dict(zip(NAMES, results, strict=False)))

    def work(self) -> Work:
        touched = int(torch.bincount(self.logits().topk(self.top_k).indices.reshape(-1)).count_nonzero())
        itemsize = getattr(torch, self.dtype).itemsize
        expert = 3 * self.hidden * self.width  # weights of one
        tokens, logits = self.tokens * self.width, 4.0 * self.tokens * self.experts
        flops = 2.0 * self.tokens * self.top_k * expert
        traffic = itemsize * (2.0 * tokens + touched * expert) + logits
        if self.backward:
            flops *= 3
            # Weights are read where a token chose them, their gradients written everywhere.
            traffic += itemsize * (3.0 * tokens + (touched + self.experts) * expert) + 2 * logits
        return Work(flops, traffic)


def _reference(case: MoECase, inputs: Inputs) -> Tensor:
    scores = inputs.logits.softmax(-1)
    experts = reference.select_experts(scores.detach(), case.top_k)
    weights = scores.gather(1, experts)
    weights = weights / weights.sum(-1, keepdim=True)
    dropped = torch.zeros_like(experts, dtype=torch.bool)
    return reference.moe_mlp(
        inputs.x, weights, experts, dropped, inputs.w_in, inputs.w_out, activation="swiglu"
    )


def _ours(case: MoECase, packed: frontier_kernels.PackedWeights | None, inputs: Inputs) -> Tensor:
    routing = frontier_kernels.route(inputs.logits, case.top_k)
    return frontier_kernels.moe_mlp(
        inputs.x, routing, inputs.w_in, inputs.w_out, activation="swiglu", packed=packed
    )


def _top_k(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Weights and experts as transformers' ``MixtralTopKRouter`` computes them, after its product."""
    weights, experts = logits.float().softmax(-1).topk(top_k, dim=-1)
    weights /= weights.sum(-1, keepdim=True)
    return weights, experts


def _transformers(case: MoECase, inputs: Inputs, implementation: str) -> Forward:
    """transformers' Mixtral experts, with the given ``experts_implementation``, on the weights of inputs."""
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

    experts.gate_up_proj, experts.down_proj = inputs.w_in, inputs.w_out

    def forward(inputs: Inputs) -> Tensor:
        weights, chosen = _top_k(inputs.logits, case.top_k)
        y: Tensor = experts(inputs.x, chosen, weights)
        return y

    return forward


def _torch_grouped_mm(case: MoECase, inputs: Inputs) -> Tensor:
    """The leanest pipeline around ``torch.nn.functional.grouped_mm``: sort, gather, multiply, gather, sum."""
    weights, experts = _top_k(inputs.logits, case.top_k)
    order = experts.reshape(-1).argsort(stable=True)  # [T k]
    ends = torch.bincount(experts.reshape(-1), minlength=case.experts).cumsum(0).int()  # [E]
    rows = inputs.x.index_select(0, order // case.top_k)  # [T k, D]
    pre = F.grouped_mm(rows, inputs.w_in.transpose(1, 2), offs=ends)  # [T k, 2H]
    hidden = reference.activate(pre, "swiglu")
    out = F.grouped_mm(hidden, inputs.w_out.transpose(1, 2), offs=ends)  # [T k, D]
    slots = out.index_select(0, order.argsort()).view(case.tokens, case.top_k, case.width)
    return (slots * weights[..., None]).sum(1).to(inputs.x.dtype)
