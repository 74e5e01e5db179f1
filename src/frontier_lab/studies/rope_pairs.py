"""Which of a RoPE model's pairs must turn slower to read eight times the trained length.

28.1.1 slows pairs of the committed model in the page. Here they are slowed from each of several on, and a few
in the middle alone; and the methods that sentences of the page compare are asked with four times the texts.

It takes a few minutes, so it is a command and what it gave is kept:
``python -m frontier_lab.studies.rope_pairs src/frontier_lab/studies/rope_pairs.json``; killed, it goes on
where it was. A test measures a part again.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import torch
from transformers import PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import recalled, text_losses, with_rope
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


COMPARED = {"base": llama.PLAIN} | {name: llama.BY_FACTOR[name] for name in ("yarn_s4", "yarn_s8")}
CHANGED = {f"from_{first}": slowed(*range(first, PAIRS)) for first in STARTS} | {
    "only_5_to_9": slowed(*range(5, 10))
}


def measure_one(base: PreTrainedModel, rope: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Hits of ``count`` needles as a string of 0 and 1, and the loss of each text of the trained length."""
    changed = with_rope(base, dict(rope))
    hits = recalled(changed, short_context.held_out_needles(LONGEST, DISTANCE, count))
    losses = text_losses(changed, short_context.held_out_text(TEXTS, CONTEXT), [(0, CONTEXT)])[:, 0]
    return {"hits": "".join(str(int(hit)) for hit in hits), "loss": [round(x, 4) for x in losses.tolist()]}


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``hits[condition]`` and ``loss[condition][text]``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set; what is measured of a condition is kept, so that a killed run goes on."""
    work = cache.folder("rope_pairs")
    work.mkdir(parents=True, exist_ok=True)
    base = hub.load(str(checkpoints.committed(llama.NAME))).float()
    found: dict[str, dict[str, Any]] = {"hits": {}, "loss": {}}
    for name, rope in {**COMPARED, **CHANGED}.items():
        kept = work / f"{name}.json"
        if not kept.exists():
            write_json(kept, measure_one(base, rope, MANY if name in COMPARED else FEW))
            print(name, file=sys.stderr, flush=True)
        for what, value in json.loads(kept.read_text("utf8")).items():
            found[what][name] = value
    shutil.rmtree(work)
    return {"format": 1, "distance": DISTANCE, "factor": llama.FACTOR, "starts": list(STARTS), **found}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write(measure)
