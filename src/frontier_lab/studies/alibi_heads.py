"""What relaxing the far penalty brings and costs, head by head, and what capping RoPE does: 28.1.2.

The committed models of ``zoo.bloom`` and ``zoo.llama`` are measured with everything changed at once: that
stands in the manifest. Here the same trained models, three seeds, are changed in part: the slopes of some
heads, or what keys beyond the trained length count as; and asked which of two values is the newer, which
neither loss nor recall shows. Seed 0 is the committed checkpoint; the weights of the other seeds are not
committed, so they are trained again by their recipes, two minutes a seed on one core, and a test holds what
they give against the manifest. A command does it all, and killed, its training goes on where it was, and
what its file has already is not measured again (take a condition out of the file, and it is):
``python -m frontier_lab.studies.alibi_heads src/frontier_lab/studies/alibi_heads.json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import (
    ntk_divisors,
    recalled_at,
    text_losses,
    with_alibi,
    with_far_rope,
    with_rope,
)
from frontier_lab.storage import cache, results
from frontier_lab.zoo import bloom, llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import CONTEXT, LONGEST
from frontier_lab.zoo.training.recipe import SEEDS

FACTOR = 4.0
CAP = CONTEXT - 1
"""The longest distance within the trained length. It was never trained itself: only the last query of a
window meets it, and what that one predicts is not scored."""

FAR = (32, 16, 0)
"""Distances whose penalty keys beyond ``CAP`` get instead."""

_ONE, _GENTLE, _STEEP = [1.0] * 4, [1.0, 1.0, FACTOR, FACTOR], [FACTOR, FACTOR, 1.0, 1.0]
_THREE = [1.0, FACTOR, FACTOR, FACTOR]
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "window_32": {"window": 32},
    "all": {"divide": FACTOR},
    "steep": {"divide": [_STEEP, _STEEP]},
    "gentle_first_layer": {"divide": [_GENTLE, _ONE]},
    "gentle_free": {"divide": [[1.0, 1.0, math.inf, math.inf]] * 2},
    "ntk": {"divide": [ntk_divisors(LONGEST / CONTEXT, 4)] * 2},
    "cap": {"cap": CAP},
    **{f"far_{far}": {"cap": CAP, "far": far} for far in FAR},
    "third": {"divide": [[1.0, 1.0, FACTOR, 1.0], _ONE]},
    "gentlest": {"divide": [[1.0, 1.0, 1.0, FACTOR], _ONE]},
    "three": {"divide": [_THREE, _THREE]},
    "three_first_layer": {"divide": [_THREE, _ONE]},
    "far_0_steepest": {"cap": [[CAP, LONGEST, LONGEST, LONGEST]] * 2, "far": 0},
}
"""What ``with_alibi`` is asked to do to the trained model: 2 layers of 4 heads, the steepest first."""

LATER = (90, 240)
"""Distances at which the label stated first, 480 back, is stated again with another value."""

ORDERED = (
    *("base", "all", "three", "three_first_layer", "gentle_first_layer"),
    *("third", "gentle_free", "ntk", "cap"),
)
ORDERED_ROPE = ("rope", "rope_cap", "yarn", "yarn_tuned")
"""Conditions that are asked which of the two values is the newer one, of either model."""

CONDITIONS = ("cut", *CHANGES, *ORDERED_ROPE)
"""All of them: ``cut`` is read in pieces."""

NEAR = (15, 30, 45, 60)
"""Distances, nearer than ``CAP``, at which ``NEARER`` are asked as well."""

NEARER = ("base", "cap", "rope", "rope_cap")

LONG = ((64, 512), (512, 1024), (1024, 2048), (2048, 4096))
LONG_TEXTS = 6
LONGER = ("base", "gentle_first_layer", "three_first_layer", "cap")
"""Conditions that also read ``LONG``."""

ROPE_CAP = 32
"""Beyond this distance ``rope_cap`` turns keys as if they stood at it: ReRoPE."""


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


def order(model: PreTrainedModel, distances: Sequence[int]) -> dict[str, float]:
    """Shares that answer the newer and the older value, by how far back the newer one stands."""
    found: dict[str, float] = {}
    for later in distances:
        newest, oldest = recalled_at(model, *short_context.held_out_restated(later)).float().mean(0).tolist()
        found |= {f"newest_{later}": newest, f"oldest_{later}": oldest}
    return found


def long_losses(model: PreTrainedModel) -> dict[str, float]:
    """The losses of ``LONG``, in nats a token, mean of ``LONG_TEXTS``."""
    ids = short_context.held_out_text(LONG_TEXTS, LONG[-1][1])
    losses = [text_losses(model, text, LONG, leave_out=CONTEXT) for text in ids[:, None]]
    means = torch.cat(losses).mean(0).tolist()
    return {f"long_{first}_{end}": loss for (first, end), loss in zip(LONG, means, strict=True)}


def asked(condition: str) -> tuple[int, ...]:
    """Distances of the newer value that a condition is asked at."""
    near = NEAR if condition in NEARER else ()
    return (*near, *LATER) if condition in (*ORDERED, *ORDERED_ROPE) else ()


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[condition][seed][finding]``."""
    return results.stored(__file__)


def changed(condition: str, seed: int, work: Path) -> PreTrainedModel:
    """The model of a condition: of ``CHANGES``, or of the RoPE model.

    ``rope`` is unmodified, ``rope_cap`` has its distances capped at ``ROPE_CAP``, ``yarn`` is YaRN at s = 8,
    and ``yarn_tuned`` is fine-tuned so by ``zoo.llama``.
    """
    if condition in CHANGES:
        return with_alibi(trained(seed, work), **CHANGES[condition])
    rope = trained_rope(seed, work)
    match condition:
        case "rope_cap":
            return with_far_rope(rope, ROPE_CAP, [ROPE_CAP])
        case "yarn":
            return with_rope(rope, llama.BY_FACTOR["yarn_s8"])
        case "yarn_tuned":
            return llama.tune(rope, "yarn_s8", seed, work)[0]
        case _:
            return rope


def measure_condition(condition: str, seed: int, work: Path) -> dict[str, float]:
    """What ``short_context.extrapolation`` finds of a condition, and the rest; of ``cut``, read in pieces."""
    if condition == "cut":
        return short_context.cut(trained(seed, work))
    model = changed(condition, seed, work)
    found = short_context.extrapolation(model) | order(model, asked(condition))
    if condition in LONGER:
        found |= long_losses(model)
    print(condition, seed, found, flush=True)
    return found


def measure_seed(conditions: Sequence[str], seed: int, work: Path) -> dict[str, dict[str, float]]:
    """What ``measure_condition`` finds of each condition, trained with one seed."""
    return {condition: measure_condition(condition, seed, work) for condition in conditions}


def measure() -> Mapping[str, Any]:
    """The data set: ``[condition][seed][finding]``, what is not stored yet; a process for each seed."""
    done = stored() if Path(__file__).with_suffix(".json").exists() else {}
    missing = [condition for condition in CONDITIONS if condition not in done]
    seeds = short_context.each_seed(cache.folder("alibi-heads"), partial(measure_seed, missing))
    new = {
        condition: [{name: round(value, 5) for name, value in seed[condition].items()} for seed in seeds]
        for condition in missing
    }
    return {"format": 1, "seeds": list(SEEDS)} | {name: (done | new)[name] for name in CONDITIONS}


if __name__ == "__main__":
    results.write(measure)
