"""A Llama-class model (RoPE) trained at 64 tokens, read to 512 with every scaling, fine-tuned with most.

How far a method stretches the positions, ``s``, is part of its name: ``yarn_s8``. It must match the length
that is read; 512 is eight times the trained length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from frontier_lab.methods.long_context import loss_by_position, ntk_theta, with_rope
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import CONTEXT, LONGEST, SCHEDULE, TUNING
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, described, entry, lay_out, save_half

NAME = "llama"
THETA = 10000.0
HEAD_DIM = 28
FACTOR = LONGEST // CONTEXT
"""The stretch that fits the longest windows."""

FACTORS = (2, 4, 8, 16)
"""Too small for them, right, and too large."""

PLAIN = {"rope_type": "default", "rope_theta": THETA}
DYNAMIC_NTK = {"rope_type": "dynamic", "factor": 1.0, "rope_theta": THETA}
"""At factor 1, the base follows the length of the sequence itself: as static NTK at length / 64."""

DROPPED = {"rope_type": "proportional", "partial_rotary_factor": 0.0, "rope_theta": THETA}
"""No pair turns: no positions."""

FINISHED = sum(CONTEXT * THETA ** (-2 * pair / HEAD_DIM) >= 2 * math.pi for pair in range(HEAD_DIM // 2))
"""Pairs that go round at least once within the trained length; the others are slower."""


def methods(factor: int) -> dict[str, dict[str, Any]]:
    """The scalings that a formula gives, for a stretch of ``factor``, as ``with_rope`` takes them."""
    known = {"factor": float(factor), "rope_theta": THETA}
    yarn = known | {"rope_type": "yarn", "original_max_position_embeddings": CONTEXT}
    return {
        "linear": known | {"rope_type": "linear"},
        "ntk": {"rope_type": "default", "rope_theta": ntk_theta(THETA, factor, HEAD_DIM)},
        "by_parts": yarn | {"attention_factor": 1.0},
        "llama3": yarn | {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0},
        "yarn": yarn,
    }


def slowed(factors: Sequence[float], attention_factor: float | None = None) -> dict[str, Any]:
    """RoPE parameters that divide the frequency of pair ``i`` by ``factors[i]``, at every length.

    Args:
        factors: one a pair, fastest first.
        attention_factor: by which cosines and sines are multiplied; LongRoPE's own, if ``None``.
    """
    known = {"factor": float(FACTOR), "original_max_position_embeddings": CONTEXT, "rope_theta": THETA}
    rope = {"rope_type": "longrope", "long_factor": list(factors), "short_factor": list(factors), **known}
    return rope if attention_factor is None else rope | {"attention_factor": attention_factor}


BY_FACTOR = {f"{name}_s{factor}": rope for factor in FACTORS for name, rope in methods(factor).items()}
PARTLY = (FINISHED, HEAD_DIM // 2 - FINISHED)
OTHERS = {
    "dynamic_ntk": DYNAMIC_NTK,
    "temperature_s8": slowed([1.0] * (HEAD_DIM // 2), 0.1 * math.log(FACTOR) + 1),
    "slow_unfinished_s8": slowed([1.0] * PARTLY[0] + [float(FACTOR)] * PARTLY[1], 1.0),
    "slow_finished_s8": slowed([float(FACTOR)] * PARTLY[0] + [1.0] * PARTLY[1], 1.0),
    "proportional": DROPPED | {"partial_rotary_factor": 2 * FINISHED / HEAD_DIM},
    "dropped": DROPPED,
}
"""One change each: YaRN's temperature with the frequencies as they are; the pairs of one kind slowed down,
with no temperature; the pairs that never went round stopped; all stopped."""

TUNED = {
    "plain": PLAIN,
    **{name: BY_FACTOR[name] for name in ("linear_s4", "ntk_s4", "yarn_s4")},
    **{name: rope for name, rope in BY_FACTOR.items() if name.endswith(f"_s{FACTOR}")},
    "ntk_s16": BY_FACTOR["ntk_s16"],
}
"""Fine-tuned at 256 tokens, LongRoPE beside them; ``plain`` is the control, whose rotations stay as they are.
Dynamic NTK is not among them: at the one length of the tuning it is static NTK."""

RECALIBRATION = replace(TUNING, batch_size=SCHEDULE.batch_size, context=CONTEXT)
"""As many steps and tokens as the fine-tuning, at the trained length."""

RECALIBRATED = {"dropped": DROPPED, "yarn_s8_at_64": BY_FACTOR["yarn_s8"]}
"""DroPE, which needs no long text, and YaRN with no long text for comparison."""

PARTS = {"linear": "linear_s8", "yarn": "yarn_s8"}
"""Folders of the fine-tunes that are committed."""

GENERATIONS = 16
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
    seed: int,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    *,
    positions: bool = True,
) -> tuple[PreTrainedModel, Log]:
    """Train the base with one seed, or the control that never had positions: the model and its log."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config())
    if not positions:
        model = with_rope(model, DROPPED).train()
    label = "base" if positions else "never"
    return model, short_context.fit(model, label, seed, work, schedule, facts={}, stop_at=stop_at)


def searched_factors(base: PreTrainedModel, seed: int, *, ordered: bool = True) -> list[float]:
    """LongRoPE's factors by a small evolutionary search on training text of the longest windows.

    It starts from linear interpolation, NTK and YaRN's ramp, and mutates. As in the paper, no factor is below
    1 and none falls from a pair to the next, slower one; the largest is twice ``FACTOR``. What is judged is
    the loss beyond the trained length.

    Args:
        base: trained at ``CONTEXT``; its weights do not change.
        seed: of the mutations.
        ordered: ``False`` lifts both bounds: any order, from a quarter to eight times ``FACTOR``.

    Returns:
        One factor a pair, fastest first, rounded to three digits.

    Source: Ding et al., "LongRoPE" (2024), section 3; its search is larger and starts with PI, NTK and YaRN.
    """
    ids = short_context.training_text(8, LONGEST)
    plain = with_rope(base, PLAIN).model.rotary_emb.inv_freq
    ropes = [BY_FACTOR[f"{name}_s{FACTOR}"] for name in ("linear", "ntk", "yarn")]
    starts = [plain / with_rope(base, rope).model.rotary_emb.inv_freq for rope in ropes]
    generator = torch.Generator().manual_seed(seed)

    def judged(factors: Tensor) -> tuple[float, list[float]]:
        rounded = [round(factor, 3) for factor in factors.tolist()]
        model = with_rope(base, slowed(rounded), max_position_embeddings=LONGEST)
        return loss_by_position(model, ids, [(CONTEXT, LONGEST)], leave_out=CONTEXT)[0], rounded

    best = sorted(judged(factors) for factors in starts)
    for _ in range(GENERATIONS):
        children = []
        for child in range(CHILDREN):
            parent = torch.tensor(best[child % len(best)][1])
            factors = parent * (MUTATION * torch.randn(parent.shape, generator=generator)).exp()
            if ordered:
                children.append(judged(factors.clamp(1, 2 * FACTOR).cummax(0).values))
            else:
                children.append(judged(factors.clamp(FACTOR / 32, 8 * FACTOR)))
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


def measure_seed(seed: int, work: Path) -> dict[str, Any]:
    """Train and measure one seed's base and fine-tunes: ``found``, ``logs``, ``factors``, as JSON takes it.

    The weights of seed 0 that are committed go to ``work / "weights"``.
    """
    base, log = run(seed, work)
    never, never_log = run(seed, work, positions=False)
    logs = {"base": log, "never": never_log}
    found = {
        "base": {**short_context.extrapolation(base), **short_context.inside(base)},
        "cut": short_context.cut(base),
        "never": {**short_context.extrapolation(never), **short_context.inside(never)},
    }
    tables = {
        "longrope": searched_factors(base, seed),
        "longrope_free": searched_factors(base, seed, ordered=False),
    }
    searched = {name: slowed(factors) for name, factors in tables.items()}
    for name, rope in {**BY_FACTOR, **OTHERS, **searched}.items():
        found[name] = short_context.extrapolation(with_rope(base, rope))
    if seed == SEEDS[0]:
        save_half(base, work / "weights" / "base")
    runs = {name: (rope, TUNING) for name, rope in {**TUNED, "longrope": searched["longrope"]}.items()}
    runs |= {name: (rope, RECALIBRATION) for name, rope in RECALIBRATED.items()}
    for name, (rope, schedule) in runs.items():
        model, logs[name] = tune(base, name, seed, work, schedule, rope=rope)
        found[f"{name}_tuned"] = short_context.extrapolation(model)
        if seed == SEEDS[0] and name in PARTS.values():
            save_half(model, work / "weights" / name)
    return {"found": found, "logs": logs, "factors": tables}


def assemble(work: Path, target: Path) -> Entry:
    """Train and measure every seed, lay out ``target`` and return the manifest's entry."""
    seeds = short_context.each_seed(work, measure_seed)
    logs = {name: [seed["logs"][name] for seed in seeds] for name in seeds[0]["logs"]}
    measured = {name: [seed["found"][name] for seed in seeds] for name in seeds[0]["found"]}
    weights = {"": work / "weights" / "base"}
    weights |= {part: work / "weights" / name for part, name in PARTS.items()}
    lay_out(target, weights, {part: short_context.build_tokenizer() for part in weights}, logs)
    size = described(LlamaForCausalLM(config()))
    return entry(
        LlamaForCausalLM(config()),
        text=short_context.TEXT,
        tokenizer=f"byte-fallback BPE, {short_context.VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={name: logs[name][0][-1]["val_loss"] for name in ("base", *PARTS.values())},
        findings=short_context.by_finding(measured),
        can="predicts English within 64 tokens and recalls a row stated in them; with YaRN, within 512",
        cannot="write sense; read beyond 64 tokens without a loss that rises and a recall that falls",
        parts=dict.fromkeys(PARTS, size),
        tuning=asdict(TUNING),
        recalibration=asdict(RECALIBRATION),
        rope_parameters={**BY_FACTOR, **OTHERS},
        longrope_factors={name: [seed["factors"][name] for seed in seeds] for name in seeds[0]["factors"]},
        mixture=short_context.shares(),
    )


RECIPE = Recipe(NAME, assemble)
