"""What ``torch.autocast`` does to the arguments of torch's own products, done to those of ours.

Inside it a product takes tensors of mixed float types and computes in autocast's own; float64 is left alone.
Routing weights, decays and states are no factors of a product and stay in the type of sums, as softmax does.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from frontier_kernels.torch_internals import is_any_autocast_enabled

Given = TypeVar("Given", Tensor, "Tensor | None")


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """What autocast computes in on this device; ``None`` where it is off."""
    if not is_any_autocast_enabled():
        return None
    kind = device.type
    if kind not in ("cpu", "cuda") or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def cast_for_autocast(*tensors: Given) -> tuple[Given, ...]:
    """Each tensor in autocast's type where that is on for its device; all others as they are."""
    if not is_any_autocast_enabled():  # the short question first: this is asked for every token
        return tensors
    return tuple(t if t is None else _cast(t) for t in tensors)


def _cast(tensor: Tensor) -> Tensor:
    dtype = autocast_dtype(tensor.device)
    return tensor if dtype is None or not _is_cast(tensor.dtype) else tensor.to(dtype)


def fits(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether a layer with parameters of this type takes the tensor: as they are, or cast like them."""
    if tensor.dtype == dtype:
        return True
    return autocast_dtype(tensor.device) is not None and _is_cast(tensor.dtype) and _is_cast(dtype)


def _is_cast(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point and dtype != torch.float64
