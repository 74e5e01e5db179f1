"""SmolLM2-135M, a really pretrained model, read to twice its trained length: what 28.1.1 draws of it.

A page cannot afford this (about twenty minutes a text on one core), so it is measured by a command and kept:
``python -m frontier_lab.studies.smollm2_extrapolation src/frontier_lab/studies/smollm2_extrapolation.json``.
A test computes the first bucket of every method again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frontier_lab import hub
from frontier_lab.methods.long_context import ntk_theta, with_rope
from frontier_lab.storage import results
from frontier_lab.texts import corpus

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
FACTOR = 2
"""How many times the trained length is read."""

BOOKS = (0, 150, 300)
"""Chapters of the Bible, counted from 0, at which the three texts begin."""

BUCKETS = ((0, 512), (512, 2048), (2048, 4096), (4096, 8192), (8192, 10240), (10240, 12288), (12288, 16384))


def texts(tokenizer: PreTrainedTokenizerBase, length: int = BUCKETS[-1][1]) -> Tensor:
    """Consecutive chapters as token ids ``[len(BOOKS), length]``."""
    chapters = corpus.documents("bible")
    rows = []
    for start in BOOKS:
        words = "\n\n".join(chapters[start : start + 60])
        rows.append(tokenizer(words, return_tensors="pt").input_ids[0, :length])
    return torch.stack(rows)


def rope_parameters(config: PretrainedConfig, factor: float = FACTOR) -> dict[str, dict[str, Any]]:
    """The methods that are compared, by name, as ``long_context.with_rope`` takes them."""
    own = {"rope_theta": config.rope_parameters["rope_theta"]}
    head_dim = config.hidden_size // config.num_attention_heads
    trained = {"original_max_position_embeddings": config.max_position_embeddings}
    return {
        "base": own | {"rope_type": "default"},
        "linear": own | {"rope_type": "linear", "factor": float(factor)},
        "ntk": {"rope_type": "default", "rope_theta": ntk_theta(own["rope_theta"], factor, head_dim)},
        "yarn": own | {"rope_type": "yarn", "factor": float(factor)} | trained,
    }


@torch.no_grad()
def losses(model: PreTrainedModel, ids: Tensor, rows: int = 1024) -> Tensor:
    """Cross-entropy of every token but the first, in nats, ``[T - 1]``.

    The logits of all positions at once would be 3 GB: they are made ``rows`` at a time.

    Args:
        model: a causal language model with a body ``model`` and a head ``lm_head``.
        ids: one text ``[T]``.
        rows: positions whose logits are held at once.
    """
    states = model.model(input_ids=ids[None]).last_hidden_state[0, :-1]  # [T - 1, D]
    parts = zip(torch.split(states, rows), torch.split(ids[1:], rows), strict=True)
    return torch.cat(
        [torch.nn.functional.cross_entropy(model.lm_head(s), t, reduction="none") for s, t in parts]
    )


def by_bucket(found: Tensor, buckets: tuple[tuple[int, int], ...] = BUCKETS) -> list[float]:
    """Means of ``losses`` over the buckets of positions, rounded to 1e-4 nat."""
    return [round(found[max(first, 1) - 1 : end - 1].mean().item(), 4) for first, end in buckets]


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``loss[method][text][bucket]``, ``buckets``, ``trained``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set: for every method the mean loss of each bucket in each text.

    Raises:
        RuntimeError: SmolLM2 is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    path = hub.path(HUB_ID)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    ids = texts(AutoTokenizer.from_pretrained(path))
    trained = model.config.max_position_embeddings
    found: dict[str, list[list[float]]] = {}
    for name, rope in rope_parameters(model.config).items():
        scaled = with_rope(model, rope)
        found[name] = []
        for row in ids:
            found[name].append(by_bucket(losses(scaled, row)))
            print(name, *found[name][-1], file=sys.stderr, flush=True)
    halves = tuple((first - trained, end - trained) for first, end in BUCKETS if first >= trained)
    found["cut"] = [
        [*rows[: -len(halves)], *by_bucket(losses(model, row[trained:]), halves)]
        for rows, row in zip(found["base"], ids, strict=True)
    ]
    return {
        "format": 1,
        "hub_id": HUB_ID,
        "trained": trained,
        "factor": FACTOR,
        "buckets": [list(bucket) for bucket in BUCKETS],
        "loss": found,
    }


if __name__ == "__main__":
    results.write(measure)
