"""What the functions that users call ask of their arguments, in one wording: what came, what was wanted."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier_kernels import ops

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""Element types that the operators take."""


def check_device(name: str, tensor: Tensor) -> None:
    """Raise unless the operators take tensors on this device; the message says why they do not."""
    kind = tensor.device.type
    if kind == "cpu" or (kind == "cuda" and ops.CUDA):
        return
    wanted = "cpu or cuda" if ops.CUDA else "cpu"
    reason = f" ({ops.why_no_cuda()})" if kind == "cuda" else ""
    raise ValueError(
        f"{name}: got a tensor on {tensor.device}, wanted {wanted}: this build has no {kind} kernels{reason}"
    )
