"""What PyTorch makes of merged models: ``python tests/widgets/golden_merging.py`` stores it for vitest.

Base and task vectors are the committed checkpoint's, the vectors as a page unpacks them; pytest recomputes
the numbers.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frontier_widgets.model_merging.rules import Merge, merge

from frontier_lab.figure_data import model_merging, task_vectors
from frontier_lab.zoo import merging

FILE = Path(__file__).parents[2] / "widgets" / "tests" / "golden" / "merging_models.json"
CASES = (
    (80, Merge((0.75, 0.75, 0.75))),
    (320, Merge((1.0, 1.0, 1.0), embedding=False)),
    (80, Merge((1.0, 0.9, 1.2), rule="ties", density=0.2)),
    (320, Merge((0.6, 0.8, -0.3), rule="dare", density=0.4, seed=3)),
    (80, Merge((0.5, 0.7, 1.0), rule="nuslerp", pair=(0, 2))),
    (320, Merge((0.2, 0.7, 0.4), rule="average")),
)
"""Steps of fine-tuning, and how the vectors are merged: no weights of the grid among the last four."""


def checksum(steps: int) -> int:
    """Of all packed numbers in the order of tasks and names: each times its place, counted from 1 to 251."""
    values = [packed[0].ravel() for packed in task_vectors.packed_vectors(steps).values()]
    numbers = np.concatenate(values).astype(np.int64)
    return int((numbers * (np.arange(numbers.size) % 251 + 1)).sum())


def build() -> dict[str, Any]:
    """Checksums of the vectors; of each case the scores, the last logits of three prompts, and answers."""
    base = task_vectors.base()
    prompts = [examples[1].prompt for examples in model_merging.prompts().values()]
    cases = []
    for steps, how in CASES:
        weights = merge(base, task_vectors.vectors(steps), how)
        right = model_merging.measured(weights).tolist()
        answers = [model_merging.answer(weights, prompt) for prompt in prompts]
        model = merging.load(model_merging.shell(), {k: torch.from_numpy(v) for k, v in weights.items()})
        logits = []
        for prompt in prompts:
            ids = torch.tensor([model_merging.tokenizer()(prompt).input_ids])
            with torch.no_grad():
                last = model(input_ids=ids).logits[0, -1].numpy()
            logits.append(base64.b64encode(last.astype("<f4").tobytes()).decode())
        cases.append(
            {
                "steps": steps,
                "how": asdict(how),
                "right": right[:-1],
                "text": right[-1],
                "answers": answers,
                "logits": logits,
            }
        )
    return {
        "prompts": prompts,
        "checksums": {str(steps): checksum(steps) for steps in merging.KEPT},
        "cases": cases,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.write_text(json.dumps(build(), ensure_ascii=False, indent=1) + "\n", "utf8")
