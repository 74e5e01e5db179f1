"""How close two tensors are, for every kernel test."""

from __future__ import annotations

from torch import Tensor


def relative_error(got: Tensor, wanted: Tensor) -> float:
    """Root mean square of the difference over that of the truth, in float64."""
    got, wanted = got.detach(), wanted.detach()
    difference = (got.double() - wanted.double()).square().mean().sqrt()
    scale = wanted.double().square().mean().sqrt()
    return float(difference / scale.clamp_min(1e-30)) if wanted.numel() else 0.0
