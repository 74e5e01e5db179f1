"""Which of a RoPE model's pairs must turn slower to read eight times the trained length.

28.1.1 slows pairs of the committed model in the page. Here they are slowed from each of several on, and a few
in the middle or at the end alone, some of it in two more seeds, too; the methods that sentences of the page
compare are asked with four times the texts; and, beyond the trained length, pairs are held at one angle.

It takes a few minutes, so it is a command and what it gave is kept:
``python -m frontier_lab.studies.rope_pairs src/frontier_lab/studies/rope_pairs.json``; killed, it goes on
where it was. A test measures a part again.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import recalled, text_losses, with_far_rope, with_rope
from frontier_lab.storage import cache, checkpoints, results
from frontier_lab.storage.files import write_json
from frontier_lab.zoo import llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import CONTEXT, LONGEST

PAIRS = llama.HEAD_DIM // 2
DISTANCE = 480
FEW, MANY = 256, 1024
"""Needles for ``CHANGED`` and for ``COMPARED``."""

TEXTS = 256
"""Texts of the trained length, whose losses are kept."""

FAR_TEXTS = 64
"""Texts of the longest length, whose losses beyond 256 tokens are kept."""

STARTS = (0, 4, 5, 6, 7, 9)
"""The first pair that is slowed, with all that follow it."""


def slowed(*pairs: int) -> dict[str, Any]:
    """These pairs ``llama.FACTOR`` times slower, the others and the temperature as they are."""
    factors = [float(llama.FACTOR) if pair in pairs else 1.0 for pair in range(PAIRS)]
    return llama.slowed(factors, 1.0)


OTHER_SEEDS = (1, 2)
"""More models of the recipe, with the pairs of ``ELSEWHERE`` slowed."""

RANGES = ((5, 9), (6, 10), (4, 9), (10, 13))
"""First and last of the pairs that are slowed alone."""

COMPARED = {"base": llama.PLAIN} | {name: llama.BY_FACTOR[name] for name in ("yarn_s4", "yarn_s8")}
CHANGED = {f"from_{first}": slowed(*range(first, PAIRS)) for first in STARTS} | {
    f"only_{first}_to_{last}": slowed(*range(first, last + 1)) for first, last in RANGES
}
ELSEWHERE = {"base": llama.PLAIN} | {
    name: CHANGED[name] for name in ("from_4", "from_5", "only_5_to_9", "only_6_to_10", "only_4_to_9")
}

HELD = range(5, 10)
"""Pairs that are held at one angle beyond the trained length."""

HELD_AT = (0, 16, 32, 48, 63, 100, 137, 169, 300)
"""The distances whose angle they are held at; training has shown those below ``CONTEXT``."""

HELD_NEEDLES = 128


def measure_one(base: PreTrainedModel, rope: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Hits of ``count`` needles as a string of 0 and 1, and the loss of each text of the trained length."""
    changed = with_rope(base, dict(rope))
    hits = recalled(changed, short_context.held_out_needles(LONGEST, DISTANCE, count))
    losses = text_losses(changed, short_context.held_out_text(TEXTS, CONTEXT), [(0, CONTEXT)])[:, 0]
    return {"hits": _digits(hits), "loss": [round(x, 4) for x in losses.tolist()]}


def measure_far(base: PreTrainedModel, rope: Mapping[str, Any]) -> list[float]:
    """Loss of each of ``FAR_TEXTS`` texts in the last of the recipe's buckets, scored as it scores them."""
    texts = short_context.held_out_text(FAR_TEXTS, LONGEST)
    losses = text_losses(with_rope(base, dict(rope)), texts, [short_context.BUCKETS[-1]], leave_out=CONTEXT)
    return [round(x, 4) for x in losses[:, 0].tolist()]


def measure_held(base: PreTrainedModel, distance: int, count: int) -> str:
    """Hits of ``count`` needles where the pairs of ``HELD`` turn, for all that is farther than the trained
    length, as if it stood at ``distance``; the rest is as it was."""
    held = with_far_rope(base, CONTEXT - 1, [distance], pairs=HELD)
    return _digits(recalled(held, short_context.held_out_needles(LONGEST, DISTANCE, count)))


def _digits(hits: Tensor) -> str:
    return "".join(str(int(hit)) for hit in hits)


def stored() -> dict[str, Any]:
    """What ``measure`` gave: ``hits``, ``loss`` and ``far`` by condition, those of ``OTHER_SEEDS`` named
    ``seed_1_…``; ``held[seed][distance]``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set; what is measured of a condition is kept, so that a killed run goes on."""
    work = cache.folder("rope_pairs")
    work.mkdir(parents=True, exist_ok=True)
    models = {0: hub.load(str(checkpoints.committed(llama.NAME))).float()}
    models |= {seed: llama.run(seed, work)[0].eval() for seed in OTHER_SEEDS}

    def once(name: str, measured: Callable[[], Any]) -> Any:
        kept = work / f"{name}.json"
        if not kept.exists():
            write_json(kept, measured())
            print(name, file=sys.stderr, flush=True)
        return json.loads(kept.read_text("utf8"))

    runs = {name: (models[0], rope, MANY) for name, rope in COMPARED.items()}
    runs |= {name: (models[0], rope, FEW) for name, rope in CHANGED.items()}
    for seed in OTHER_SEEDS:
        runs |= {f"seed_{seed}_{name}": (models[seed], rope, FEW) for name, rope in ELSEWHERE.items()}
    found: dict[str, dict[str, Any]] = {"hits": {}, "loss": {}, "far": {}}
    for name, (model, rope, count) in runs.items():
        for what, value in once(name, partial(measure_one, model, rope, count)).items():
            found[what][name] = value
        found["far"][name] = once(f"far_{name}", partial(measure_far, model, rope))
    held: dict[str, dict[str, str]] = {str(seed): {} for seed in models}
    for seed, model in models.items():
        for distance in HELD_AT:
            measured = partial(measure_held, model, distance, HELD_NEEDLES)
            held[str(seed)][str(distance)] = once(f"held_{seed}_{distance}", measured)
    shutil.rmtree(work)
    known = {"format": 3, "distance": DISTANCE, "factor": llama.FACTOR, "starts": list(STARTS)}
    return {**known, **found, "held": held}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write(measure)
