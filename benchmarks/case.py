"""What a row of the table is made of: a case, its contestants, what it has to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

OURS = "frontier_kernels"
PACKED = f"{OURS}, weights packed"
"""Ours with what a first call left; the ratio and the goals are those of ``OURS``, which keeps nothing."""
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Goals:
    """What a row has to reach with one thread; ``None`` where nothing is asked.

    Attributes:
        ratio: the best peer's time over ours, at least.
        stretch: the ratio that would be better still; shown, not judged.
        seconds: our time, at most.
        peak: our share of the micro-kernel's peak, at least.
    """

    ratio: float | None = None
    stretch: float | None = None
    seconds: float | None = None
    peak: float | None = None

    def __str__(self) -> str:
        stretch = "" if self.stretch is None else f" ({self.stretch:g})"
        words = [
            "" if self.ratio is None else f"{self.ratio:g}x{stretch}",
            "" if self.seconds is None else f"{self.seconds * 1e6:g} us",
            "" if self.peak is None else f"{self.peak:.0%}",
        ]
        return " ".join(word for word in words if word) or "-"


@dataclass(frozen=True)
class Work:
    """FLOPs, and the least traffic in bytes: each pass reads its inputs and writes its outputs once.

    The backward of a product is two; what is kept between the passes is not counted: it may be recomputed.
    """

    flops: float
    traffic: float


@dataclass(frozen=True)
class Call:
    """One contestant, ready to run.

    Attributes:
        run: what is timed.
        read: names what it gave, and lays it out as the truth is.
    """

    run: Callable[[], tuple[Tensor, ...]]
    read: Callable[[tuple[Tensor, ...]], Tensors]


@dataclass(frozen=True)
class Contestant:
    """Who is measured.

    Attributes:
        bind: gives a call that has not run yet. What the calls change, such as a state, is each one's own.
        counts: whether it is a peer, whose time the ratio may take.
        gated: whether what it gives has to be right; if not, it computes something else and is there for
            context.
    """

    name: str
    bind: Callable[[], Call]
    counts: bool = True
    gated: bool = True


class Case(Protocol):
    """One row with each number of threads; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str: ...

    @property
    def operator(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def backward(self) -> bool:
        """Whether forward and backward are timed together."""
        ...

    @property
    def goals(self) -> Goals: ...

    @property
    def shape(self) -> object:
        """Two cases of one shape have one truth: the same numbers, each rounded to its dtype."""
        ...

    def truth(self) -> Tensors:
        """Outputs and gradients in float64, the latter whether ``backward`` asks for them or not."""
        ...

    def contestants(self, compiled: bool) -> Sequence[Contestant]:
        """Ours first; ``compiled`` adds torch.compile."""
        ...

    def work(self) -> Work: ...


def differentiate(y: Tensor, leaves: Sequence[Tensor], grad: Tensor) -> tuple[Tensor, ...]:
    """The output, and the gradients of ``leaves``."""
    return (y, *torch.autograd.grad(y, leaves, grad))


def suffix(backward: bool) -> str:
    """How the names of rows end."""
    return "fwd+bwd" if backward else "fwd"
