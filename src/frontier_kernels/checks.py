"""What the functions that users call ask of their arguments, in one wording: what came, what was wanted."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, nn

from frontier_kernels import ops
from frontier_kernels.torch_internals import are_transforms_active

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""Element types that the operators take."""


LARGEST = 2**63 - 1
"""The largest int64, which is how operators take whole numbers."""


def check_tensor(name: str, value: Any) -> None:
    """Raise unless this is a tensor: a list, an array and ``None`` are not."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: got {_kind(value)}, wanted a tensor")


def check_integer(name: str, value: Any) -> int:
    """The whole number that came, a plain ``int`` or one of a graph's sizes; anything else is refused."""
    if isinstance(value, torch.SymInt) or (torch.compiler.is_compiling() and isinstance(value, int)):
        return value  # type: ignore[return-value]  # to look at it would hold the graph to one size
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: got {_kind(value)}, wanted an int") from None
    if not -LARGEST <= whole <= LARGEST:
        raise ValueError(f"{name}: got {whole}, wanted a number that int64 can hold")
    return whole


def _kind(value: Any) -> str:
    """A wrong argument in an error: numbers and ``None`` as they are, of all else the type."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return type(value).__name__


def can_look(tensor: Tensor) -> bool:
    """Whether values can be checked before an operator is called.

    A compiled graph, a fake tensor and a transform have none, and a GPU would have to be waited for: there
    the operator refuses them itself, or says nothing.
    """
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.is_cpu
    return plain and not torch.compiler.is_compiling() and not are_transforms_active()


def check_device(name: str, tensor: Tensor) -> None:
    """Raise unless the operators take tensors on this device; the message says why they do not.

    On ``meta`` they give shapes and dtypes, as all of torch does.
    """
    if tensor.is_cpu or tensor.is_meta or (tensor.is_cuda and ops.CUDA):
        return
    kind = tensor.device.type
    wanted = "cpu or cuda" if ops.CUDA else "cpu"
    reason = f" ({ops.why_no_cuda()})" if kind == "cuda" else ""
    raise ValueError(
        f"{name}: got a tensor on {tensor.device}, wanted {wanted}: this build has no {kind} kernels{reason}"
    )
