"""Weights packed once for many calls without a gradient."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from frontier_kernels import ops
from frontier_kernels.torch_internals import are_transforms_active, is_forward_mode_active

FEW_TOKENS: int = 0 if ops.NOT_COMPILED else ops.library.dot_rows()
"""An expert with no more rows reads its weights as they lie: kDotRows of the compiled products."""


class PackedWeights:
    """Experts' weights in the order that the CPU's products read them, packed at the first call.

    A product of many rows packs its weights while it reads them, for every call anew; with a dozen rows an
    expert that is half of the time. Given this to keep them in, ``moe_mlp`` packs a weight once, and again
    when it has changed: another tensor, other memory, or another version, as every in-place operation counts.

    torch does not count every write: none to ``weight.data`` or to memory shared with numpy, and none of its
    fused optimizers (``AdamW(fused=True)``). So a call that records a gradient drops the copies too, which
    covers training; after any other such write, or training in a compiled graph, call ``clear``.

    The copy takes as much memory as the weights, twice as much for float16, and for bfloat16 on processors
    without ``dpbf16``; it goes when the weight goes.

    Attributes:
        nbytes: memory that the copies take now.

    Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), for panels.
    """

    def __init__(self) -> None:
        self._kept = WeakIdKeyDictionary()

    @property
    def nbytes(self) -> int:
        return sum(self._kept[weight][1].nbytes for weight in self._kept)

    def clear(self) -> None:
        """Forget every copy."""
        self._kept.clear()

    def keeps(self, *weights: Tensor) -> bool:
        """Whether these can be kept packed: plain CPU tensors that count versions, and nothing is compiled.

        A tensor made in inference mode counts none, and one of a subclass need not have memory of its own.
        """
        if ops.NOT_COMPILED or torch.compiler.is_compiling():
            return False
        if are_transforms_active() or is_forward_mode_active():
            return False
        return all(type(w) in (Tensor, nn.Parameter) and w.is_cpu and not w.is_inference() for w in weights)

    def forget(self, *weights: Tensor) -> None:
        """Drop the copies of these."""
        for weight in weights:
            self._kept.pop(weight, None)  # type: ignore[no-untyped-call]

    def panels(self, weight: Tensor) -> Tensor:
        """A weight's panels, ``[E, N, K]`` to bytes ``[E, ...]``, packed now if they are not kept."""
        state = (weight._version, weight.data_ptr(), weight.dtype, weight.shape, weight.stride())
        kept = self._kept.get(weight)  # type: ignore[no-untyped-call]
        if kept is None or kept[0] != state:
            kept = self._kept[weight] = state, ops.run(ops.library.pack_weights.default, weight)
        return cast(Tensor, kept[1])

    def __deepcopy__(self, memo: object) -> PackedWeights:
        return PackedWeights()  # what is copied with it are other weights

    def __reduce__(self) -> tuple[type[PackedWeights], tuple[()]]:
        return PackedWeights, ()
