"""Does tuning bring far recall? It depends on how far back the tuning asks.

The ledgers that ``zoo.llama`` is tuned with repeat their rows close by. Here the same 60 steps are taken from
the same weights with the same text, and only the ledgers differ: each states every row once and asks for all
of them in its last tokens. ``far`` states them in the first 150 tokens, ``near`` just before they are asked.

A few minutes a seed, so it is a command and what it gave is kept:
``python -m frontier_lab.studies.far_rows src/frontier_lab/studies/far_rows.json``; killed, it goes on where
it was. A test takes one tuning again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods.long_context import token_losses, with_rope
from frontier_lab.storage import cache, checkpoints, results
from frontier_lab.storage.files import write_json
from frontier_lab.texts.ledgers import ROWS, Ledger
from frontier_lab.zoo import llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import LEDGERS, TUNING
from frontier_lab.zoo.training.recipe import SEEDS, Log, train_seed

ROPES = {name: llama.TUNED[name] for name in ("plain", "ntk_s8", "ntk_s16")}
"""With room to gain: YaRN recalls 0.98 untuned."""

ASKED = 3 * len(ROWS)
"""Tokens at the end of a window in which all rows are asked."""

STATED = {"far": (0, 150), "near": (TUNING.context - ASKED - 60, TUNING.context - ASKED)}
"""First token and end of where the rows are stated, by condition."""


def windows(
    ledger: Ledger, generator: np.random.Generator, count: int, condition: str
) -> tuple[Tensor, Tensor]:
    """Ledgers of ``TUNING.context`` tokens that state every row once, among text, and ask all at the end.

    Args:
        ledger: whose rows and text.
        generator: draws text, rows, places and the order in which they are asked.
        count: windows.
        condition: of ``STATED``.

    Returns:
        Ids ``[count, TUNING.context]`` int64, and which are to be recalled, bool.
    """
    first, end = STATED[condition]
    ids = []
    for _ in range(count):
        window = ledger.passage(generator, TUNING.context)
        facts = ledger.facts(generator, len(ROWS))
        places = first + 3 * generator.permutation((end - first) // 3)[: len(facts)]
        asked = TUNING.context - ASKED + 3 * generator.permutation(len(facts))
        for start, fact in [*zip(places, facts, strict=True), *zip(asked, facts, strict=True)]:
            window[start : start + 3] = [*fact, ledger.comma]
        ids.append(window)
    recalled = torch.zeros(count, TUNING.context, dtype=torch.bool)
    recalled[:, TUNING.context - ASKED + 1 :: 3] = True
    return torch.tensor(ids), recalled


def tuning_windows(count: int, condition: str | None = None) -> tuple[Tensor, Tensor]:
    """Ledgers as they are tuned with: those of ``windows``, or without a condition ``zoo.llama``'s own."""
    rows = short_context.ledger("train")
    generator = np.random.default_rng(0)
    if condition is None:
        return rows.windows(generator, count, TUNING.context)
    return windows(rows, generator, count, condition)


def tokens_back(ids: Tensor, asked: Tensor) -> np.ndarray[Any, Any]:
    """Tokens from each value that is to be recalled to where it last stood, ``[asked.sum()]`` int64.

    Values stand in rows alone, so the last place of the same token is its last row.
    """
    back = []
    for window, wanted in zip(ids.tolist(), asked.tolist(), strict=True):
        last: dict[int, int] = {}
        for place, (token, recalled) in enumerate(zip(window, wanted, strict=True)):
            if recalled:
                back.append(place - last[token])
            last[token] = place
    return np.array(back)


def base_of(seed: int, work: Path) -> PreTrainedModel:
    """The model before tuning: seed 0 as committed, another trained as ``zoo.llama`` trains it."""
    if seed == SEEDS[0]:
        return hub.load(str(checkpoints.committed(llama.NAME))).float()
    return llama.run(seed, work)[0]


def tune(
    base: PreTrainedModel, rope: str, condition: str, seed: int, work: Path, stop_at: int | None = None
) -> tuple[PreTrainedModel, Log]:
    """Fine-tune a copy of ``base`` as ``llama.tune`` does, with the ledgers of a condition: model and log."""
    model = with_rope(base, ROPES[rope], max_position_embeddings=TUNING.context).train()
    ledger = short_context.ledger("train")
    ledgers = round(LEDGERS * TUNING.batch_size)
    fixed = short_context.held_out_text(24, TUNING.context)

    def loss(model: nn.Module, step: int) -> Tensor:
        text = short_context.batch(seed, step, TUNING)[:-ledgers]
        rows, _ = windows(ledger, np.random.default_rng((seed, step, 2)), ledgers, condition)
        ids = torch.cat([text, rows])
        value: Tensor = model(input_ids=ids, labels=ids).loss
        return value

    def measure(_: nn.Module) -> dict[str, Any]:
        model.eval()
        found = token_losses(model, fixed).mean().item()
        model.train()
        return {"val_loss": round(found, 5)}

    log = train_seed(
        model,
        TUNING,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{condition}-{rope}-{seed}",
        label=f"{rope}, {condition}",
        facts={"rope": ROPES[rope], "stated": STATED[condition]},
        stop_at=stop_at,
    )
    model.eval()
    return model, log


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[condition][rope][seed]`` and what was found."""
    return results.stored(__file__)


def measure_seed(seed: int, work: Path) -> dict[str, dict[str, dict[str, float]]]:
    """``short_context.extrapolation`` after each tuning, by condition and rope; what is measured is kept."""
    base = base_of(seed, work)
    found: dict[str, dict[str, dict[str, float]]] = {condition: {} for condition in STATED}
    for condition in STATED:
        for rope in ROPES:
            kept = work / f"{condition}-{rope}-{seed}.json"
            if not kept.exists():
                measured = short_context.extrapolation(tune(base, rope, condition, seed, work)[0])
                write_json(kept, {name: round(value, 5) for name, value in measured.items()})
            found[condition][rope] = json.loads(kept.read_text("utf8"))
    return found


def measure() -> Mapping[str, Any]:
    """The data set, over ``SEEDS``."""
    work = cache.folder("far_rows")
    seeds = [measure_seed(seed, work) for seed in SEEDS]
    shutil.rmtree(work)
    return {"format": 1, "seeds": list(SEEDS)} | {
        condition: {rope: [seed[condition][rope] for seed in seeds] for rope in ROPES} for condition in STATED
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write(measure)
