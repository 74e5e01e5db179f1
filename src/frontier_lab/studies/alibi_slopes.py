"""ALiBi with gentler slopes from the first step on: what 28.1.2 says of it.

The committed model of ``zoo.bloom`` is trained with the published slopes, and read and tuned with gentler
ones: that stands in the manifest. Whether the cost of gentle slopes comes from changing them after the
training is asked here: the same model is trained with them from the start.

The trainings are too many for a page (two minutes a seed on one core), so they are a command and what they
gave is kept: ``python -m frontier_lab.studies.alibi_slopes src/frontier_lab/studies/alibi_slopes.json``;
killed, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import BloomForCausalLM, PreTrainedModel

from frontier_lab.methods.long_context import with_alibi
from frontier_lab.storage import cache, results
from frontier_lab.zoo import bloom
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import SCHEDULE
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Log

DIVISORS: Mapping[str, float] = {"gentle": 4.0}
"""What the published slopes are divided by, from the first step on."""


def run(
    condition: str, seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[PreTrainedModel, Log]:
    """Train the model of ``zoo.bloom`` with the slopes of a condition of ``DIVISORS``: the model and its log.

    Raises:
        ValueError: there is no such condition.
    """
    if condition not in DIVISORS:
        raise ValueError(f"condition: got {condition!r}, wanted one of {', '.join(DIVISORS)}")
    torch.manual_seed(seed)
    divide = DIVISORS[condition]
    model = with_alibi(BloomForCausalLM(bloom.config()), divide=divide).train()
    facts = {"divide": str(divide)}
    return model, short_context.fit(model, condition, seed, work, schedule, facts=facts, stop_at=stop_at)


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set: for each condition, over ``SEEDS``, what ``short_context.extrapolation`` finds."""
    work = cache.folder("alibi-slopes")
    found: dict[str, Any] = {"format": 1, "seeds": list(SEEDS)}
    for condition in DIVISORS:
        models = [run(condition, seed, work)[0] for seed in SEEDS]
        found[condition] = [
            {name: round(value, 5) for name, value in short_context.extrapolation(model).items()}
            for model in models
        ]
    return found


if __name__ == "__main__":
    results.write(measure)
