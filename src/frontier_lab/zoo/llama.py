"""A Llama-class model (RoPE) trained at 64 tokens, and fine-tuned to 256 with linear and YaRN scaling."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from frontier_lab.methods.long_context import loss_by_position, ntk_theta, with_rope
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import CONTEXT, SCHEDULE
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, described, entry, lay_out

NAME = "llama"
THETA = 10000.0
FACTOR = 4
HEAD_DIM = 28
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
STATIC_NTK = {"rope_type": "default", "rope_theta": ntk_theta(THETA, FACTOR, HEAD_DIM)}
DYNAMIC_NTK = {"rope_type": "dynamic", "factor": 1.0, "rope_theta": THETA}
"""At factor 1, the base follows the length of the sequence itself: as static NTK at length / 64."""

TUNED = {
    "plain": PLAIN,
    "linear": LINEAR,
    "static_ntk": STATIC_NTK,
    "by_parts": BY_PARTS,
    "llama3": LLAMA3,
    "yarn": YARN,
}
"""Fine-tunes beside LongRoPE's; ``plain`` is the control, whose rotations stay as they are, and ``PARTS`` are
committed. Dynamic NTK is not among them: at the one length of the tuning it is static NTK."""

PARTS = ("linear", "yarn")

GENERATIONS = 20
CHILDREN = 8
SURVIVORS = 4
MUTATION = 0.2
"""LongRoPE's search: standard deviation of the logarithm by which a factor is changed."""


def config() -> LlamaConfig:
    """The architecture: transformers' Llama, small."""
    return LlamaConfig(
        vocab_size=short_context.VOCABULARY,
        hidden_size=112,
        intermediate_size=298,
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=HEAD_DIM,
        max_position_embeddings=CONTEXT,
        rope_parameters=dict(PLAIN),
        tie_word_embeddings=True,
        initializer_range=short_context.INITIALIZER_RANGE,
        bos_token_id=0,
        eos_token_id=1,
    )


def run(
    seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[PreTrainedModel, Log]:
    """Train the base with one seed: the model and its log."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config())
    return model, short_context.fit(model, "base", seed, work, schedule, facts={}, stop_at=stop_at)


def longrope(factors: Sequence[float]) -> dict[str, Any]:
    """RoPE parameters that divide the frequency of pair ``i`` by ``factors[i]``, at every length."""
    known = {"factor": float(FACTOR), "original_max_position_embeddings": CONTEXT, "rope_theta": THETA}
    return {"rope_type": "longrope", "long_factor": list(factors), "short_factor": list(factors), **known}


def searched_factors(base: PreTrainedModel, seed: int) -> list[float]:
    """LongRoPE's factors by a small evolutionary search on training text of ``FACTOR`` times the length.

    It starts from linear interpolation, NTK and YaRN's ramp, mutates, and keeps factors between 1 and twice
    ``FACTOR`` that do not fall from a pair to the next, slower one.

    Args:
        base: trained at ``CONTEXT``; its weights do not change.
        seed: of the mutations.

    Returns:
        One factor a pair, fastest first, rounded to three digits.

    Source: Ding et al., "LongRoPE" (2024), section 3; its search is larger and starts with PI, NTK and YaRN.
    """
    ids = short_context.training_text(12, FACTOR * CONTEXT)
    plain = with_rope(base, PLAIN).model.rotary_emb.inv_freq
    starts = [plain / with_rope(base, rope).model.rotary_emb.inv_freq for rope in (LINEAR, STATIC_NTK, YARN)]
    generator = torch.Generator().manual_seed(seed)

    def judged(factors: Tensor) -> tuple[float, list[float]]:
        rounded = [round(factor, 3) for factor in factors.tolist()]
        model = with_rope(base, longrope(rounded), max_position_embeddings=FACTOR * CONTEXT)
        return loss_by_position(model, ids, [(CONTEXT, FACTOR * CONTEXT)])[0], rounded

    best = sorted(judged(factors) for factors in starts)
    for _ in range(GENERATIONS):
        children = []
        for child in range(CHILDREN):
            parent = torch.tensor(best[child % len(best)][1])
            change = MUTATION * torch.randn(parent.shape, generator=generator)
            children.append(judged((parent * change.exp()).clamp(1, 2 * FACTOR).cummax(0).values))
        best = sorted([*best, *children])[:SURVIVORS]
    return best[0][1]


def tune(
    base: PreTrainedModel,
    name: str,
    seed: int,
    work: Path,
    schedule: Schedule = TUNING,
    stop_at: int | None = None,
    *,
    rope: Mapping[str, Any] | None = None,
    base_schedule: Schedule = SCHEDULE,
) -> tuple[PreTrainedModel, Log]:
    """Fine-tune a seed's base with ``rope``, or that of ``TUNED`` by name: the model and its log."""
    parameters = dict(rope or TUNED[name])
    model = with_rope(base, parameters, max_position_embeddings=schedule.context).train()
    facts = {"base": {"config": base.config.to_dict(), "schedule": asdict(base_schedule)}}
    return model, short_context.fit(model, name, seed, work, schedule, facts=facts, stop_at=stop_at)


def assemble(work: Path, target: Path) -> Entry:
    """Train base and fine-tunes, measure them, lay out ``target`` and return the manifest's entry."""
    logs: dict[str, list[Log]] = {name: [] for name in ("base", *TUNED, "longrope")}
    measured: dict[str, list[dict[str, float]]] = {}
    models: dict[str, PreTrainedModel] = {}
    factors = []
    for seed in SEEDS:
        base, log = run(seed, work)
        logs["base"].append(log)
        factors.append(searched_factors(base, seed))
        ropes = {**TUNED, "longrope": longrope(factors[-1])}
        found = {"base": {**short_context.extrapolation(base), **short_context.inside(base)}}
        found["cut"] = short_context.cut(base)
        for name, rope in {**ropes, "dynamic_ntk": DYNAMIC_NTK}.items():
            if name != "plain":
                found[name] = short_context.extrapolation(with_rope(base, rope))
        committed = {"base": copy.deepcopy(base)}
        for name, rope in ropes.items():
            model, log = tune(base, name, seed, work, rope=rope)
            logs[name].append(log)
            found[f"{name}_tuned"] = short_context.extrapolation(model)
            committed[name] = model
        for condition, values in found.items():
            measured.setdefault(condition, []).append(values)
        if seed == SEEDS[0]:
            models = committed
    weights = {"": models["base"]} | {part: models[part] for part in PARTS}
    lay_out(target, weights, dict.fromkeys(weights, short_context.build_tokenizer()), logs)
    return entry(
        models["base"],
        text=short_context.TEXT,
        tokenizer=f"byte-fallback BPE, {short_context.VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={name: logs[name][0][-1]["val_loss"] for name in ("base", *PARTS)},
        findings=short_context.by_finding(measured),
        can="predicts English within 64 tokens and recalls a row stated in them; fine-tuned, within 256",
        cannot="write sense; read beyond 64 tokens without a loss that rises and a recall that falls",
        parts={part: described(models[part]) for part in PARTS},
        tuning=asdict(TUNING),
        rope_parameters=TUNED,
        longrope_factors=factors,
        mixture=short_context.shares(),
    )


RECIPE = Recipe(NAME, assemble)
