"""The activations of an expert, one row each: all that depends on which one it is, in Python, reads this.

The compiled library has the same rows in ``csrc/common/activations.h``, and a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

aten = torch.ops.aten

Activation = Literal["gelu", "gelu_tanh", "silu", "relu2", "swiglu", "swiglu_oai", "geglu_tanh"]
"""Names of the rows of ``ACTIVATIONS``, for type checkers."""


@dataclass(frozen=True)
class ActivationRow:
    """One activation in plain torch.

    Attributes:
        gated: whether the pre-activations are ``[..., 2H]``, gate first, then up, instead of ``[..., H]``.
        forward: activations ``[..., H]`` from pre-activations.
        backward: the pre-activations' gradient from that of the activations and the pre-activations.
        models: who uses it.
    """

    gated: bool
    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    models: str


GELU_TANH_SCALE, GELU_TANH_CUBE = 2 * math.sqrt(2 / math.pi), 0.044715
"""Of the tanh form of GELU, x σ(2u): the factors of 2u and of its cube. Hendrycks and Gimpel, 2016."""

SWIGLU_OAI_ALPHA, SWIGLU_OAI_LIMIT = 1.702, 7.0
"""The constants of ``swiglu_oai``: gpt-oss's, and those of MiniMax-M3 and OpenAI's privacy filter."""


def _gelu_tanh(pre: Tensor) -> Tensor:
    return F.gelu(pre, approximate="tanh")


def _gelu_tanh_backward(grad: Tensor, pre: Tensor) -> Tensor:
    # By x σ(2u): torch's own 1 - tanh² cancels where the slope is small, and is NaN far out. Beyond 30 the
    # slope is 0 or 1 in every type, and up to there no cube overflows.
    x = pre.clamp(-30, 30)
    double_u = GELU_TANH_SCALE * x * (1 + GELU_TANH_CUBE * x * x)
    slope = GELU_TANH_SCALE * (1 + 3 * GELU_TANH_CUBE * x * x)
    s = double_u.sigmoid()
    return grad * (s + x * s * (-double_u).sigmoid() * slope)


def _relu2(pre: Tensor) -> Tensor:
    return F.relu(pre).square()


def _relu2_backward(grad: Tensor, pre: Tensor) -> Tensor:
    return 2 * grad * F.relu(pre)


def _swiglu(pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    return F.silu(gate) * up


def _swiglu_backward(grad: Tensor, pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    return torch.cat([aten.silu_backward(grad * up, gate), grad * F.silu(gate)], dim=-1)


def _swiglu_oai(pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    gate = gate.clamp(max=SWIGLU_OAI_LIMIT)
    up = up.clamp(min=-SWIGLU_OAI_LIMIT, max=SWIGLU_OAI_LIMIT)
    return gate * (SWIGLU_OAI_ALPHA * gate).sigmoid() * (up + 1)


def _swiglu_oai_backward(grad: Tensor, pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    within = (gate <= SWIGLU_OAI_LIMIT, up.abs() <= SWIGLU_OAI_LIMIT)
    gate = gate.clamp(max=SWIGLU_OAI_LIMIT)
    up = up.clamp(min=-SWIGLU_OAI_LIMIT, max=SWIGLU_OAI_LIMIT)
    s = (SWIGLU_OAI_ALPHA * gate).sigmoid()
    slope = s * (1 + SWIGLU_OAI_ALPHA * gate * (1 - s))
    return torch.cat([grad * (up + 1) * slope * within[0], grad * gate * s * within[1]], dim=-1)


def _geglu_tanh(pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    return _gelu_tanh(gate) * up


def _geglu_tanh_backward(grad: Tensor, pre: Tensor) -> Tensor:
    gate, up = pre.chunk(2, dim=-1)
    return torch.cat([_gelu_tanh_backward(grad * up, gate), grad * _gelu_tanh(gate)], dim=-1)


ACTIVATIONS: dict[Activation, ActivationRow] = {
    "gelu": ActivationRow(False, F.gelu, aten.gelu_backward, "the source chapter"),
    "gelu_tanh": ActivationRow(False, _gelu_tanh, _gelu_tanh_backward, "GPT-2's feed-forward"),
    "silu": ActivationRow(False, F.silu, aten.silu_backward, "experts without a gate"),
    "relu2": ActivationRow(False, _relu2, _relu2_backward, "Nemotron-H"),
    "swiglu": ActivationRow(True, _swiglu, _swiglu_backward, "Mixtral, Qwen3-MoE, DeepSeek-V3"),
    "swiglu_oai": ActivationRow(True, _swiglu_oai, _swiglu_oai_backward, "gpt-oss"),
    "geglu_tanh": ActivationRow(True, _geglu_tanh, _geglu_tanh_backward, "Gemma 4"),
}
"""Names are those of the field: torch's ``approximate="tanh"``, transformers' ``relu2``, llama.cpp's
``swiglu_oai`` (vLLM's ``swigluoai``), and GEGLU with that GELU."""


def is_gated(activation: str) -> bool:
    """Whether an expert with this activation has two rows of ``w_in`` for each activation, gate and up."""
    return ACTIVATIONS[check_activation(activation)].gated


def check_activation(activation: str) -> Activation:
    """The name, if it is one.

    Raises:
        ValueError: it is not; the message lists those that are.
    """
    for name in ACTIVATIONS:
        if name == activation:
            return name
    *first, last = (repr(name) for name in ACTIVATIONS)
    raise ValueError(f"activation: got {activation!r}, wanted {', '.join(first)} or {last}")
