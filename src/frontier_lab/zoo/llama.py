"""A Llama-class model (RoPE) trained at 64 tokens, and fine-tuned to 256 with linear and YaRN scaling."""

from __future__ import annotations

import copy
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from frontier_lab.long_context import ntk_theta, with_rope
from frontier_lab.zoo import recipe, short_context
from frontier_lab.zoo.harness import Schedule, write_json
from frontier_lab.zoo.recipe import SEEDS
from frontier_lab.zoo.short_context import CONTEXT, SCHEDULE

NAME = "llama"
THETA = 10000.0
FACTOR = 4
TUNING = Schedule(
    steps=SCHEDULE.steps // 10,
    batch_size=8,
    context=FACTOR * CONTEXT,
    learning_rate=1e-3,
    warmup=6,
    log_every=20,
)
PLAIN = {"rope_type": "default", "rope_theta": THETA}
LINEAR = {"rope_type": "linear", "factor": float(FACTOR), "rope_theta": THETA}
YARN = {
    "rope_type": "yarn",
    "factor": float(FACTOR),
    "rope_theta": THETA,
    "original_max_position_embeddings": CONTEXT,
}
BY_PARTS = YARN | {"attention_factor": 1.0}
LLAMA3 = YARN | {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
TUNED = {"plain": PLAIN, "linear": LINEAR, "yarn": YARN}
"""Fine-tunes; ``plain`` is the control, whose rotations stay as they are, and is not committed."""


def config() -> LlamaConfig:
    """The architecture: transformers' Llama, small."""
    return LlamaConfig(
        vocab_size=short_context.VOCABULARY,
        hidden_size=112,
        intermediate_size=298,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        rope_parameters=dict(PLAIN),
        tie_word_embeddings=True,
        initializer_range=short_context.INITIALIZER_RANGE,
        bos_token_id=0,
        eos_token_id=1,
    )


def run(
    seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[PreTrainedModel, list[dict[str, Any]]]:
    """Train the base with one seed: the model and its log."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config())
    return model, short_context.fit(model, "base", seed, work, schedule, recipe={}, stop_at=stop_at)


def tune(
    base: PreTrainedModel,
    name: str,
    seed: int,
    work: Path,
    schedule: Schedule = TUNING,
    *,
    base_schedule: Schedule = SCHEDULE,
) -> tuple[PreTrainedModel, list[dict[str, Any]]]:
    """Fine-tune a seed's base with one of ``TUNED``: the model and its log."""
    model = with_rope(base, TUNED[name], max_position_embeddings=schedule.context).train()
    facts = {"base": {"config": base.config.to_dict(), "schedule": asdict(base_schedule)}}
    return model, short_context.fit(model, name, seed, work, schedule, recipe=facts)


def scaled(base: PreTrainedModel) -> dict[str, PreTrainedModel]:
    """The base under every scaling, weights unchanged."""
    head_dim = base.config.head_dim
    parameters = {
        "linear": LINEAR,
        "static_ntk": {"rope_type": "default", "rope_theta": ntk_theta(THETA, FACTOR, head_dim)},
        # At factor 1, the base follows the length of the sequence itself: as static NTK at length / 64.
        "dynamic_ntk": {"rope_type": "dynamic", "factor": 1.0, "rope_theta": THETA},
        "by_parts": BY_PARTS,
        "llama3": LLAMA3,
        "yarn": YARN,
    }
    return {name: with_rope(base, rope) for name, rope in parameters.items()}


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train base and fine-tunes, measure them, lay out ``target`` and return the manifest's entry."""
    shutil.rmtree(target, ignore_errors=True)
    logs: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in ("base", *TUNED)}
    measured: dict[str, list[dict[str, float]]] = {}
    models: dict[str, PreTrainedModel] = {}
    for seed in SEEDS:
        base, log = run(seed, work)
        logs["base"].append(log)
        found = {"base": {**short_context.extrapolation(base), **short_context.inside(base)}}
        found["cut"] = short_context.cut(base)
        found |= {name: short_context.extrapolation(model) for name, model in scaled(base).items()}
        committed = {"base": copy.deepcopy(base)}
        for name in TUNED:
            model, log = tune(base, name, seed, work)
            logs[name].append(log)
            found[f"{name}_tuned"] = short_context.extrapolation(model)
            committed[name] = model
        for condition, values in found.items():
            measured.setdefault(condition, []).append(values)
        if seed == SEEDS[0]:
            models = committed
    recipe.save_half(models["base"], target)
    for part in ("linear", "yarn"):
        recipe.save_half(models[part], target / part)
    for folder in (target, target / "linear", target / "yarn"):
        short_context.build_tokenizer().save_pretrained(folder)
    write_json(target / "log.json", logs, indent=None)
    return recipe.entry(
        models["base"],
        text=short_context.TEXT,
        tokenizer=f"byte-fallback BPE, {short_context.VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={name: logs[name][0][-1]["val_loss"] for name in ("base", "linear", "yarn")},
        findings=short_context.by_finding(measured),
        can="predicts English within 64 tokens and recalls a row stated in them; fine-tuned, within 256",
        cannot="write sense; read beyond 64 tokens without a loss that rises and a recall that falls",
        parts={part: recipe.described(models[part]) for part in ("linear", "yarn")},
        tuning=asdict(TUNING),
        rope_parameters=TUNED,
        mixture=short_context.shares(),
    )
