"""The one registry of cases: what is measured, and the goal of each.

A goal is the best peer's time over ours. The goals are for AMD CPUs with AVX-512, where torch's float32
product runs at about half of the core's peak; elsewhere they are a yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row: T tokens of width D, E experts of width H, k for each token.

    Attributes:
        operator: key of ``contestants.OPERATORS``.
        dtype: of tokens and weights; the router's logits are float32, as transformers keep its scores.
        backward: time forward and backward together, with gradients of x, logits and both weights.
        goal: the best peer's time over ours.
    """

    name: str
    operator: str
    tokens: int
    width: int
    hidden: int
    experts: int
    top_k: int
    dtype: str
    activation: str
    backward: bool
    goal: float

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """What decides the inputs: two cases of one shape share them, rounded to the case's dtype."""
        return (self.tokens, self.width, self.hidden, self.experts, self.top_k)


# name: T, D, H, E, k. The first two are the sizes that this field's CPU timings are quoted at, the third is a
# small model's layer, the last two are decoding: the time of the call and the weights touched, little else.
SHAPES = {
    "e8": (1024, 256, 512, 8, 2),
    "e32": (512, 256, 128, 32, 4),
    "large": (2048, 768, 2048, 8, 2),
    "decode-1": (1, 256, 128, 32, 4),
    "decode-16": (16, 256, 128, 32, 4),
}
GOALS = {
    ("float32", False): 2.5,
    ("float32", True): 2.0,
    ("bfloat16", False): 1.3,
    ("bfloat16", True): 1.5,
}
DECODE_GOAL = 3.0


def _rows(shapes: dict[str, tuple[int, int, int, int, int]]) -> tuple[Case, ...]:
    return tuple(
        Case(
            f"{name} {dtype} {'fwd+bwd' if backward else 'fwd'}",
            "moe",
            *shape,
            dtype=dtype,
            activation="swiglu",
            backward=backward,
            goal=DECODE_GOAL if name.startswith("decode") else goal,
        )
        for name, shape in shapes.items()
        for (dtype, backward), goal in GOALS.items()
    )


CASES = _rows(SHAPES)
QUICK = _rows({"tiny": (24, 16, 8, 4, 2), "decode-tiny": (1, 16, 8, 4, 2)})
