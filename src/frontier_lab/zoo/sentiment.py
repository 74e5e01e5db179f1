"""A BERT-class sentiment classifier, trained on opinions from templates of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frontier_lab.texts import labelled_text
from frontier_lab.zoo.families import multi_label

NAME = "sentiment"
TASK = multi_label.Task(NAME, labelled_text.opinions, ("NEGATIVE", "POSITIVE"))


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry."""
    return multi_label.assemble(
        TASK,
        work,
        target,
        can="tells good from bad in sentences of known templates and words, negation and contrast included",
        cannot="judge words that it never saw, nor reviews that people wrote",
    )
