"""Total and active parameters of mixture-of-experts models: the twin of ``sizes.ts``.

``data/mixtures.json`` holds published models; a test builds each from its configuration and counts.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mixture:
    """What the sizes of a model follow from, in parameters.

    Attributes:
        layers: layers that have a mixture; the others are in ``other``.
        experts: routed experts of a layer.
        top_k: those that a token takes.
        expert: one expert.
        router: what one more expert adds to its layer's router.
        other: all that every token uses: embeddings, attention, norms, dense layers, shared experts.
    """

    layers: int
    experts: int
    top_k: int
    expert: int
    router: int
    other: int


MIXTURES = {
    name: Mixture(**sizes)
    for name, sizes in json.loads(
        (Path(__file__).parents[1] / "data" / "mixtures.json").read_text("utf8")
    ).items()
}
"""Published models by name, and ``book``, the small one that was trained for this book."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a mixture-of-experts model.

    Attributes:
        total: parameters.
        active: parameters that a token goes through; the whole table of embeddings counts.
        operations: twice ``active``, about what one token costs beside the cells of attention.
        bytes: of all weights in bfloat16.
        log10_sets: decimal logarithm of the number of sets of experts that a token can take in one layer.
    """

    total: float
    active: float
    operations: float
    bytes: float
    log10_sets: float


def sizes(
    mixture: Mixture, *, experts: int | None = None, top_k: int | None = None, granularity: int = 1
) -> Sizes:
    """Sizes of a model, as it is or with other experts.

    Args:
        mixture: the model.
        experts: its number of experts before they are split, by default its own.
        top_k: experts that a token takes before they are split, by default its own.
        granularity: every expert is split into so many, of which a token takes so many times more: the same
            parameters and operations but for the router's, and many more sets to choose from.

    Raises:
        ValueError: an argument is out of its range; the message names it, what came and what was wanted.

    Source: the splitting is DeepSeekMoE's, Dai et al. (2024), arXiv:2401.06066, section 3.1.
    """
    experts = mixture.experts if experts is None else experts
    top_k = mixture.top_k if top_k is None else top_k
    if experts < 1:
        raise ValueError(f"experts: got {experts}, wanted 1 or more")
    if not 1 <= top_k <= experts:
        raise ValueError(f"top_k: got {top_k}, wanted 1 to {experts}, the number of experts")
    if granularity < 1:
        raise ValueError(f"granularity: got {granularity}, wanted 1 or more")
    shared = mixture.other + mixture.layers * experts * granularity * mixture.router
    total = shared + mixture.layers * experts * mixture.expert
    active = shared + mixture.layers * top_k * mixture.expert
    split, taken = experts * granularity, top_k * granularity
    ways = sum(math.log10((split - taken + i) / i) for i in range(1, taken + 1))
    return Sizes(float(total), float(active), 2.0 * active, 2.0 * total, ways)
