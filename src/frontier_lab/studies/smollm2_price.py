"""What stretching the positions of SmolLM2-135M costs where nothing needs it: texts of 256 tokens.

Three kinds of text: chapters of the Bible, which the model has surely read; entries of the Jargon File, which
it may have read; and sections of this repository's documentation, which it cannot have read: the repository
begins on 24 November 2026, and the model was published in 2024. They are kept beside what was measured.

``python -m frontier_lab.studies.smollm2_price src/frontier_lab/studies/smollm2_price.json``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from frontier_lab import hub
from frontier_lab.methods.long_context import text_losses, with_rope
from frontier_lab.storage import results
from frontier_lab.storage.cache import REPOSITORY
from frontier_lab.studies.smollm2_extrapolation import HUB_ID, rope_parameters
from frontier_lab.texts import corpus

FACTOR = 4
LENGTH = 256
TEXTS = 8
"""Of each kind."""

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


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``loss[method][kind][text]`` and the texts."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set: for every method the loss of each text, in nats a token.

    Raises:
        RuntimeError: SmolLM2 is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    path = hub.path(HUB_ID)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    texts = passages(tokenizer)
    found: dict[str, dict[str, list[float]]] = {}
    for name, rope in rope_parameters(model.config, FACTOR).items():
        scaled = with_rope(model, rope)
        found[name] = {}
        for kind, own in texts.items():
            ids = torch.tensor([tokenizer(text).input_ids[:LENGTH] for text in own])
            losses = torch.cat([text_losses(scaled, row[None], [(0, LENGTH)]) for row in ids])[:, 0]
            found[name][kind] = [round(loss, 4) for loss in losses.tolist()]
            print(name, kind, *found[name][kind], file=sys.stderr, flush=True)
    return {"format": 1, "hub_id": HUB_ID, "factor": FACTOR, "length": LENGTH, "loss": found, "texts": texts}


if __name__ == "__main__":
    results.write(measure)
