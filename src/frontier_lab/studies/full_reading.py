"""BigBird of every seed read with full attention, all scores multiplied: whether they are only too flat.

28.1.3 does this to the committed seed 0. The others are trained again, which a page cannot afford:
``python -m frontier_lab.studies.full_reading src/frontier_lab/studies/full_reading.json``; killed, it goes
on where it was. A test reads seed 0 again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.storage import cache, checkpoints, results
from frontier_lab.zoo import bigbird
from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.training.recipe import SEEDS

DISTANCE = sparse_encoders.DISTANCES[-1]
"""Tokens from the stated value to the hidden one."""

SCALES = (1.0, 1.5, 2.0, 3.0)
"""What all attention scores are multiplied by; 1 is full attention as it is."""


def model(seed: int) -> PreTrainedModel:
    """One seed, in eval mode: 0 as committed, any other trained, or read from the cache."""
    if seed == 0:
        loaded: PreTrainedModel = hub.load(str(checkpoints.committed(bigbird.NAME)), AutoModelForMaskedLM)
        return loaded
    trained, _ = sparse_encoders.run(bigbird.ENCODER, seed, cache.folder("full_reading"))
    return trained.eval()


@torch.no_grad()
def recall(model: PreTrainedModel, shown: Tensor, labels: Tensor, scale: float) -> float:
    """Share of values found with full attention whose scores are multiplied by ``scale``.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``.
        labels: the hidden values, negative elsewhere, ``[B, T]``.
        scale: 1 changes nothing.
    """
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    for layer in model.bert.encoder.layer:
        layer.attention.self.query.weight *= scale
        layer.attention.self.query.bias *= scale
    logits = bigbird.in_full(model, shown)
    model.load_state_dict(kept)
    hidden = labels >= 0
    return round((logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(), 4)


def stored() -> dict[str, Any]:
    """What the command wrote: recall ``[seed][scale]``."""
    return results.stored(__file__)


def build() -> dict[str, Any]:
    """Every seed at every scale."""
    pair = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)
    found = [[recall(bird, *pair, scale) for scale in SCALES] for bird in map(model, SEEDS)]
    return {"format": 1, "distance": DISTANCE, "scales": SCALES, "recall": found}


if __name__ == "__main__":
    results.write(build)
