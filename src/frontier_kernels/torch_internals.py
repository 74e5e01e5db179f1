"""Every name of torch that we use and torch does not promise, each with what is done where it is missing.

A wheel serves every torch from 2.10 on, and such names come and go. Without one of them results stay the
same: calls take the longer way, or what rests on it alone is refused, in torch's words.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

try:
    from torch._functorch.utils import enable_single_level_autograd_function as _one_level_allowed
    from torch.autograd.forward_ad import _set_fwd_grad_enabled as _forward_mode
    from torch.autograd.function import _SingleLevelFunction as _OneLevelFunction

    _HAS_LEVELS = True
except ImportError:
    _HAS_LEVELS = False

HAS_BELOW_AUTOGRAD = hasattr(torch._C, "_AutoDispatchBelowAutograd")
"""Whether there is a way past autograd. Without one torch has to be left to call our gradients itself."""


below_autograd = cast(
    Callable[[], AbstractContextManager[None]], getattr(torch._C, "_AutoDispatchBelowAutograd", torch.no_grad)
)
"""A context in which operators are called past their gradients."""


def _it_may_be() -> bool:
    return True


is_any_autocast_enabled = cast(Callable[[], bool], getattr(torch._C, "_is_any_autocast_enabled", _it_may_be))
"""Whether autocast is on for some device. If torch cannot say, it may be."""

are_transforms_active = cast(
    Callable[[], bool], getattr(torch._C, "_are_functorch_transforms_active", _it_may_be)
)
"""Whether this runs inside a transform of ``torch.func``. If torch cannot say, it may."""

_forward_level = hasattr(forward_ad, "_current_level")


def is_forward_mode_active() -> bool:
    """Whether tensors may carry tangents: in ``jvp`` or a ``dual_level``. If torch cannot say, they may."""
    return not _forward_level or forward_ad._current_level >= 0


def has_tangent(tensor: Tensor) -> bool:
    """Whether this tensor carries a tangent, seen from the transform that is being applied."""
    if _forward_level and forward_ad._current_level < 0:
        return False
    return forward_ad.unpack_dual(tensor, level=0).tangent is not None  # type: ignore[no-untyped-call]


def has_kernel(operator: str, key: str) -> bool:
    """Whether an operator has a kernel for a dispatch key; if torch cannot say, it has none."""
    found = getattr(torch._C, "_dispatch_has_kernel_for_dispatch_key", None)
    return False if found is None else bool(found(operator, key))


def one_level_function(function: type[Function]) -> Callable[..., Any]:
    """What applies a ``Function`` at the level of the transform that is being applied, as torch's own do.

    Inside an operator's kernel a transform has already taken its tensors; ``Function.apply`` would start with
    it once more. Without torch's own way ``apply`` is left, which refuses there in words of its own.
    """
    if not _HAS_LEVELS:
        return function.apply

    def forward(*arguments: Any) -> Any:
        # Recording is off inside a Function, but the levels below record for themselves.
        with torch.enable_grad(), _forward_mode(True):
            return function.forward(*arguments)

    methods = {"forward": staticmethod(forward), "backward": staticmethod(function.backward)}
    one_level = cast(Any, type(function.__name__, (_OneLevelFunction,), methods))

    def apply(*arguments: Any) -> Any:
        with _one_level_allowed():  # type: ignore[no-untyped-call]
            return one_level.apply(*arguments)

    return apply
