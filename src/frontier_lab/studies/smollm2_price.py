"""What stretching the positions of SmolLM2-135M costs where nothing needs it: texts of 256 tokens.

Three kinds of text: chapters of the Bible, which the model has surely read; entries of the Jargon File, which
it may have read; and sections of this repository's documentation, which it cannot have read: the repository
begins on 24 November 2026, and the model was published in 2024. They are kept beside what was measured, and a
later run reads those that are kept: the documentation changes.

A text that nobody has read can still repeat itself, and what is repeated can be copied. So the loss is also
taken of the fresh tokens alone: those that do not end a run of ``RUN`` tokens that stood in the text before.

``python -m frontier_lab.studies.smollm2_price src/frontier_lab/studies/smollm2_price.json``
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from frontier_lab import hub
from frontier_lab.methods.long_context import token_losses, with_rope
from frontier_lab.storage import cache, results
from frontier_lab.storage.cache import REPOSITORY
from frontier_lab.storage.files import write_json
from frontier_lab.studies.smollm2_extrapolation import HUB_ID, rope_parameters
from frontier_lab.texts import corpus

FACTOR = 4
LENGTH = 256
TEXTS = 8
"""Of each kind."""

FRESH = ("base", "linear")
"""Methods whose loss is also taken of the fresh tokens."""

PARTS = ("loss", "fresh_loss", "fresh_share")
RUN = 2
"""Tokens in a row that make a repetition."""

DOCUMENTS = ("CONTRIBUTING.md", "docs/architecture.md", "src/frontier_kernels/README.md")


def passages(tokenizer: PreTrainedTokenizerBase) -> dict[str, list[str]]:
    """``TEXTS`` texts of each kind, each of ``LENGTH`` tokens or a little more."""

    def spaced(documents: Sequence[str]) -> list[str]:
        long = [text for text in documents if len(tokenizer(text).input_ids) >= LENGTH]
        if len(long) < TEXTS:
            raise ValueError(f"documents: got {len(long)} of {LENGTH} tokens or more, wanted {TEXTS}")
        return [long[i * len(long) // TEXTS][: 8 * LENGTH] for i in range(TEXTS)]

    sections = [
        section.partition("\n")[2].strip()
        for name in DOCUMENTS
        for section in re.split(r"^## ", (REPOSITORY / name).read_text("utf8"), flags=re.M)[1:]
    ]
    return {
        "bible": spaced(corpus.documents("bible")),
        "jargon": spaced(corpus.documents("jargon")),
        "unseen": spaced(sections),
    }


def methods(config: PretrainedConfig) -> dict[str, dict[str, Any]]:
    """The methods of ``smollm2_extrapolation``; YaRN's ramp without its temperature; and its temperature with
    the frequencies as they are."""
    ropes = rope_parameters(config, FACTOR)
    pairs = config.hidden_size // config.num_attention_heads // 2
    unchanged = {"long_factor": [1.0] * pairs, "short_factor": [1.0] * pairs}
    temperature = {"rope_type": "longrope", "attention_factor": 0.1 * math.log(FACTOR) + 1}
    hot = ropes["yarn"] | unchanged | temperature
    return ropes | {"ramp": ropes["yarn"] | {"attention_factor": 1.0}, "hot": hot}


def fresh(ids: Sequence[int]) -> list[bool]:
    """For every token but the first, that it does not end a run of ``RUN`` tokens that stood before."""
    seen: set[tuple[int, ...]] = set()
    found = []
    for end in range(1, len(ids)):
        run = tuple(ids[max(0, end + 1 - RUN) : end + 1])
        found.append(run not in seen)
        seen.add(run)
    return found


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``loss[method][kind][text]``, ``fresh_loss`` of the methods
    of ``FRESH`` alike, ``fresh_share[kind][text]``, and the texts."""
    return results.stored(__file__)


def measure_one(texts: Sequence[str], method: str) -> dict[str, list[float]]:
    """Loss of each text by one method, of all its tokens and of the fresh ones, in nats a token.

    Raises:
        RuntimeError: SmolLM2 is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    path = hub.path(HUB_ID)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    scaled = with_rope(model, methods(model.config)[method])
    found: dict[str, list[float]] = {name: [] for name in PARTS[: len(PARTS) if method in FRESH else 1]}
    for text in texts:
        ids = tokenizer(text).input_ids[:LENGTH]
        losses = token_losses(scaled, torch.tensor([ids]))[0]
        new = torch.tensor(fresh(ids))
        values = (losses.mean(), losses[new].mean(), new.float().mean())
        for own, value in zip(found.values(), values, strict=False):
            own.append(round(value.item(), 4))
    return found


def measure() -> Mapping[str, Any]:
    """The data set; what is measured by a method is kept, so that a killed run goes on.

    Raises:
        RuntimeError: SmolLM2 is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    tokenizer = AutoTokenizer.from_pretrained(hub.path(HUB_ID))
    kept_texts = Path(__file__).with_suffix(".json").exists()
    texts = stored()["texts"] if kept_texts else passages(tokenizer)
    work = cache.folder("smollm2_price")
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in PARTS}
    for name in methods(AutoConfig.from_pretrained(hub.path(HUB_ID))):
        for kind, own in texts.items():
            kept = work / f"{name}-{kind}.json"
            if not kept.exists():
                write_json(kept, measure_one(own, name))
                print(name, kind, file=sys.stderr, flush=True)
            for what, values in json.loads(kept.read_text("utf8")).items():
                found[what].setdefault(name, {})[kind] = values
    shutil.rmtree(work)
    return {
        "format": 2,
        "hub_id": HUB_ID,
        "factor": FACTOR,
        "length": LENGTH,
        "run": RUN,
        "loss": found["loss"],
        "fresh_loss": found["fresh_loss"],
        "fresh_share": found["fresh_share"]["base"],
        "texts": texts,
    }


if __name__ == "__main__":
    results.write(measure)
