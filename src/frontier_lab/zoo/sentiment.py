"""A BERT-class sentiment classifier, trained on opinions from templates of ours."""

from __future__ import annotations

from functools import partial

from frontier_lab.texts import labelled_text
from frontier_lab.zoo.families import multi_label
from frontier_lab.zoo.training.recipe import Recipe

NAME = "sentiment"
TASK = multi_label.Task(NAME, labelled_text.opinions, ("NEGATIVE", "POSITIVE"))

RECIPE = Recipe(
    NAME,
    partial(
        multi_label.assemble,
        TASK,
        can="tells good from bad in sentences of known templates and words, negation and contrast included",
        cannot="judge words that it never saw, nor reviews that people wrote",
    ),
)
