"""What the delta rule is worth where keys are written twice, and the later value is asked for.

``sequence_tasks.rewriting`` on three memories of one size: retention with its fixed decay, a gate that the
token sets, and the gate with the delta rule (``studies.delta_rule``). Sizes, steps and rate are those of
``zoo.retnet``'s part ``recall``, where every key is written once.

Nine trainings are too much for a page, so they are a command and what they gave is kept:
``python -m frontier_lab.studies.rewritten_keys src/frontier_lab/studies/rewritten_keys.json``; killed, it
goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from frontier_lab.storage import cache, results
from frontier_lab.studies import delta_rule
from frontier_lab.texts import sequence_tasks
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Sequences

KEYS = (4, 8, 16, 32)
"""Every batch has one of these numbers of keys, and each is measured."""


def batch(seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Ids and labels of a step, about as many tokens as in a step of ``recall``."""
    generator = np.random.default_rng((seed, step))
    keys = int(generator.choice(KEYS))
    return sequence_tasks.rewriting(keys, peers.TASK_TOKENS["recall"] // (4 * keys), generator)


def held_out(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Ids and labels of each number of keys."""
    return {
        f"{n} keys": sequence_tasks.rewriting(
            n, peers.VALIDATION_TOKENS // (4 * n), np.random.default_rng((seed, n))
        )
        for n in KEYS
    }


SEQUENCES = Sequences(batch, held_out)
MEMORIES: Mapping[str, Peer] = {"fixed decay": retnet.PEER} | {
    rule: delta_rule.peer(rule) for rule in ("gated", "gated delta")
}


def stored() -> dict[str, Any]:
    """What ``trained`` gave, as it is committed."""
    return results.stored(__file__)


def trained() -> Mapping[str, Any]:
    """The data set: ``recall[memory][seed][keys]`` at the end, ``val_loss[memory][seed][step]`` before."""
    recalls, losses = {}, {}
    for name, peer in MEMORIES.items():
        work = cache.folder("rewriting") / name.replace(" ", "-")
        logs = peers.every_seed(peer, "recall", work, SEQUENCES)
        recalls[name] = [log[-1]["accuracy"] for log in logs]
        losses[name] = [{str(row["step"]): row["val_loss"] for row in log} for log in logs]
    return {"format": 1, "recall": recalls, "val_loss": losses}


if __name__ == "__main__":
    results.write(trained)
