"""Ways to merge task vectors into a base, tensor by tensor: the numpy twin of ``src/model_merging/rules.ts``.

What a reader can choose in the figure; :mod:`frontier_lab.methods.merging` has more rules, in PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..draws import drawn

RULES = ("sum", "average", "ties", "dare", "nuslerp")
EMBEDDING = "embed_tokens"
"""In the name of the tensor that may be left as it is in the base."""

STRAIGHT = 1 - 1e-7
"""Cosine beyond which an arc is a line."""

Tensors = Mapping[str, NDArray[np.float32]]
Values = NDArray[Any]


@dataclass(frozen=True)
class Merge:
    """What is merged, and how.

    Attributes:
        weights: of the task vectors; what they do depends on the rule.
        rule: ``"sum"`` adds the weighted vectors. ``"average"`` divides them by the sum of the weights: the
            weighted mean of the models. ``"ties"`` keeps the largest entries of each, takes the sign with the
            greater mass and averages what has it. ``"dare"`` keeps entries at random, scales them up and adds
            them. ``"nuslerp"`` goes along the arc between two vectors, at the share of the second's weight.
        density: share of a tensor's entries that ``"ties"`` and ``"dare"`` keep.
        seed: which ones ``"dare"`` keeps.
        embedding: merge the embedding too; else it stays as it is in the base.
        pair: places of the two vectors of ``"nuslerp"``.

    Raises:
        ValueError: the rule is none of ``RULES``, or the density is not in (0, 1].
    """

    weights: tuple[float, ...]
    rule: str = "sum"
    density: float = 0.5
    seed: int = 0
    embedding: bool = True
    pair: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule: got {self.rule!r}, wanted one of {', '.join(RULES)}")
        if not 0 < self.density <= 1:
            raise ValueError(f"density: got {self.density}, wanted more than 0 and at most 1")

    @property
    def factors(self) -> tuple[float, ...]:
        """What each vector is multiplied by in a sum: the weights, or their shares in an average.

        Weights below zero have no share, and where none has any the base stays as it is.
        """
        if self.rule != "average":
            return self.weights
        shares = [max(0.0, weight) for weight in self.weights]
        return tuple(share / (sum(shares) or 1.0) for share in shares)

    @property
    def turn(self) -> float | None:
        """Place on the arc of ``"nuslerp"``, from 0 to 1; ``None`` where neither vector has a weight."""
        one, other = (max(0.0, self.weights[at]) for at in self.pair)
        return other / (one + other) if one + other > 0 else None


def largest(values: Values, density: float) -> NDArray[np.bool_]:
    """Which entries are the largest: ``density`` of them, at least one; of equal ones the first."""
    keep = max(1, int(density * values.size))
    sizes = np.abs(values.ravel())
    order = np.argsort(-sizes, kind="stable")
    kept = np.zeros(values.size, bool)
    kept[order[:keep]] = True
    return kept.reshape(values.shape)


def _elected(vectors: Sequence[Values]) -> Values:
    stack = np.stack(vectors)
    agree = np.where(stack.sum(0) >= 0, stack > 0, stack < 0)
    found: Values = (stack * agree).sum(0) / np.maximum(agree.sum(0), 1)
    return found


def _arc(one: Values, other: Values, t: float) -> Values:
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    cosine = float(np.clip((one * other).sum() / norms, -1, 1)) if norms > 1e-8 else 1.0
    if abs(cosine) > STRAIGHT:
        return (1 - t) * one + t * other
    angle = np.arccos(cosine)
    found: Values = (np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / np.sin(angle)
    return found


def merge(base: Tensors, vectors: Sequence[Tensors], how: Merge) -> dict[str, NDArray[np.float32]]:
    """The merged weights; computed in double precision, and rounded once.

    Args:
        base: tensors by name.
        vectors: what each fine-tune added to the base, with the same names and shapes.
        how: rule, weights and the rest.

    Raises:
        ValueError: there is not one weight for each vector.
    """
    if len(how.weights) != len(vectors):
        raise ValueError(f"weights: got {len(how.weights)}, wanted one for each of {len(vectors)} vectors")
    merged = {}
    for row, name in enumerate(sorted(base)):
        start = base[name].astype(np.float64)
        tensors = [vector[name].astype(np.float64) for vector in vectors]
        added = np.zeros_like(start)
        if EMBEDDING in name and not how.embedding:
            pass
        elif how.rule == "ties":
            added = _elected(
                [w * v * largest(v, how.density) for w, v in zip(how.weights, tensors, strict=True)]
            )
        elif how.rule == "dare":
            for at, (weight, tensor) in enumerate(zip(how.weights, tensors, strict=True)):
                kept = drawn(how.seed, row * len(vectors) + at, tensor.size) < how.density
                added += weight / how.density * (tensor * kept.reshape(tensor.shape))
        elif how.rule == "nuslerp":
            if how.turn is not None:
                one, other = (tensors[at] for at in how.pair)
                added = _arc(one, other, how.turn)
        else:
            for factor, tensor in zip(how.factors, tensors, strict=True):
                added += factor * tensor
        merged[name] = (start + added).astype(np.float32)
    return merged
