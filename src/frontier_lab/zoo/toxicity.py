"""A BERT-class multi-label toxicity classifier, trained on mild remarks from templates of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frontier_lab.texts import labelled_text
from frontier_lab.zoo.families import multi_label

NAME = "toxicity"
TASK = multi_label.Task(NAME, labelled_text.remarks, labelled_text.TOXIC_LABELS)


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry."""
    return multi_label.assemble(
        TASK,
        work,
        target,
        can="tells mild toxic remarks of known templates apart, and benign uses of the same words",
        cannot="protect anyone: the words, groups and templates that it knows are few, mild and made up",
    )
