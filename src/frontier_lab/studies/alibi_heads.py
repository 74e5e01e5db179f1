"""Which heads' slopes loss and recall hang on, and what the penalty beyond the trained length does: 28.1.2.

The committed model of ``zoo.bloom`` is measured with all slopes divided at once: that stands in the manifest.
Here the same trained models, three seeds, are changed in part: the slopes of some heads, or the distance
beyond which the penalty grows no more. Seed 0 is the committed checkpoint; the weights of the other seeds are
not committed, so they are trained again by its recipe, two minutes a seed on one core, and a test holds what
they give against the manifest. A command does it all, and killed, its training goes on where it was:
``python -m frontier_lab.studies.alibi_heads src/frontier_lab/studies/alibi_heads.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import ntk_divisors, with_alibi
from frontier_lab.storage import cache, results
from frontier_lab.zoo import bloom
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import CONTEXT, TUNING
from frontier_lab.zoo.training.recipe import SEEDS

FACTOR = 4.0
CAP = CONTEXT - 1
"""The longest distance of the training."""

_ONE, _GENTLE, _STEEP = [1.0] * 4, [1.0, 1.0, FACTOR, FACTOR], [FACTOR, FACTOR, 1.0, 1.0]
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "steep": {"divide": [_STEEP, _STEEP]},
    "gentle": {"divide": [_GENTLE, _GENTLE]},
    "gentle_first_layer": {"divide": [_GENTLE, _ONE]},
    "ntk": {"divide": [ntk_divisors(FACTOR, 4)] * 2},
    "cap": {"cap": CAP},
}
"""What ``with_alibi`` is asked to do to the trained model: 2 layers of 4 heads, the steepest first."""


def trained(seed: int, work: Path) -> PreTrainedModel:
    """The model of ``zoo.bloom`` with one of ``SEEDS``: committed, or trained again."""
    if seed == SEEDS[0]:
        path = hub.path("bigscience/bloom-560m")
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        return model
    return bloom.run(seed, work)[0]


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[condition][seed][finding]``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set: for each condition, over ``SEEDS``, what ``short_context.extrapolation`` finds.

    ``cap_tuned`` is fine-tuned with the cap as ``zoo.bloom`` tunes its models.
    """
    work = cache.folder("alibi-heads")
    found: dict[str, Any] = {"format": 1, "seeds": list(SEEDS)}
    for seed in SEEDS:
        model = trained(seed, work)
        for condition, change in CHANGES.items():
            changed = with_alibi(model, **change)
            found.setdefault(condition, []).append(_rounded(short_context.extrapolation(changed)))
            print(condition, seed, found[condition][-1], flush=True)
        capped = with_alibi(model, cap=CAP).train()
        facts = {"cap": CAP, "base": "bloom"}
        short_context.fit(capped, "cap", seed, work, TUNING, facts=facts)
        found.setdefault("cap_tuned", []).append(_rounded(short_context.extrapolation(capped)))
    return found


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in found.items()}


if __name__ == "__main__":
    results.write(measure)
