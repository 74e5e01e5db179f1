"""BigBird of every seed read with full attention: what makes it fail, and from which length on.

28.1.3 reads the committed seed 0. The others are trained again, which a page cannot afford:
``python -m frontier_lab.studies.full_reading src/frontier_lab/studies/full_reading.json``; killed, it goes
on where it was. A test reads seed 0 again.

Two questions are taken apart. *Where*: full attention in one layer alone, eval mode's cells in the others,
and the other way about. *What*: in the first layer, the cells that eval mode does not see do two things at
once. They take weight from the others (``diluted``: they take it and bring nothing) and they bring their own
values (``mixed``: they bring them and take nothing).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.storage import cache, checkpoints, results
from frontier_lab.zoo import bigbird
from frontier_lab.zoo.bigbird import Weigh, seen_in_eval_mode
from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.families.sparse_encoders import DISTANCES, LAYERS
from frontier_lab.zoo.training.recipe import SEEDS

SCALES = (1.0, 1.5, 2.0, 3.0)
"""What all attention scores are multiplied by; 1 is full attention as it is."""

LOWERED = (1.0, 2.0)
"""What is taken from the scores of the cells that eval mode does not see."""

LENGTHS = (32, 40, 48, 56, 64, 80, 96, 112, 128)
"""Tokens of a window; sparse attention takes those beyond ``SHORTEST_SPARSE``."""

SHORTEST_SPARSE = (5 + 2 * bigbird.RANDOM_BLOCKS) * bigbird.BLOCK
"""Up to here transformers reads with full attention, whatever was asked for."""

DISTANCE = DISTANCES[-1]
"""Tokens from the stated value to the hidden one, but for ``LENGTHS``."""

NEAR = DISTANCES[0]
"""Tokens from the stated value to the hidden one in windows of ``LENGTHS``: it fits into all of them."""


def model(seed: int) -> PreTrainedModel:
    """One seed, in eval mode: 0 as committed, any other trained, or read from the cache."""
    if seed == 0:
        loaded: PreTrainedModel = hub.load(str(checkpoints.committed(bigbird.NAME)), AutoModelForMaskedLM)
        return loaded
    trained, _ = sparse_encoders.run(bigbird.ENCODER, seed, cache.folder("full_reading"))
    return trained.eval()


def scaled(factor: float, layers: Collection[int] = range(LAYERS)) -> Weigh:
    """All scores of these layers times ``factor``."""
    return lambda scores, layer: (scores * (factor if layer in layers else 1.0)).softmax(-1)


def lowered(by: float, layers: Collection[int] = range(LAYERS)) -> Weigh:
    """Scores of the cells that eval mode does not see, less ``by``; infinity is eval mode's attention."""

    def weigh(scores: Tensor, layer: int) -> Tensor:
        if layer not in layers:
            return scores.softmax(-1)
        return torch.where(seen_in_eval_mode(scores.shape[-1]), scores, scores - by).softmax(-1)

    return weigh


def parted(part: str) -> Weigh:
    """One half of what the new cells do in the first layer; the other layers see what eval mode sees.

    Args:
        part: ``diluted``, they take weight from the seen cells and bring nothing, or ``mixed``, they bring
            their own values with that weight and the seen cells keep theirs.

    Raises:
        ValueError: there is no such part.
    """
    if part not in ("diluted", "mixed"):
        raise ValueError(f"part: got {part!r}, wanted 'diluted' or 'mixed'")
    alone = lowered(torch.inf)

    def weigh(scores: Tensor, layer: int) -> Tensor:
        if layer > 0:
            return alone(scores, layer)
        seen, full = seen_in_eval_mode(scores.shape[-1]), scores.softmax(-1)
        return full * seen if part == "diluted" else torch.where(seen, alone(scores, layer), full)

    return weigh


def ways() -> dict[str, Weigh]:
    """Every way of weighing that is measured, by name."""
    every = set(range(LAYERS))
    found = {f"scores times {factor:g}": scaled(factor) for factor in SCALES}
    found |= {f"new cells less {by:g}": lowered(by) for by in LOWERED}
    found["seen in eval mode"] = lowered(torch.inf)
    for layer in sorted(every):
        found[f"full in layer {layer} alone"] = lowered(torch.inf, every - {layer})
        found[f"seen in layer {layer} alone"] = lowered(torch.inf, {layer})
        found[f"scores times 2 in layer {layer} alone"] = scaled(2.0, {layer})
    return found | {part: parted(part) for part in ("diluted", "mixed")}


@torch.no_grad()
def recall(model: PreTrainedModel, shown: Tensor, labels: Tensor, weigh: Weigh | None = None) -> float:
    """Share of values found with full attention.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``.
        labels: the hidden values, negative elsewhere, ``[B, T]``.
        weigh: scores to weights; softmax if none is given.
    """
    return _share(bigbird.in_full(model, shown, weigh), labels)


def _share(logits: Tensor, labels: Tensor) -> float:
    hidden = labels >= 0
    return round((logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(), 4)


@torch.no_grad()
def by_length(model: PreTrainedModel) -> dict[str, list[float | None]]:
    """Recall at ``LENGTHS``, ``NEAR`` tokens away, in full and in eval mode, which short inputs lack."""
    pairs = [sparse_encoders.probe(bigbird.ENCODER, NEAR, tokens) for tokens in LENGTHS]
    return {
        "full": [recall(model, *pair) for pair in pairs],
        "sparse": [
            _share(bigbird.in_eval_mode(model, shown), labels) if shown.shape[1] > SHORTEST_SPARSE else None
            for shown, labels in pairs
        ],
    }


def stored() -> dict[str, Any]:
    """What the command wrote: recall ``[seed]`` of each of ``ways``, and ``by_length`` of each seed."""
    return results.stored(__file__)


def build() -> Mapping[str, Any]:
    """Every seed read in every way."""
    birds = [model(seed) for seed in SEEDS]
    pair = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)
    return {
        "format": 2,
        "distance": DISTANCE,
        "near": NEAR,
        "lengths": LENGTHS,
        "recall": {name: [recall(bird, *pair, weigh) for bird in birds] for name, weigh in ways().items()},
        "by_length": [by_length(bird) for bird in birds],
    }


if __name__ == "__main__":
    results.write(build)
