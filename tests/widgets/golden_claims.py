"""Golden numbers of what a page measures again, in ``widgets/tests/golden/claims.json``: run me to write it.

Needles are made by ``Ledger`` with a generator whose draws are recorded; the page's own rule gets the same
draws and has to make the same needles. What the models answer is PyTorch's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from frontier_widgets.attention_capture import head_replaced
from transformers import AutoModelForCausalLM, AutoTokenizer

from frontier_lab import hub
from frontier_lab.claims import mean
from frontier_lab.figure_data.browser_models import ledger_words, packed
from frontier_lab.methods import routing
from frontier_lab.methods.long_context import with_rope
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts.ledgers import Ledger
from frontier_lab.texts.sequence_tasks import PRINTABLE, repeated
from frontier_lab.texts.windows import MIXTURE, Windows
from frontier_lab.zoo.families import short_context

FILE = Path(__file__).resolve().parents[2] / "widgets" / "tests" / "golden" / "claims.json"
LENGTH, DISTANCE, OTHER = 512, 480, 350
NEEDLES = 4
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "original_max_position_embeddings": 64}
ROPES = {"plain": {"rope_type": "default", "rope_theta": 10000.0}} | {
    f"yarn_{s}": YARN | {"factor": float(s)} for s in (4, 8)
}


class Recorder:
    """A numpy generator that keeps what it drew: an integer, or the order of a permutation."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.drawn: list[Any] = []

    def integers(self, low: int, high: int) -> int:
        self.drawn.append(int(self.generator.integers(low, high)))
        return int(self.drawn[-1])

    def permutation(self, what: int | list[int]) -> np.ndarray[Any, Any]:
        items = np.arange(what) if isinstance(what, int) else np.array(what)
        order = self.generator.permutation(len(items))
        self.drawn.append(order.tolist())
        return np.asarray(items[order])


def needles() -> dict[str, Any]:
    """Recorded draws, the needles that they make, and what the model says after each as positions change."""
    path = str(committed("llama"))
    tokenizer = AutoTokenizer.from_pretrained(path)
    streams = Windows(tokenizer, "validation", short_context.MIXTURE).streams.values()
    ledger = Ledger(tokenizer, np.concatenate(list(streams))[:3000])
    recorder = Recorder(0)
    ids = ledger.needles(recorder, NEEDLES, LENGTH, DISTANCE)  # type: ignore[arg-type]
    other = Recorder(1)
    further = ledger.needles(other, NEEDLES, LENGTH, OTHER)  # type: ignore[arg-type]
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    answers = {}
    for name, rope in ROPES.items():
        with torch.no_grad():
            logits = with_rope(base, rope)(input_ids=ids[:, :-1]).logits[:, -1]  # [B, V]
        answers[name] = {
            "largest": [round(x, 4) for x in logits.max(-1).values.tolist()],
            "right": (logits.argmax(-1) == ids[:, -1]).tolist(),
        }
    return {
        "ledger": {**ledger_words(ledger), "text": packed(ledger.text)},
        "draws": recorder.drawn,
        "needles": ids.tolist(),
        "other": {"distance": OTHER, "draws": other.drawn, "needles": further.tolist()},
        "answers": answers,
    }


def experts() -> dict[str, Any]:
    """Effective number of experts of two texts, by the page's cell."""
    tokenizer = AutoTokenizer.from_pretrained(str(committed("mixtral")))
    ids = Windows(tokenizer, "validation", MIXTURE).fixed(3, 128)[0]
    folder = next(s.path for s in hub.snapshots() if (s.run, s.step) == ("unbalanced", 40))
    scores = routing.router_logits(hub.load(folder), ids)  # [L, B T, E]
    found = routing.effective_experts(routing.load(scores.reshape(-1, *ids.shape, 8), 2))  # [L, B]
    return {"ids": ids.tolist(), "in_use": [[round(x, 5) for x in row] for row in found.tolist()]}


def copies() -> dict[str, Any]:
    """Loss of the second copy without a head, by the page's cell."""
    ids = repeated(3, 24, PRINTABLE[1], 11, first=PRINTABLE[0])  # [3, 48]
    model = AutoModelForCausalLM.from_pretrained(str(committed("induction")), dtype=torch.float32).eval()
    losses = {}
    for layer, head in ((0, 0), (1, 1)):
        with head_replaced(model, layer, head, "mean"), torch.no_grad():
            logits = model(input_ids=ids).logits[:, 24:-1]
        loss = F.cross_entropy(logits.mT, ids[:, 25:], reduction="none").mean(1)
        losses[f"{layer}.{head}"] = [round(x, 5) for x in loss.tolist()]
    return {"ids": ids.tolist(), "losses": losses}


def estimates() -> list[dict[str, Any]]:
    """Means with their intervals, as a claim has them."""
    found = []
    for n in (24, 32, 96):
        numbers = np.random.default_rng(n).normal(size=n).round(4)
        estimate = mean(numbers, "text")
        found.append(
            {"numbers": numbers.tolist(), "value": estimate.value, "low": estimate.low, "high": estimate.high}
        )
    return found


def golden() -> dict[str, Any]:
    return {"needles": needles(), "experts": experts(), "copies": copies(), "estimates": estimates()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), separators=(",", ":")) + "\n", "utf8")
