"""A BERT-class multi-label toxicity classifier, trained on mild remarks from templates of ours."""

from __future__ import annotations

from functools import partial

from frontier_lab.texts import labelled_text
from frontier_lab.zoo.families import multi_label
from frontier_lab.zoo.training.recipe import Recipe

NAME = "toxicity"
TASK = multi_label.Task(NAME, labelled_text.remarks, labelled_text.TOXIC_LABELS)

RECIPE = Recipe(
    NAME,
    partial(
        multi_label.assemble,
        TASK,
        can="tells mild toxic remarks of known templates apart, and benign uses of the same words",
        cannot="protect anyone: the words, groups and templates that it knows are few, mild and made up",
    ),
)
