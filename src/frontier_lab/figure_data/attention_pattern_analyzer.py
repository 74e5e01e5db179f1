"""The data set of the ``AttentionPatternAnalyzer`` figure: heads of the committed models on short texts.

``python -m frontier_lab.figure_data.attention_pattern_analyzer FILE`` writes it, for ``frontier_widgets``'
``data``; a test recomputes it.
"""

from __future__ import annotations

import base64
from typing import Any

import torch
from frontier_widgets.attention_capture import capture
from frontier_widgets.attention_pattern_analyzer import BINARY, example_of
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.storage.checkpoints import committed
from frontier_lab.storage.results import write
from frontier_lab.texts import sequence_tasks
from frontier_lab.texts.sequence_tasks import PRINTABLE

COPY = 20
"""Tokens of one copy in the induction test."""

SEED = 28
VERSE = "to every thing there is a season, and a time to every purpose"
"""For the causal model, which reads letters: words come twice."""

SENTENCE = "the lord is my shepherd; i shall not want. he maketh me to lie down in green pastures."


def _described(name: str, model: Any, snapshot: str = "") -> dict[str, Any]:
    return {
        "checkpoint": f"{name}{snapshot}",
        "class": type(model).__name__,
        "parameters": model.num_parameters(),
    }


def build() -> dict[str, Any]:
    """The data set as a JSON object; what is binary stands in base64."""
    folder = committed("induction")
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    after = hub.load(str(folder))
    before = hub.load(str(folder / "snapshots" / "600"))
    repeated = sequence_tasks.repeated(1, COPY, PRINTABLE[1], SEED, first=PRINTABLE[0])[0].tolist()
    encoder_folder = str(committed("bert"))
    encoder = hub.load(encoder_folder)
    readings = [
        example_of(
            capture(after, tokenizer, repeated, ablate=True),
            name="induction-test",
            title={"zh": "归纳测试：随机序列念两遍", "en": "Induction test: a random sequence, twice"},
            model=_described("induction", after),
        ),
        example_of(
            capture(before, tokenizer, repeated, ablate=True),
            name="induction-test-600",
            title={"zh": "同一序列，训练到第 600 步", "en": "The same sequence, at training step 600"},
            model=_described("induction", before, "/600"),
        ),
        example_of(
            capture(after, tokenizer, VERSE, ablate=True),
            name="verse",
            title={"zh": "一句英文，逐字母", "en": "A sentence, letter by letter"},
            model=_described("induction", after),
        ),
        example_of(
            capture(encoder, AutoTokenizer.from_pretrained(encoder_folder), SENTENCE, ablate=True),
            name="encoder",
            title={"zh": "BERT 类：两边都看", "en": "BERT-class: looks both ways"},
            model=_described("bert", encoder),
        ),
    ]
    for example in readings:
        for name in BINARY:
            example[name] = base64.b64encode(example[name]).decode()
        if example["loss"] is not None:
            example["loss"] = round(example["loss"], 4)
    return {"format": 1, "live": "induction", "examples": readings}


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(build)
