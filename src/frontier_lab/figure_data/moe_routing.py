"""The data set of the ``MoERouting`` figure: router logits of the committed snapshots on held-out text.

``python -m frontier_lab.figure_data.moe_routing FILE`` writes it, for ``frontier_widgets``' ``data``; a test
recomputes it. The text is three passages that the models never saw, one from each domain of the corpus.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from frontier_lab import hub, zoo
from frontier_lab.methods import routing
from frontier_lab.storage.results import write
from frontier_lab.texts import corpus
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.mixtral import SCHEDULE, VALIDATION_WINDOWS

HUB_ID = "mistralai/Mixtral-8x7B-v0.1"
LENGTH = 16
"""Tokens shown of each passage."""

CONTEXT = 64
"""Tokens of the same document before the passage that the model reads too, where there are so many."""

PASSAGES = {"bible": "The heavens declare", "jargon": "Duff's device", "poems": "别有幽愁暗恨生"}
"""Domain to the words that its passage begins with."""

LABELS = {
    "bible": {"zh": "圣经", "en": "Bible"},
    "jargon": {"zh": "黑客词典", "en": "Jargon"},
    "poems": {"zh": "琵琶行", "en": "Poem"},
}


def _passage(tokenizer: Any, domain: str) -> tuple[torch.Tensor, int]:
    """Token ids ``[1, n]`` up to the end of the passage, which begins at the index given second."""
    opening = PASSAGES[domain]
    text = next(d for d in corpus.split(domain, "validation") if opening in d)
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
    at = text.index(opening)
    begin = next(i for i, (_, end) in enumerate(encoded["offset_mapping"]) if end > at)
    ids = encoded["input_ids"][: begin + LENGTH]
    if len(ids) < begin + LENGTH:
        raise ValueError(
            f"PASSAGES[{domain!r}]: got {len(ids) - begin} tokens after {opening!r}, wanted {LENGTH}"
        )
    first = max(0, begin - CONTEXT)
    return torch.tensor([ids[first:]]), begin - first


def build() -> dict[str, Any]:
    """The data set as a JSON object; ``logits``, ``[S, L, T, E]``, and ``ablation``, are float32 in base64.

    ``ablation``, ``[S, L, E, 2]``, is what ``routing.expert_ablation`` measures on the recipe's own held-out
    windows, of which ``ablation_tokens`` are predicted.
    """
    tokenizer = AutoTokenizer.from_pretrained(hub.path(HUB_ID))
    passages = {domain: _passage(tokenizer, domain) for domain in PASSAGES}
    losses = {
        run: {entry["step"]: entry["val_loss"] for entry in seeds[0]}
        for run, seeds in hub.training_log().items()
    }
    held_out, _ = Windows(tokenizer, "validation").fixed(VALIDATION_WINDOWS, SCHEDULE.context)
    found, frames = [], []
    ablations: dict[str, torch.Tensor] = {}  # both runs start from the same weights
    for snapshot in hub.snapshots():
        model = hub.load(snapshot.path)
        parts = [routing.router_logits(model, ids)[:, begin:] for ids, begin in passages.values()]
        found.append(torch.cat(parts, dim=1))  # [L, T, E]
        if snapshot.path not in ablations:
            ablations[snapshot.path] = routing.expert_ablation(model, held_out)[1]
        loss = losses[snapshot.run][snapshot.step]
        frames.append({"run": snapshot.run, "step": snapshot.step, "val_loss": round(loss, 4)})
    logits = torch.stack(found).numpy().astype("<f4")  # [S, L, T, E]
    ablation = torch.stack([ablations[snapshot.path] for snapshot in hub.snapshots()])  # [S, L, E, 2]
    description = hub.describe(HUB_ID)
    return {
        "format": 1,
        "tokens": [
            t
            for ids, begin in passages.values()
            for t in tokenizer.convert_ids_to_tokens(ids[0, begin:].tolist())
        ],
        "groups": [domain for domain in passages for _ in range(LENGTH)],
        "group_labels": LABELS,
        "shape": list(logits.shape),
        "snapshots": frames,
        "top_k": 2,
        "live": "mixtral",
        "model": {
            "hub_id": HUB_ID,
            "class": description.model_class,
            "parameters": description.parameters,
            "sha256": zoo.manifest()["mixtral"]["files"]["model.safetensors"],
        },
        "logits": base64.b64encode(np.ascontiguousarray(logits).tobytes()).decode(),
        "ablation": base64.b64encode(ablation.numpy().astype("<f4").tobytes()).decode(),
        "ablation_tokens": held_out.shape[0] * (held_out.shape[1] - 1),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(build)
