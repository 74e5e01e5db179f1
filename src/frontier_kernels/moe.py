"""The expert network on top of a routing: dispatch, combine, the fused form, and a layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from frontier_kernels import ops
from frontier_kernels.activations import Activation, check_activation, is_gated
from frontier_kernels.autocast import autocast_dtype, cast_for_autocast, fits
from frontier_kernels.checks import FLOATS, check_device, check_integer, check_tensor
from frontier_kernels.ops import sum_dtype
from frontier_kernels.packing import FEW_TOKENS, PackedWeights
from frontier_kernels.router import (
    Routing,
    Scoring,
    check_choice,
    check_routing,
    expert_capacity,
    route,
    update_expert_bias,
    with_shared_experts,
)


def _check_tokens(name: str, x: Tensor, rows: int, meaning: str) -> None:
    check_tensor(name, x)
    if x.dtype not in FLOATS:
        raise TypeError(f"{name}: got {x.dtype}, wanted float32, float64, bfloat16 or float16")
    if x.ndim != 2 or x.shape[0] != rows:
        raise ValueError(f"{name}: got shape {tuple(x.shape)}, wanted [{rows}, width] ({meaning})")
    check_device(name, x)


def _check_same_device(routing: Routing, device: torch.device) -> None:
    if routing.slot_to_row.device != device:
        raise ValueError(
            f"routing: got a plan on {routing.slot_to_row.device}, wanted {device}, as the tokens"
        )


def dispatch(x: Tensor, routing: Routing) -> Tensor:
    """Copy the tokens into rows grouped by expert.

    Args:
        x: tokens, ``[T, D]``, float32, float64, bfloat16 or float16.
        routing: from ``route``.

    Returns:
        ``[T k, D]``: expert e's tokens in rows ``offsets[e]`` to ``offsets[e + 1]``, in token order; unused
        rows are zero.

    Raises:
        TypeError: the dtype is not supported.
        ValueError: ``x`` does not have the routing's tokens, or its device.

    Source: Gale et al., "MegaBlocks" (2022), for rows grouped by expert without padding.
    """
    check_routing(routing)
    _check_tokens("x", x, routing.experts.shape[0], "the routing's tokens")
    _check_same_device(routing, x.device)
    return cast(Tensor, ops.dispatch(x, routing.slot_to_row, routing.row_to_slot))


def combine(ys: Tensor, routing: Routing) -> Tensor:
    """Sum each token's rows with the routing's weights, in slot order: deterministic, bit for bit.

    Args:
        ys: experts' outputs by row, ``[T k, D]``.
        routing: from ``route``.

    Returns:
        ``[T, D]``; a dropped slot adds nothing.

    Raises:
        TypeError: the dtype is not supported.
        ValueError: ``ys`` does not have one row for each slot, or not the routing's device.

    Source: Shazeer et al., "Outrageously Large Neural Networks" (2017), eq. 1.
    """
    check_routing(routing)
    _check_tokens("ys", ys, routing.row_to_slot.shape[0], "tokens times top_k")
    _check_same_device(routing, ys.device)
    weights = routing.weights.to(sum_dtype(ys.dtype))
    return cast(Tensor, ops.combine(ys, weights, routing.slot_to_row, routing.row_to_slot))


def moe_mlp(
    x: Tensor,
    routing: Routing,
    w_in: Tensor,
    w_out: Tensor,
    b_in: Tensor | None = None,
    b_out: Tensor | None = None,
    activation: Activation = "gelu",
    *,
    packed: PackedWeights | None = None,
) -> Tensor:
    """All experts on the tokens routed to them, weighted and summed: one operator forward, one backward.

    Under ``torch.autocast`` the tokens and the experts' parameters are cast to its type, as ``F.linear``
    casts them, and the routing's weights stay as they are.

    Args:
        x: tokens, ``[T, D]``, float32, float64, bfloat16 or float16.
        routing: from ``route``, or ``with_shared_experts``, whose E counts the shared ones too.
        w_in: ``[E, H, D]``; for a gated activation ``[E, 2H, D]``, gate rows first, then up. gpt-oss keeps
            ``[E, D, 2H]`` with the two interleaved: ``w = gate_up_proj.mT``, then
            ``torch.cat([w[:, ::2], w[:, 1::2]], 1)``, likewise its bias, and ``down_proj.mT`` for ``w_out``.
        w_out: ``[E, D, H]``.
        b_in: ``[E, H]`` (gated: ``[E, 2H]``) or ``None``.
        b_out: ``[E, D]`` or ``None``.
        activation: ``"gelu"`` (exact), ``"gelu_tanh"``, ``"silu"``, ``"relu2"`` (squared ReLU), or gated:
            ``"swiglu"``, ``"swiglu_oai"`` (gpt-oss's: gate at most 7, up within 7 of zero, gate times
            sigmoid(1.702 gate) times (up + 1)), ``"geglu_tanh"``; ``activations.py`` has their formulas.
        packed: where weights are kept packed between calls: the same bits, sooner. It is used on the CPU
            where no gradient is recorded, nothing is being compiled and autocast casts no weight, and has no
            effect elsewhere.

    Returns:
        ``[T, D]`` in the dtype of ``x``. Sums are kept in float32 (float64 for float64).

    Raises:
        TypeError: a dtype is not supported, or differs from that of ``x``.
        ValueError: a shape does not fit; the message names the argument.

    Source: Guo et al., "SonicMoE" (2025), for the gradient of the weights without the experts' outputs.
    """
    check_routing(routing)
    check_tensor("x", x)
    check_tensor("w_in", w_in)
    check_tensor("w_out", w_out)
    for name, bias in (("b_in", b_in), ("b_out", b_out)):
        if bias is not None:
            check_tensor(name, bias)
    own = (w_in, w_out)
    x, w_in, w_out = cast_for_autocast(x, w_in, w_out)
    b_in, b_out = cast_for_autocast(b_in, b_out)
    _check_tokens("x", x, routing.experts.shape[0], "the routing's tokens")
    _check_same_device(routing, x.device)
    check_activation(activation)
    width, experts = x.shape[1], routing.counts.shape[0]
    if w_out.ndim != 3 or w_out.shape[:2] != (experts, width):
        raise ValueError(f"w_out: got shape {tuple(w_out.shape)}, wanted [{experts}, {width}, hidden]")
    hidden = w_out.shape[2]
    inner = 2 * hidden if is_gated(activation) else hidden
    wanted = {
        "w_in": (w_in, (experts, inner, width)),
        "b_in": (b_in, (experts, inner)),
        "b_out": (b_out, (experts, width)),
    }
    for name, (value, shape) in wanted.items():
        if value is not None and value.shape != shape:
            raise ValueError(
                f"{name}: got shape {tuple(value.shape)}, wanted {list(shape)} for activation {activation!r}"
            )
    for name, value in {"w_in": w_in, "w_out": w_out, "b_in": b_in, "b_out": b_out}.items():
        if value is not None and (value.dtype != x.dtype or value.device != x.device):
            raise TypeError(
                f"{name}: got {value.dtype} on {value.device}, wanted {x.dtype} on {x.device}, as x"
            )
    weights = routing.weights.to(sum_dtype(x.dtype))
    options = (b_in, b_out, routing.offsets, routing.slot_to_row, routing.row_to_slot, activation)
    if packed is not None and packed.keeps(*own):
        leaves = (x, weights, w_in, w_out, b_in, b_out)
        if torch.is_grad_enabled() and any(leaf is not None and leaf.requires_grad for leaf in leaves):
            packed.forget(*own)
        elif x.shape[0] > FEW_TOKENS and own[0] is w_in and own[1] is w_out:
            panels = packed.panels(w_in), packed.panels(w_out)
            operator = ops.library.moe_mlp_packed.default
            return cast(Tensor, ops.run(operator, x, weights, w_in, w_out, *panels, *options))
    y, _ = ops.moe_mlp(x, weights, w_in, w_out, *options)
    return cast(Tensor, y)


def _linears(expert: nn.Sequential) -> tuple[nn.Linear, nn.Linear]:
    """The two products of one of the chapter's experts; a module that computes something else is refused."""
    kinds = [nn.Linear, nn.GELU, nn.Linear]
    parts = list(expert)
    fits = len(parts) == 3 and all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True))
    if fits and parts[1].approximate == "none" and all(linear.bias is not None for linear in parts[::2]):
        return cast(nn.Linear, parts[0]), cast(nn.Linear, parts[2])
    raise ValueError(
        f"experts: got {expert}, wanted Sequential(Linear, GELU, Linear) with biases and the exact GELU"
    )


class MoELayer(nn.Module):
    """A top-k mixture of experts, with the source chapter's own names and arguments.

    Under ``torch.autocast`` the experts compute in its type, and the router in that of its parameters, which
    Switch Transformers call selective precision: a rounded score may choose another expert.

    ``router_logits`` and ``routing`` are set once by each call; a call on another thread replaces them, and
    has no part in this one's output. Copies and pickles of the layer do not hold them. Under reentrant
    activation checkpointing (``use_reentrant=True``) the logits of the first pass have no graph, so a loss of
    them has no gradient; the other kind of checkpointing keeps it.

    Args:
        hidden_size: width D of a token.
        num_experts: E.
        top_k: experts a token takes.
        expert_hidden_size: width H inside an expert.
        activation: ``"gelu"`` (the chapter's), ``"swiglu"`` (Mixtral's) or another of ``moe_mlp``.
        bias: whether the experts' two products have biases.
        capacity_factor: ``None`` for dropless; else an expert serves ``ceil(factor · T · k / E)`` slots.
        shared_experts: S experts of the same width that every token visits with weight 1; S of width H are
            one of width S H.
        scoring, renormalize, num_groups, top_k_groups, routed_scaling_factor: as in ``route``; a factor that
            is an ``nn.Parameter`` becomes one of the layer's.
        expert_bias: whether the choice is balanced by a bias that ``update_expert_bias`` moves.
        pack_weights: whether calls without a gradient keep the experts' weights packed: ``PackedWeights``.

    Attributes:
        gate: the router, ``nn.Linear(D, E, bias=False)``.
        w_in, w_out, b_in, b_out: the experts' parameters, in the layout of ``moe_mlp``: E routed experts,
            then S shared ones.
        expert_bias: ``[E]``, float32 whatever the layer is built in, converted to and loaded from, or
            ``None``.
        packed: a ``PackedWeights``, or ``None``; may be set.
        router_logits: ``[T, E]`` of the last call, attached to its graph, for the losses.
        routing: the plan of the last call, of the routed experts alone.

    Raises:
        TypeError: a number is no int.
        ValueError: an argument does not fit; the message says which, what came and what was wanted.

    Source: Shazeer et al. (2017) for the gated sum; Fedus et al. (2022), section 2.4, for the router's type;
    Jiang et al., "Mixtral of Experts" (2024), for SwiGLU and the weights of the k chosen; DeepSeek-AI,
    "DeepSeek-V3" (2024), for shared experts, bias, groups, scale.
    """

    expert_bias: Tensor | None

    def __init__(
        self,
        hidden_size: int,
        num_experts: int = 8,
        top_k: int = 2,
        expert_hidden_size: int = 2048,
        *,
        activation: Activation = "gelu",
        bias: bool = True,
        capacity_factor: float | None = None,
        shared_experts: int = 0,
        scoring: Scoring = "softmax",
        renormalize: bool = True,
        expert_bias: bool = False,
        num_groups: int | None = None,
        top_k_groups: int | None = None,
        routed_scaling_factor: float | Tensor = 1.0,
        pack_weights: bool = False,
    ) -> None:
        super().__init__()
        sizes = {
            "hidden_size": hidden_size,
            "num_experts": num_experts,
            "expert_hidden_size": expert_hidden_size,
        }
        for name, size in sizes.items():
            if check_integer(name, size) < 1:
                raise ValueError(f"{name}: got {size}, wanted 1 or more")
        if check_integer("shared_experts", shared_experts) < 0:
            raise ValueError(f"shared_experts: got {shared_experts}, wanted 0 or more")
        check_activation(activation)
        check_choice(num_experts, top_k, scoring, num_groups, top_k_groups, routed_scaling_factor)
        if capacity_factor is not None:
            expert_capacity(1, num_experts, top_k, capacity_factor)  # refuses a factor that does not fit
        total = num_experts + shared_experts
        inner = 2 * expert_hidden_size if is_gated(activation) else expert_hidden_size
        self.num_experts, self.top_k, self.capacity_factor = num_experts, top_k, capacity_factor
        self.shared_experts = shared_experts
        self.scoring: Scoring = scoring
        self.renormalize, self.routed_scaling_factor = renormalize, routed_scaling_factor
        self.num_groups, self.top_k_groups = num_groups, top_k_groups
        self.activation: Activation = activation
        self.gate = nn.Linear(hidden_size, num_experts, bias=False)
        self.w_in = nn.Parameter(torch.empty(total, inner, hidden_size))
        self.w_out = nn.Parameter(torch.empty(total, hidden_size, expert_hidden_size))
        self.b_in = nn.Parameter(torch.empty(total, inner)) if bias else None
        self.b_out = nn.Parameter(torch.empty(total, hidden_size)) if bias else None
        self.register_buffer(
            "expert_bias", torch.zeros(num_experts, dtype=torch.float32) if expert_bias else None
        )
        self.packed = PackedWeights() if pack_weights else None
        self.router_logits: Tensor | None = None
        self.routing: Routing | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every expert as ``nn.Linear`` draws a layer of its size."""
        self.gate.reset_parameters()
        for weight, bias in ((self.w_in, self.b_in), (self.w_out, self.b_out)):
            bound = weight.shape[-1] ** -0.5
            nn.init.uniform_(weight, -bound, bound)
            if bias is not None:
                nn.init.uniform_(bias, -bound, bound)
        if self.expert_bias is not None:
            nn.init.zeros_(self.expert_bias)

    def _apply(self, fn: Any, recurse: bool = True) -> MoELayer:
        """Move and convert as every module, but leave the bias in float32: bfloat16 rounds its steps away."""
        bias = self.expert_bias
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if bias is not None and self.expert_bias is not None and self.expert_bias.dtype != bias.dtype:
            self.expert_bias = bias.to(self.expert_bias.device)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Load as every module, but keep the bias in float32: ``assign=True`` takes a checkpoint's type."""
        super()._load_from_state_dict(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._widen_bias()

    def _widen_bias(self) -> None:
        if self.expert_bias is not None and self.expert_bias.dtype != torch.float32:
            self.expert_bias = self.expert_bias.float()

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: not the last call's results, which belong to a graph and a batch."""
        return {**self.__dict__, "router_logits": None, "routing": None}

    @classmethod
    def from_modules(cls, gate: nn.Linear, experts: Iterable[nn.Sequential], top_k: int = 2) -> MoELayer:
        """Take over the chapter's layer: a gate and experts of ``Sequential(Linear, GELU, Linear)``, copied.

        Args:
            gate: D to E, without a bias.
            experts: E modules from D to H and back, with biases and the exact GELU.
            top_k: experts a token takes.

        Raises:
            ValueError: an expert is built otherwise; the gate has a bias, or not one output for each expert.
        """
        if gate.bias is not None:
            raise ValueError("gate: got one with a bias, wanted nn.Linear(..., bias=False)")
        pairs = [_linears(expert) for expert in experts]
        if gate.out_features != len(pairs):
            raise ValueError(
                f"gate: got {gate.out_features} outputs, wanted {len(pairs)}, one for each expert"
            )
        first = pairs[0][0]
        layer = cls(first.in_features, len(pairs), top_k, first.out_features).to(first.weight.dtype)
        with torch.no_grad():
            layer.gate.weight.copy_(gate.weight)
            for name, index, kind in (
                ("w_in", 0, "weight"),
                ("b_in", 0, "bias"),
                ("w_out", 1, "weight"),
                ("b_out", 1, "bias"),
            ):
                getattr(layer, name).copy_(torch.stack([getattr(pair[index], kind) for pair in pairs]))
        return layer

    @classmethod
    def from_mixtral(
        cls,
        gate: Tensor,
        gate_up_proj: Tensor,
        down_proj: Tensor,
        top_k: int = 2,
        *,
        renormalize: bool = True,
    ) -> MoELayer:
        """Take over transformers' Mixtral block, or Qwen3-MoE's, copied.

        Args:
            gate: ``[E, D]``.
            gate_up_proj: ``[E, 2H, D]``, gate rows first, then up.
            down_proj: ``[E, D, H]``.
            top_k: experts a token takes.
            renormalize: Qwen3-MoE's ``norm_topk_prob``.
        """
        experts, width, hidden = down_proj.shape
        layer = cls(width, experts, top_k, hidden, activation="swiglu", bias=False, renormalize=renormalize)
        layer.to(down_proj.dtype)
        with torch.no_grad():
            layer.gate.weight.copy_(gate)
            layer.w_in.copy_(gate_up_proj)
            layer.w_out.copy_(down_proj)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Route and compute: ``x [..., D]``, any memory layout, to the same shape.

        Raises:
            TypeError: ``x`` does not have the dtype of the parameters, nor does autocast cast it to theirs.
            ValueError: ``x`` does not have the layer's width or its device.
        """
        width = self.gate.in_features
        check_tensor("x", x)
        if x.ndim == 0 or x.shape[-1] != width:
            raise ValueError(f"x: got shape {tuple(x.shape)}, wanted [..., {width}]")
        if not fits(x, self.w_in.dtype):
            raise TypeError(f"x: got {x.dtype}, wanted {self.w_in.dtype}, as the layer's parameters")
        if x.device != self.w_in.device:
            raise ValueError(f"x: got a tensor on {x.device}, wanted {self.w_in.device}, as the layer")
        tokens = x.reshape(-1, x.shape[-1])  # [T, D]
        logits = self._route_logits(tokens)  # [T, E]
        capacity = None
        if self.capacity_factor is not None:
            capacity = expert_capacity(tokens.shape[0], self.num_experts, self.top_k, self.capacity_factor)
        # Everything from here on is of this call alone: another thread may set the attributes meanwhile.
        routing = route(
            logits,
            self.top_k,
            scoring=self.scoring,
            renormalize=self.renormalize,
            expert_bias=self.expert_bias,
            num_groups=self.num_groups,
            top_k_groups=self.top_k_groups,
            routed_scaling_factor=self.routed_scaling_factor,
            capacity=capacity,
        )
        self.router_logits, self.routing = logits, routing
        y = moe_mlp(
            tokens,
            with_shared_experts(routing, self.shared_experts),
            self.w_in,
            self.w_out,
            self.b_in,
            self.b_out,
            self.activation,
            packed=self.packed,
        )
        return y.reshape(x.shape)

    def _route_logits(self, tokens: Tensor) -> Tensor:
        """Router scores ``[T, E]``, in the router's own type under autocast too."""
        if autocast_dtype(tokens.device) is None:
            return cast(Tensor, self.gate(tokens))
        with torch.autocast(tokens.device.type, enabled=False):
            return cast(Tensor, self.gate(tokens.to(self.gate.weight.dtype)))

    @torch.no_grad()
    def update_expert_bias(self, update_rate: float = 1e-3) -> None:
        """One step of loss-free balancing from the demand of the last call.

        Raises:
            RuntimeError: the layer has no ``expert_bias``, or was not called yet.
        """
        if self.expert_bias is None or self.routing is None:
            raise RuntimeError(
                "update_expert_bias: wanted a layer with expert_bias=True that has been called, "
                f"got expert_bias={self.expert_bias is not None}, called={self.routing is not None}"
            )
        self._widen_bias()  # FSDP may have cast it, as it casts every buffer
        step = update_expert_bias(self.expert_bias, self.routing.demand, update_rate=update_rate)
        self.expert_bias.copy_(step)
