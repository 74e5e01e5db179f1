"""What PyTorch makes of twenty sentences: ``python tests/widgets/golden_tiny_model.py`` stores it for vitest.

The models are the committed checkpoints that pages run in the browser; pytest recomputes the numbers.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frontier_widgets.attention_capture import capture, head_replaced
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.figure_data.browser_models import MODELS
from frontier_lab.methods import routing
from frontier_lab.storage.checkpoints import committed

FILE = Path(__file__).parents[2] / "widgets" / "tests" / "golden" / "tiny_model.json"
SENTENCES = [
    "The heavens declare the glory of God; and the firmament sheweth his handywork.",
    "In the beginning God created the heaven and the earth.",
    "A hacker is a person who enjoys exploring the details of programmable systems.",
    "bug: an unwanted and unintended property of a program or piece of hardware",
    "别有幽愁暗恨生，此时无声胜有声。",
    "春江潮水连海平，海上明月共潮生。",
    "混合专家 mixture of experts 的路由器只看隐状态 x。",
    "Hello, world!",
    "a",
    "   three blanks before, two  inside, one behind ",
    "line one\nline two\n\n\tand a tab",
    "def f(x): return x**2 + 3*x - 1  # O(n^2)",
    "naïve café — “quoted”… 50 % of £3.20",
    "emoji 🙂🙃 and a family 👩‍👩‍👧 of them",
    "שלום עולם and مرحبا",
    "<script>alert('x')</script>",
    "<s> special </s>tokens<s>inside",
    "ALL CAPITALS AND 0123456789 DIGITS",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "And it came to pass in those days, that there went out a decree from Caesar Augustus.",
]
WITH_ATTENTIONS = (0, 4)
"""Sentences whose attention probabilities are stored too."""


def packed(values: torch.Tensor) -> str:
    """Little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(values.float().numpy(), dtype="<f4").tobytes()).decode()


def build() -> dict[str, dict[str, Any]]:
    """By model: parameters, and of each sentence the ids, the text back, the last logits, the log-sum-exp of
    every position and the router scores ``[L, T, E]``."""
    found: dict[str, dict[str, Any]] = {}
    for name in MODELS:
        folder = str(committed(name))
        model = hub.load(folder, attn_implementation="eager")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        sentences: list[dict[str, Any]] = []
        found[name] = {"parameters": model.num_parameters(), "sentences": sentences}
        for i, text in enumerate(SENTENCES):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            routed = {"output_router_logits": True} if name == "mixtral" else {}
            with torch.no_grad():
                out = model(torch.tensor([ids]), output_attentions=True, **routed)
            logits = out.logits[0]  # [T, V]
            entry = {
                "text": text,
                "ids": ids,
                "decoded": tokenizer.decode(ids),
                "last_logits": packed(logits[-1]),
                "log_sums": packed(logits.logsumexp(-1)),
                "routers": packed(torch.stack([*out.router_logits])) if routed else "",
            }
            if len(ids) > 1:
                entry["loss"] = float(routing.language_loss(out.logits, torch.tensor([ids])))
            if routed and len(ids) > 1:
                entry["off"] = {"layer": i % 4, "expert": out.router_logits[i % 4][-1].argmax().item()}
                with torch.no_grad(), routing.without_expert(model, **entry["off"]):
                    again = model(torch.tensor([ids])).logits
                entry["loss_off"] = float(routing.language_loss(again, torch.tensor([ids])))
            if not routed and len(ids) > 1:
                layer, head = i % model.config.num_hidden_layers, i % model.config.num_attention_heads
                entry["head_off"] = {"layer": layer, "head": head}
                entry["losses_head_off"] = []
                for kind in ("zero", "mean"):
                    with torch.no_grad(), head_replaced(model, layer, head, kind):
                        again = model(torch.tensor([ids])).logits
                    entry["losses_head_off"].append(float(routing.language_loss(again, torch.tensor([ids]))))
            if i in WITH_ATTENTIONS:
                norms = capture(model, tokenizer, ids).norms
                assert norms is not None
                entry["norms"] = packed(torch.from_numpy(norms))  # [L, H, T]
                entry["attentions"] = packed(torch.stack(out.attentions)[:, 0])  # [L, H, T, T]
            sentences.append(entry)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.write_text(json.dumps(build(), ensure_ascii=False, indent=1) + "\n", "utf8")
