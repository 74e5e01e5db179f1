"""Find the learning rate and the scale of the first weights of the five peers, each by the same search.

``python -m frontier_lab.zoo.sweep [name | name:task …]`` writes ``sweep.json``, which the recipes read. First
the scales are compared at one rate, then the rate is halved and doubled until the best one has a worse one on
either side. A trial is a short run on a seed, text and sequences that are not reported.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from frontier_lab.storage import cache
from frontier_lab.storage.files import write_json
from frontier_lab.zoo import llama_peer, mamba, retnet, rwkv, s4d
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import SCHEDULES, SETTINGS, Peer, Task

PEERS = {recipe.NAME: recipe.PEER for recipe in (llama_peer, mamba, retnet, rwkv, s4d)}
SEED = 100
FIRST_RATE = 5e-3
SCALES: Mapping[Task, tuple[float, ...]] = {
    "language": (0.02, 0.08),
    "recall": (0.05, 0.1),
    "copy": (0.05, 0.1),
}
STEPS: Mapping[Task, int] = {"language": 150, "recall": 1000, "copy": 800}
"""Of a trial."""


def search(peer: Peer, task: Task, work: Path) -> dict[str, Any]:
    """Try until the best rate lies between two worse ones; returns ``rate``, ``scale``, ``trials``."""
    trials: list[dict[str, Any]] = []

    def loss(rate: float, scale: float | None) -> float:
        schedule = replace(SCHEDULES[task], steps=STEPS[task], learning_rate=rate, log_every=STEPS[task])
        place = work / f"{task}-{rate}-{scale}"
        log = peers.run(peer, task, SEED, place, place, schedule, trial=True, scale=scale)
        found: float = log[-1]["val_loss"]
        diverged = not math.isfinite(found)
        trials.append({"rate": rate, "scale": scale, "loss": None if diverged else round(found, 4)})
        return math.inf if diverged else found

    scales = SCALES[task] if peer.scaled else (None,)
    at_first = {scale: loss(FIRST_RATE, scale) for scale in scales}
    scale = min(at_first, key=at_first.__getitem__)
    tried = {FIRST_RATE: at_first[scale]}
    while (best := min(tried, key=tried.__getitem__)) in (edges := (min(tried), max(tried))):
        if len(tried) == 1 or best == edges[1]:
            tried[best * 2] = loss(best * 2, scale)
        if best == edges[0]:
            tried[best / 2] = loss(best / 2, scale)
    return {"rate": best, "scale": scale, "steps": STEPS[task], "seed": SEED, "trials": trials}


def main() -> None:
    """Entry point."""
    every = [f"{name}:{task}" for name in PEERS for task in SCHEDULES]
    asked = sys.argv[1:] or list(PEERS)
    wanted = [each for each in every if each in asked or each.partition(":")[0] in asked]
    if unknown := set(asked) - set(every) - set(PEERS):
        raise SystemExit(f"error: no {', '.join(sorted(unknown))}; there are {', '.join([*PEERS, *every])}")
    torch.set_num_threads(1)
    work = cache.folder("sweep")
    for each in wanted:
        name, _, chosen = each.partition(":")
        task = next(task for task in SCHEDULES if task == chosen)
        found = search(PEERS[name], task, work / name)
        with FileLock(work / "lock"):  # two searches at once do not lose each other's result
            settings = json.loads(SETTINGS.read_text("utf8")) if SETTINGS.exists() else {}
            settings.setdefault(name, {})[task] = found
            write_json(SETTINGS, dict(sorted(settings.items())))
        shutil.rmtree(work / name)


if __name__ == "__main__":
    main()
