"""A Bloom-class model (ALiBi): the Llama-class model's text, vocabulary, tokens and, to 1 %, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import BloomConfig, BloomForCausalLM, PreTrainedModel

from frontier_lab.methods.long_context import with_alibi
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import SCHEDULE
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, lay_out

NAME = "bloom"
WINDOWS = (8, 32, 128)
"""Ends of what is seen, under which the trained model is measured again."""

DIVISORS = (2, 4, 8, 16)
"""What the trained model's slopes are divided by, and measured again."""


def config() -> BloomConfig:
    """The architecture: transformers' Bloom, small."""
    return BloomConfig(
        vocab_size=short_context.VOCABULARY,
        hidden_size=112,
        n_layer=2,
        n_head=4,
        initializer_range=short_context.INITIALIZER_RANGE,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def run(
    seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[PreTrainedModel, Log]:
    """Train with one seed: the model and its log."""
    torch.manual_seed(seed)
    model = BloomForCausalLM(config())
    return model, short_context.fit(model, "bloom", seed, work, schedule, facts={}, stop_at=stop_at)


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed, measure it, lay out ``target`` and return the manifest's entry."""
    runs = [run(seed, work) for seed in SEEDS]
    logs = {"bloom": [log for _, log in runs]}
    changes: dict[str, dict[str, Any]] = {f"window_{window}": {"window": window} for window in WINDOWS}
    changes |= {f"slopes_{divisor}": {"divide": float(divisor)} for divisor in DIVISORS}
    measured = {
        "base": [{**short_context.extrapolation(model), **short_context.inside(model)} for model, _ in runs],
        "cut": [short_context.cut(model) for model, _ in runs],
    }
    for name, change in changes.items():
        measured[name] = [short_context.extrapolation(with_alibi(model, **change)) for model, _ in runs]
    lay_out(target, {"": runs[0][0]}, {"": short_context.build_tokenizer()}, logs)
    return entry(
        runs[0][0],
        text=short_context.TEXT,
        tokenizer=f"byte-fallback BPE, {short_context.VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={"bloom": logs["bloom"][0][-1]["val_loss"]},
        findings=short_context.by_finding(measured),
        can="predicts English at 512 tokens as well as at 64, and recalls a row of 128 tokens ago",
        cannot="write sense; recall surely what was stated several trained lengths ago",
        mixture=short_context.shares(),
    )


RECIPE = Recipe(NAME, assemble)
