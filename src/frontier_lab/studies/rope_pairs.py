"""Which of a RoPE model's pairs must turn slower to read eight times the trained length.

28.1.1 slows pairs of the committed model in the page. Here they are slowed from each of several on, a few in
the middle or at the end alone, and one by one; from each on in a second seed, too; and the methods that
sentences of the page compare are asked with four times the texts.

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
from frontier_lab.methods.long_context import recalled, recalled_at, text_losses, with_rope
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

STARTS = (0, 4, 5, 6, 7, 9)
"""The first pair that is slowed, with all that follow it."""


def slowed(*pairs: int) -> dict[str, Any]:
    """These pairs ``llama.FACTOR`` times slower, the others and the temperature as they are."""
    factors = [float(llama.FACTOR) if pair in pairs else 1.0 for pair in range(PAIRS)]
    return llama.slowed(factors, 1.0)


PLACES = (60, 140, 220, 300, 340, 380, 420, 460)
"""How far back the page asks in one text."""

BUMP = (300, 340)
"""Of these: recall is lower at the first and higher at the second."""

OTHER_SEED = 1
"""A second model of the recipe, slowed from each of ``OTHER_STARTS`` on."""

OTHER_STARTS = (4, 5, 6, 7)

COMPARED = {"base": llama.PLAIN} | {name: llama.BY_FACTOR[name] for name in ("yarn_s4", "yarn_s8")}
CHANGED = {f"from_{first}": slowed(*range(first, PAIRS)) for first in STARTS} | {
    f"only_{first}_to_{last}": slowed(*range(first, last + 1)) for first, last in ((5, 9), (4, 9), (10, 13))
}
ELSEWHERE = {f"seed_{OTHER_SEED}_from_{first}": slowed(*range(first, PAIRS)) for first in OTHER_STARTS}
ALONE = {"none": slowed()} | {str(pair): slowed(pair) for pair in range(4, 9)}
"""No pair, and one pair, slower: asked at ``BUMP``."""


def measure_one(base: PreTrainedModel, rope: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Hits of ``count`` needles as a string of 0 and 1, and the loss of each text of the trained length."""
    changed = with_rope(base, dict(rope))
    hits = recalled(changed, short_context.held_out_needles(LONGEST, DISTANCE, count))
    losses = text_losses(changed, short_context.held_out_text(TEXTS, CONTEXT), [(0, CONTEXT)])[:, 0]
    return {"hits": _digits(hits), "loss": [round(x, 4) for x in losses.tolist()]}


def measure_bump(base: PreTrainedModel, rope: Mapping[str, Any], count: int) -> dict[str, str]:
    """Hits of ``count`` haystacks at each distance of ``BUMP``, as strings of 0 and 1."""
    ids, questions = short_context.held_out_haystacks(PLACES)
    asked = questions[:count, [PLACES.index(distance) for distance in BUMP]]
    hits = recalled_at(with_rope(base, dict(rope)), ids[:count], asked)
    return {str(distance): _digits(column) for distance, column in zip(BUMP, hits.T, strict=True)}


def _digits(hits: Tensor) -> str:
    return "".join(str(int(hit)) for hit in hits)


def stored() -> dict[str, Any]:
    """What ``measure`` gave: ``hits`` and ``loss`` by condition, ``alone[pair][distance]``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set; what is measured of a condition is kept, so that a killed run goes on."""
    work = cache.folder("rope_pairs")
    work.mkdir(parents=True, exist_ok=True)
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    found: dict[str, dict[str, Any]] = {"hits": {}, "loss": {}}

    def once(name: str, measured: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        kept = work / f"{name}.json"
        if not kept.exists():
            write_json(kept, measured())
            print(name, file=sys.stderr, flush=True)
        entry: dict[str, Any] = json.loads(kept.read_text("utf8"))
        return entry

    runs = {name: (base, rope, MANY) for name, rope in COMPARED.items()}
    runs |= {name: (base, rope, FEW) for name, rope in CHANGED.items()}
    other = llama.run(OTHER_SEED, work)[0]
    runs |= {name: (other, rope, FEW) for name, rope in ELSEWHERE.items()}
    for name, (model, rope, count) in runs.items():
        for what, value in once(name, partial(measure_one, model, rope, count)).items():
            found[what][name] = value
    alone = {
        name: once(f"alone_{name}", partial(measure_bump, base, rope, short_context.HAYSTACKS))
        for name, rope in ALONE.items()
    }
    shutil.rmtree(work)
    known = {"format": 2, "distance": DISTANCE, "factor": llama.FACTOR, "starts": list(STARTS)}
    return {**known, **found, "alone": alone}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write(measure)
