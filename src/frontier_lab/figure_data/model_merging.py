"""The data set of the ``ModelMerging`` figure: what merged models answer at the nodes of a grid of weights.

``python -m frontier_lab.figure_data.model_merging FILE`` writes it, for ``frontier_widgets``' ``data``: two
minutes on one idle core. A test measures some of the nodes again.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from frontier_widgets.model_merging.rules import Merge, Tensors, merge
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from frontier_lab import hub
from frontier_lab.figure_data import task_vectors
from frontier_lab.storage.checkpoints import committed, manifest
from frontier_lab.storage.results import write
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import IGNORED, Example, encode
from frontier_lab.texts.task_families import TASKS
from frontier_lab.zoo import merging

AXIS = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Weights at the nodes."""

PROMPTS = 32
"""Of each task; nothing was trained on them."""

WINDOWS, WINDOW = 16, 16
"""Pieces of held-out text and the tokens of each: short, for a page measures a piece without a pause."""

DEFAULT = (0.75, 0.75, 0.75)
"""Weights with which the figure opens; a node."""

LONGEST = 16
"""Tokens of an answer."""


@functools.cache
def tokenizer() -> PreTrainedTokenizerBase:
    """Of the committed base."""
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(committed(task_vectors.MODEL)))
    return found


@functools.cache
def prompts() -> Mapping[str, tuple[Example, ...]]:
    """By task what is asked, and the right answers."""
    return {task: task_families.distinct(task, "test", PROMPTS) for task in TASKS}


@functools.cache
def texts() -> Tensor:
    """Pieces of text that no model was trained on, ``[WINDOWS, WINDOW]``."""
    return merging.held_out_text()[:WINDOWS, :WINDOW]


@functools.cache
def _batch() -> tuple[Tensor, Tensor]:
    """All prompts and all pieces of text as one batch: ids and labels."""
    ids, labels = encode(tokenizer(), [example for task in TASKS for example in prompts()[task]])
    text = texts()
    room = max(ids.shape[1], WINDOW)

    def wide(rows: Tensor, fill: int) -> Tensor:
        return nn.functional.pad(rows, (0, room - rows.shape[1]), value=fill)

    return (
        torch.cat([wide(ids, 0), wide(text, 0)]),
        torch.cat([wide(labels, IGNORED), wide(text, IGNORED)]),
    )


@functools.cache
def shell() -> nn.Module:
    """The committed base, whose weights are written over."""
    model: nn.Module = hub.load(str(committed(task_vectors.MODEL)))
    return model


def measured(weights: Tensors) -> NDArray[np.uint16]:
    """Right answers of each task, and the loss on text in thousandths of a nat."""
    model = merging.load(shell(), {name: torch.from_numpy(value) for name, value in weights.items()})
    ids, labels = _batch()
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, :-1]  # [B, T-1, V]
    wanted = labels[:, 1:]
    asked = PROMPTS * len(TASKS)
    right = ((logits[:asked].argmax(-1) == wanted[:asked]) | (wanted[:asked] == IGNORED)).all(-1)
    loss = nn.functional.cross_entropy(
        logits[asked:].flatten(0, 1), wanted[asked:].flatten(), ignore_index=IGNORED
    )
    counts = right.reshape(len(TASKS), PROMPTS).sum(1).tolist()
    return np.array([*counts, min(65535, round(1000 * loss.item()))], np.uint16)


def at(weights: Iterable[float], steps: int, embedding: bool) -> NDArray[np.uint16]:
    """``measured`` for the sum of weighted task vectors."""
    how = Merge((*weights,), embedding=embedding)
    return measured(merge(task_vectors.base(), task_vectors.vectors(steps), how))


def grid() -> NDArray[np.uint16]:
    """``[steps, 2, AXIS, AXIS, AXIS, tasks + 1]``, the embedding at the base's before it is merged."""
    shape = (len(merging.KEPT), 2, *[len(AXIS)] * len(TASKS), len(TASKS) + 1)
    found = np.zeros(shape, np.uint16)
    for (i, steps), embedding in product(enumerate(merging.KEPT), (0, 1)):
        for node in product(range(len(AXIS)), repeat=len(TASKS)):
            weights = [AXIS[place] for place in node]
            found[(i, embedding, *node)] = at(weights, steps, bool(embedding))
    return found


def answer(weights: Tensors, prompt: str) -> str:
    """What a model says after a prompt, greedily."""
    model = merging.load(shell(), {name: torch.from_numpy(value) for name, value in weights.items()})
    ids = tokenizer()(prompt).input_ids
    start = len(ids)
    while len(ids) - start < LONGEST:
        with torch.no_grad():
            following = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if following == tokenizer().eos_token_id:
            break
        ids.append(following)
    said: str = tokenizer().decode(ids[start:])
    return said


def answers() -> dict[str, dict[str, str]]:
    """By the first prompt of each task: what the base, each expert and the merge of ``DEFAULT`` say."""
    base, vectors = task_vectors.base(), task_vectors.vectors(merging.KEPT[0])
    ones = np.eye(len(TASKS))
    models = {"base": base} | {
        task: merge(base, vectors, Merge((*one,))) for task, one in zip(TASKS, ones, strict=True)
    }
    models["merged"] = merge(base, vectors, Merge(DEFAULT))
    first = [examples[0].prompt for examples in prompts().values()]
    return {prompt: {name: answer(weights, prompt) for name, weights in models.items()} for prompt in first}


def words() -> dict[str, Any]:
    """All of the data set but the grid."""
    found = manifest()[task_vectors.MODEL]
    return {
        "format": 1,
        "tasks": list(TASKS),
        "axis": list(AXIS),
        "trained": list(merging.KEPT),
        "prompts": [[task, e.prompt, e.answer] for task in TASKS for e in prompts()[task]],
        "texts": texts().tolist(),
        "answers": answers(),
        "facts": {
            "class": found["class"],
            "parameters": found["parameters"],
            "sha256": found["files"]["model.safetensors"],
        },
        "live": task_vectors.MODEL,
    }


def build() -> dict[str, Any]:
    """The data set as a JSON object."""
    torch.set_num_threads(1)
    return {**words(), "grid": base64.b64encode(grid().astype("<u2").tobytes()).decode()}


if __name__ == "__main__":
    write(build)
