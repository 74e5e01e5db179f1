"""BigBird of every seed read with full attention: what makes it fail, and from which length on.

28.1.3 reads the committed seed 0. The others are trained again, which a page cannot afford:
``python -m frontier_lab.studies.full_reading src/frontier_lab/studies/full_reading.json``; killed, it goes
on where it was. A test reads seed 0 again.

Three questions are taken apart. *Where*: full attention in one layer alone, eval mode's cells in the others,
and the other way about. *What*, in the first layer: the cells that eval mode does not see take weight from
the others (``diluted``: they take it and bring nothing) and they bring their own values (``added``: they
bring them and take nothing, so that they weigh less beside the others than in full attention; ``mixed``: they
take nothing and weigh as much beside them as there). ``mixed`` also makes the output larger; ``larger`` does
that alone. ``evened`` asks whether it matters which of the new cells has how much. *Which row*: the first
layer opened in the row of the hidden token alone, or in all rows but that one.
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
"""Tokens of a window."""

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


PARTS = ("diluted", "added", "mixed", "larger", "evened")
"""What the new cells do in the first layer, taken apart; see ``parted``."""


def parted(part: str) -> Weigh:
    """One part of what the new cells do in the first layer; the other layers see what eval mode sees.

    Args:
        part: ``diluted``, they take weight from the seen cells and bring nothing; ``added``, the seen cells
            keep their weights and the new ones come with those of full attention; ``mixed``, the seen cells
            keep theirs and the new ones stand to them as in full attention; ``larger``, the seen cells alone,
            with the sum that ``mixed`` has; ``evened``, full attention with the new cells' weight spread
            evenly over them.

    Raises:
        ValueError: there is no such part.
    """
    if part not in PARTS:
        raise ValueError(f"part: got {part!r}, wanted one of {', '.join(PARTS)}")
    alone = lowered(torch.inf)

    def weigh(scores: Tensor, layer: int) -> Tensor:
        if layer > 0:
            return alone(scores, layer)
        seen, full = seen_in_eval_mode(scores.shape[-1]), scores.softmax(-1)
        old = full * seen
        kept = old.sum(-1, keepdim=True)
        if part == "evened":
            new = (~seen).float()
            return old + (1 - kept) * new / new.sum(-1, keepdim=True).clamp(min=1)
        return {
            "diluted": old,
            "added": full - old + old / kept,
            "mixed": full / kept,
            "larger": old / kept**2,
        }[part]

    return weigh


def in_rows(rows: Tensor) -> Weigh:
    """Full attention in the first layer in these rows ``[B, T]`` alone; elsewhere what eval mode sees."""
    alone = lowered(torch.inf)

    def weigh(scores: Tensor, layer: int) -> Tensor:
        closed = alone(scores, layer)
        return closed if layer > 0 else torch.where(rows[:, None, :, None], scores.softmax(-1), closed)

    return weigh


def ways() -> dict[str, Weigh]:
    """Every way of weighing that is measured on the texts at ``DISTANCE``, by name."""
    every = set(range(LAYERS))
    found = {f"scores times {factor:g}": scaled(factor) for factor in SCALES}
    found |= {f"new cells less {by:g}": lowered(by) for by in LOWERED}
    found["seen in eval mode"] = lowered(torch.inf)
    for layer in sorted(every):
        found[f"full in layer {layer} alone"] = lowered(torch.inf, every - {layer})
        found[f"seen in layer {layer} alone"] = lowered(torch.inf, {layer})
        found[f"scores times 2 in layer {layer} alone"] = scaled(2.0, {layer})
    hidden = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)[1] >= 0
    found |= {"hidden row alone": in_rows(hidden), "all rows but the hidden": in_rows(~hidden)}
    return found | {part: parted(part) for part in PARTS}


@torch.no_grad()
def recall(model: PreTrainedModel, shown: Tensor, labels: Tensor, weigh: Weigh | None = None) -> float:
    """Share of values found with full attention.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``.
        labels: the hidden values, negative elsewhere, ``[B, T]``.
        weigh: scores to weights; softmax if none is given.
    """
    logits, hidden = bigbird.in_full(model, shown, weigh), labels >= 0
    return round((logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(), 4)


def by_length(model: PreTrainedModel) -> dict[str, list[float]]:
    """Recall at ``LENGTHS``, ``NEAR`` tokens away, of full attention and of the cells that eval mode sees.

    Eval mode itself reads with full attention up to ``SHORTEST_SPARSE``; its cells can be had at any length.
    """
    pairs = [sparse_encoders.probe(bigbird.ENCODER, NEAR, tokens) for tokens in LENGTHS]
    ways = {"full": None, "seen": lowered(torch.inf)}
    return {name: [recall(model, *pair, weigh) for pair in pairs] for name, weigh in ways.items()}


def stored() -> dict[str, Any]:
    """What the command wrote: recall ``[seed]`` of each of ``ways``, and ``by_length`` of each seed."""
    return results.stored(__file__)


def build() -> Mapping[str, Any]:
    """Every seed read in every way."""
    birds = [model(seed) for seed in SEEDS]
    pair = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)
    return {
        "format": 3,
        "distance": DISTANCE,
        "near": NEAR,
        "lengths": LENGTHS,
        "recall": {name: [recall(bird, *pair, weigh) for bird in birds] for name, weigh in ways().items()},
        "by_length": [by_length(bird) for bird in birds],
    }


if __name__ == "__main__":
    results.write(build)
