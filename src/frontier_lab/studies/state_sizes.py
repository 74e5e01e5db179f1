"""Associative recall of models that differ in the size of their state alone.

Two families are trained again on the sequences of the peers' part ``recall``, each with its own steps, rate
and other sizes: ``zoo.mamba`` with other numbers a channel, and the gate of ``studies.delta_rule`` (one
decay a head, set by the token, as in Mamba-2) with other widths of a key. A larger state also brings a few
more parameters: the projections that write and read it.

The trainings are too many for a page, so they are a command and what they gave is kept:
``python -m frontier_lab.studies.state_sizes src/frontier_lab/studies/state_sizes.json``; killed, it
goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from transformers import MambaConfig

from frontier_lab.storage import cache, results
from frontier_lab.studies import delta_rule
from frontier_lab.zoo import mamba
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer, Task

FAMILIES: Mapping[str, tuple[int, ...]] = {"Mamba": (2, 8, 32), "gated": (2, 4, 8, 32)}
"""Sizes: numbers that a channel keeps, of which the committed model has 8, and the width of a head's keys.

A width of 16 is what ``studies.delta_rule`` trains itself."""


def peer(family: str, size: int) -> Peer:
    """A model of a family with a state of this size.

    Raises:
        ValueError: there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family: got {family!r}, wanted one of {', '.join(FAMILIES)}")
    if family == "gated":
        return delta_rule.peer("gated", key_width=size)

    def sizes(task: Task) -> MambaConfig:
        config = mamba.sizes(task)
        config.state_size = size
        return config

    return replace(mamba.PEER, sizes=sizes)


def numbers(family: str, size: int) -> int:
    """Numbers that the states of all layers hold, the short convolution's left out."""
    config = peer(family, size).config("recall")
    if family == "gated":
        return int(config.num_hidden_layers * size * config.value_size)
    return int(config.num_hidden_layers * size * config.expand * config.hidden_size)


def stored() -> dict[str, Any]:
    """What ``trained`` gave, as it is committed."""
    return results.stored(__file__)


def trained() -> Mapping[str, Any]:
    """For each family and size ``parameters``, and ``recall`` and ``val_loss`` as in ``rewriting``."""
    found: dict[str, Any] = {"format": 1}
    for family, sizes in FAMILIES.items():
        found[family] = {}
        for size in sizes:
            built = peer(family, size)
            work = cache.folder("state-sizes") / f"{family}-{size}"
            logs = peers.every_seed(built, "recall", work)
            found[family][str(size)] = {
                "parameters": built.model_class(built.config("recall")).num_parameters(),
                "recall": [log[-1]["accuracy"] for log in logs],
                "val_loss": [{str(row["step"]): row["val_loss"] for row in log} for log in logs],
            }
    return found


if __name__ == "__main__":
    results.write(trained)
