"""Which heads' slopes loss and recall hang on, and what the far penalty and the far angles do: 28.1.2.

The committed models of ``zoo.bloom`` and ``zoo.llama`` are measured with everything changed at once: that
stands in the manifest. Here the same trained models, three seeds, are changed in part: the slopes of some
heads, or what keys beyond the trained length count as. Seed 0 is the committed checkpoint; the weights of the
other seeds are not committed, so they are trained again by their recipes, two minutes a seed on one core, and
a test holds what they give against the manifest. A command does it all, and killed, its training goes on
where it was: ``python -m frontier_lab.studies.alibi_heads src/frontier_lab/studies/alibi_heads.json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import (
    loss_by_position,
    ntk_divisors,
    recalled_at,
    text_losses,
    with_alibi,
    with_far_rope,
)
from frontier_lab.storage import cache, results
from frontier_lab.zoo import bloom, llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import BUCKETS, CONTEXT, LONGEST, TUNING
from frontier_lab.zoo.training.recipe import SEEDS

FACTOR = 4.0
CAP = CONTEXT - 1
"""The longest distance of the training."""

FAR = (32, 16, 0)
"""Distances whose penalty keys beyond ``CAP`` get instead."""

_ONE, _GENTLE, _STEEP = [1.0] * 4, [1.0, 1.0, FACTOR, FACTOR], [FACTOR, FACTOR, 1.0, 1.0]
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "window_32": {"window": 32},
    "steep": {"divide": [_STEEP, _STEEP]},
    "steepest": {"divide": [[FACTOR, 1.0, 1.0, 1.0]] * 2},
    "gentle": {"divide": [_GENTLE, _GENTLE]},
    "gentle_first_layer": {"divide": [_GENTLE, _ONE]},
    "gentle_free": {"divide": [[1.0, 1.0, math.inf, math.inf]] * 2},
    "ntk": {"divide": [ntk_divisors(LONGEST / CONTEXT, 4)] * 2},
    "cap": {"cap": CAP},
    **{f"far_{far}": {"cap": CAP, "far": far} for far in FAR},
    "one_head": {"window": [[1, 1, 1, 490], [1] * 4]},
}
"""What ``with_alibi`` is asked to do to the trained model: 2 layers of 4 heads, the steepest first."""

LATER = (90, 240)
"""Distances at which the label stated first, 480 back, is stated again with another value."""

LONG = ((64, 512), (512, 1024), (1024, 2048), (2048, 4096))
LONG_TEXTS = 6
FOLLOWED = ("base", "gentle_first_layer", "ntk", "cap")
"""Conditions that are also asked which of two values is the newest, and read ``LONG``."""

CYCLES = (16, 32, 48, 96, 200, 300, 400, 480)
"""First of 16 distances that far keys take in turn: three of them trained, five not."""

ROPE: Mapping[str, tuple[int, Sequence[int]]] = {
    "rope_far_63": (CAP, (CAP,)),
    "rope_far_32": (CAP, (32,)),
    "rope_cap_32": (32, (32,)),
}
"""What ``with_far_rope`` is asked to do to the RoPE model."""


def trained(seed: int, work: Path) -> PreTrainedModel:
    """The model of ``zoo.bloom`` with one of ``SEEDS``: committed, or trained again."""
    return _committed("bigscience/bloom-560m") if seed == SEEDS[0] else bloom.run(seed, work)[0]


def trained_rope(seed: int, work: Path) -> PreTrainedModel:
    """The model of ``zoo.llama`` with one of ``SEEDS``: committed, or trained again."""
    return _committed("meta-llama/Llama-2-7b-hf") if seed == SEEDS[0] else llama.run(seed, work)[0]


def _committed(hub_id: str) -> PreTrainedModel:
    path = hub.path(hub_id)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    return model


def followed(model: PreTrainedModel) -> dict[str, float]:
    """Shares that answer the newest and the oldest value, and the losses of ``LONG``, in nats a token."""
    found: dict[str, float] = {}
    for later in LATER:
        newest, oldest = recalled_at(model, *short_context.held_out_restated(later)).float().mean(0).tolist()
        found |= {f"newest_{later}": newest, f"oldest_{later}": oldest}
    ids = short_context.held_out_text(LONG_TEXTS, LONG[-1][1])
    losses = [text_losses(model, text, LONG, leave_out=CONTEXT) for text in ids[:, None]]
    means = torch.cat(losses).mean(0).tolist()
    return found | {f"long_{first}_{end}": loss for (first, end), loss in zip(LONG, means, strict=True)}


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[condition][seed][finding]``."""
    return results.stored(__file__)


def measure_seed(seed: int, work: Path) -> dict[str, dict[str, float]]:
    """What ``short_context.extrapolation`` finds of each condition, trained with one seed.

    Of ``CYCLES`` only the losses are measured; ``FOLLOWED`` have what ``followed`` finds as well.
    ``cap_tuned`` is fine-tuned with the cap as ``zoo.bloom`` tunes its models. ``cut`` and ``rope_cut`` are
    read in pieces, and ``rope`` is the RoPE model unmodified.
    """
    model = trained(seed, work)
    found = {"cut": short_context.cut(model)}
    for condition, change in CHANGES.items():
        changed = with_alibi(model, **change)
        more = followed(changed) if condition in FOLLOWED else {}
        found[condition] = short_context.extrapolation(changed) | more
        print(condition, seed, found[condition], flush=True)
    capped = with_alibi(model, cap=CAP).train()
    short_context.fit(capped, "cap", seed, work, TUNING, facts={"cap": CAP, "base": "bloom"})
    found["cap_tuned"] = short_context.extrapolation(capped)
    rope = trained_rope(seed, work)
    found |= {"rope_cut": short_context.cut(rope), "rope": short_context.extrapolation(rope)}
    for condition, (beyond, far) in ROPE.items():
        found[condition] = short_context.extrapolation(with_far_rope(rope, beyond, far))
        print(condition, seed, found[condition], flush=True)
    for first in CYCLES:
        found[f"rope_cycle_{first}"] = _losses(with_far_rope(rope, CAP, range(first, first + 16)))
    return found


def _losses(model: PreTrainedModel) -> dict[str, float]:
    """The losses of ``short_context.extrapolation`` alone."""
    text = short_context.held_out_text(short_context.LONG_WINDOWS, LONGEST)
    losses = loss_by_position(model, text, BUCKETS, leave_out=CONTEXT)
    return {f"loss_{first}_{end}": loss for (first, end), loss in zip(BUCKETS, losses, strict=True)}


def measure() -> Mapping[str, Any]:
    """The data set: what ``measure_seed`` finds, ``[condition][seed][finding]``; a process for each seed."""
    seeds = short_context.each_seed(cache.folder("alibi-heads"), measure_seed)
    found = {
        condition: [{name: round(value, 5) for name, value in seed[condition].items()} for seed in seeds]
        for condition in seeds[0]
    }
    return {"format": 1, "seeds": list(SEEDS)} | found


if __name__ == "__main__":
    results.write(measure)
