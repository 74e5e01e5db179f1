"""What ``AttackPlayground`` needs beside a classifier: the table of synonyms, a linear model's weights.

One script for both, which a page adds when its reader first asks for more than came with it. The linear model
is the one of ``studies.attacks`` with the penalty that is best on ``stack``, in half precision;
``attack_playground`` fits it and writes it to ``LINEAR``.
"""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save, save_file

from frontier_lab.figure_data.browser_models import checkpoint_script
from frontier_lab.methods.bag_of_words import BagOfWords
from frontier_lab.texts import synonyms

NAME = "attack-tables"
"""Of the script, as the page asks for it."""

LINEAR = Path(__file__).with_suffix(".safetensors")
WEIGHTS, BIAS = "weights", "bias"
RARE = "~"
"""Before a synonym that only a rare sense of the word has."""


def keep(model: BagOfWords) -> None:
    """Write a linear model in half precision, its words in alphabetical order in the metadata."""
    words = sorted(model.weights)
    tensors = {
        WEIGHTS: np.stack([model.weights[word] for word in words]).astype(np.float16),
        BIAS: model.bias.astype(np.float32),
    }
    save_file(tensors, LINEAR, {"words": " ".join(words)})


@functools.cache
def linear() -> BagOfWords:
    """The linear model as the page has it: rounded, and then in float64."""
    with safe_open(LINEAR, "np") as file:
        words = file.metadata()["words"].split()
        weights = file.get_tensor(WEIGHTS).astype(np.float64)  # [V, C]
        bias = file.get_tensor(BIAS).astype(np.float64)
    return BagOfWords(dict(zip(words, weights, strict=True)), bias)


def packed_synonyms() -> str:
    """A line for each word: the word, then what may stand for it, the nearest first.

    All that ``synonyms.candidates`` gives with its own share or with none at all.
    """
    lines = []
    for word, known in synonyms.table().items():
        common = synonyms.candidates(word)
        rare = synonyms.candidates(word, share=0.0)
        order = [each.word for each in known if each.word in common or each.word in rare]
        lines.append(" ".join([word, *(other if other in common else RARE + other for other in order)]))
    return "\n".join(lines)


def files(name: str) -> dict[str, bytes]:
    """``config``, words and synonyms as JSON, and ``weights``, the bytes of a safetensors file.

    Raises:
        ValueError: the name is not ``NAME``.
    """
    if name != NAME:
        raise ValueError(f"name: got {name!r}, wanted {NAME!r}")
    model = linear()
    words = sorted(model.weights)
    config = {"words": " ".join(words), "synonyms": packed_synonyms()}
    tensors: dict[str, Any] = {
        WEIGHTS: np.stack([model.weights[word] for word in words]).astype(np.float16),
        BIAS: model.bias.astype(np.float32),
    }
    return {"config": json.dumps(config).encode(), "weights": save(tensors)}


def script(name: str) -> str:
    """The script that offers the tables to the page's loader."""
    found = files(name)
    weights = base64.b64encode(found["weights"]).decode()
    return checkpoint_script(name, {"config": json.loads(found["config"]), "weights": weights})
