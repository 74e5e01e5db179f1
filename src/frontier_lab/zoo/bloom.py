"""A Bloom-class model (ALiBi): the Llama-class model's text, vocabulary, tokens and, to 1 %, parameters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import BloomConfig, BloomForCausalLM, PreTrainedModel

from frontier_lab.methods.long_context import with_alibi
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import SCHEDULE, TUNING
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, lay_out, save_half

NAME = "bloom"
WINDOWS = (8, 32, 128)
"""Ends of what is seen, under which the trained model is measured again."""

DIVISORS = (2, 4, 8, 16)
"""What the trained model's slopes are divided by, and measured again."""

TUNED = {"plain": 1, "slopes_4": 4}
"""Fine-tuned at 256 tokens: what the slopes are divided by."""


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


def tune(
    base: PreTrainedModel,
    name: str,
    seed: int,
    work: Path,
    schedule: Schedule = TUNING,
    stop_at: int | None = None,
) -> tuple[PreTrainedModel, Log]:
    """Fine-tune a seed's base with the slopes of ``TUNED`` by name, as the RoPE model is: model and log."""
    model = with_alibi(base, divide=float(TUNED[name])).train()
    facts = {"divisor": TUNED[name], "base": {"schedule": asdict(SCHEDULE)}}
    return model, short_context.fit(model, name, seed, work, schedule, facts=facts, stop_at=stop_at)


def measure_seed(seed: int, work: Path) -> dict[str, Any]:
    """Train one seed's base and fine-tunes and measure them: ``found`` and ``logs``, as JSON takes it.

    The weights of seed 0 go to ``work / "weights"``.
    """
    base, log = run(seed, work)
    logs = {"bloom": log}
    changes: dict[str, dict[str, Any]] = {f"window_{window}": {"window": window} for window in WINDOWS}
    changes |= {f"slopes_{divisor}": {"divide": float(divisor)} for divisor in DIVISORS}
    found = {
        "base": {**short_context.extrapolation(base), **short_context.inside(base)},
        "cut": short_context.cut(base),
    }
    for name, change in changes.items():
        found[name] = short_context.extrapolation(with_alibi(base, **change))
    if seed == SEEDS[0]:
        save_half(base, work / "weights")
    for name in TUNED:
        model, logs[name] = tune(base, name, seed, work)
        found[f"{name}_tuned"] = short_context.extrapolation(model)
    return {"found": found, "logs": logs}


def assemble(work: Path, target: Path) -> Entry:
    """Train and measure every seed, lay out ``target`` and return the manifest's entry."""
    seeds = short_context.each_seed(work, measure_seed)
    logs = {name: [seed["logs"][name] for seed in seeds] for name in seeds[0]["logs"]}
    measured = {name: [seed["found"][name] for seed in seeds] for name in seeds[0]["found"]}
    lay_out(target, {"": work / "weights"}, {"": short_context.build_tokenizer()}, logs)
    return entry(
        BloomForCausalLM(config()),
        text=short_context.TEXT,
        tokenizer=f"byte-fallback BPE, {short_context.VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={"bloom": logs["bloom"][0][-1]["val_loss"]},
        findings=short_context.by_finding(measured),
        can="predicts English at 512 tokens as well as at 64, and recalls a row of 128 tokens ago",
        cannot="write sense; recall surely what was stated several trained lengths ago",
        tuning=asdict(TUNING),
        mixture=short_context.shares(),
    )


RECIPE = Recipe(NAME, assemble)
