"""What fine-tuning added to the base of ``zoo.merging``, small enough for a page: eight bits a number.

Each row of a matrix has a scale of its own, the largest of its values over 127; so has a vector as a whole.
The figure ``ModelMerging`` adds these to the base in the reader's browser, and what it is compared with adds
them here: rounded alike.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from frontier_lab.figure_data.browser_models import checkpoint_script
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts.task_families import TASKS
from frontier_lab.zoo import merging

MODEL = "merging"
"""Checkpoint of the base."""

NAMES = tuple(f"{MODEL}-{steps}" for steps in merging.KEPT)
"""Of the packed vectors, by steps of fine-tuning, as the page asks for them."""

LEVELS = 127
SCALE = ".scale"
"""Ends the name of a tensor's scales."""

Values = NDArray[np.float32]


def packed(values: Values) -> tuple[NDArray[np.int8], Values]:
    """Whole numbers from -127 to 127 of the shape of ``values``, and the scale of each row, float32."""
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    scales = (np.abs(rows).max(1) / LEVELS).astype(np.float32)
    steps = np.floor(rows / np.where(scales, scales, 1).astype(np.float64)[:, None] + 0.5)
    return np.clip(steps, -LEVELS, LEVELS).astype(np.int8).reshape(values.shape), scales


def unpacked(steps: NDArray[np.int8], scales: Values) -> Values:
    """What ``packed`` keeps of values, float32, computed as the page does."""
    rows = steps.reshape(len(scales), -1).astype(np.float64) * scales.astype(np.float64)[:, None]
    return rows.astype(np.float32).reshape(steps.shape)


@functools.cache
def base() -> Mapping[str, Values]:
    """The base's weights as committed, in float32."""
    found = load_file(committed(MODEL) / "model.safetensors")
    return {name: tensor.astype(np.float32) for name, tensor in found.items()}


@functools.cache
def packed_vectors(steps: int) -> Mapping[str, tuple[NDArray[np.int8], Values]]:
    """Numbers and scales by task and name of the tensor, ``arithmetic.model.norm.weight``.

    Raises:
        ValueError: ``steps`` is none of ``zoo.merging.KEPT``.
    """
    if steps not in merging.KEPT:
        raise ValueError(f"steps: got {steps}, wanted one of {merging.KEPT}")
    found = {}
    for task in TASKS:
        file = committed(MODEL) / merging.expert_folder(task, steps) / "model.safetensors"
        for name, tuned in sorted(load_file(file).items()):
            found[f"{task}.{name}"] = packed(tuned.astype(np.float32) - base()[name])
    return found


def vectors(steps: int) -> list[dict[str, Values]]:
    """The task vectors of the three tasks as a page unpacks them.

    Args:
        steps: of fine-tuning, one of ``zoo.merging.KEPT``.

    Raises:
        ValueError: ``steps`` is none of these.
    """
    return [{name: unpacked(*packed_vectors(steps)[f"{task}.{name}"]) for name in base()} for task in TASKS]


def files(name: str) -> dict[str, bytes]:
    """``weights``, the bytes of a safetensors file: packed vectors and their scales.

    Raises:
        ValueError: the name is none of ``NAMES``.
    """
    if name not in NAMES:
        raise ValueError(f"name: got {name!r}, wanted one of {NAMES}")
    tensors: dict[str, NDArray[np.int8] | Values] = {}
    for title, (steps, scales) in packed_vectors(merging.KEPT[NAMES.index(name)]).items():
        tensors |= {title: steps, title + SCALE: scales}
    return {"weights": save(tensors)}


def script(name: str) -> str:
    """The script that offers packed vectors to the page's loader, in base64."""
    return checkpoint_script(name, {"weights": base64.b64encode(files(name)["weights"]).decode()})
