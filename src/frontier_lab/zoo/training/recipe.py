"""What recipes share: how weights are stored, and what the manifest says of a checkpoint.

A recipe is a module with ``assemble(work, target)``: it trains every seed in ``work``, where a run that was
killed goes on, lays out the checkpoint in ``target`` and returns its entry of the manifest, from ``entry``.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from frontier_lab.zoo.training.loop import Schedule

SEEDS = (0, 1, 2)
"""Seed 0 is committed as weights; the others show the spread."""

Findings = Mapping[str, Mapping[str, Sequence[float]]]
"""What was measured: name, then condition, then one number for each seed."""


def save_half(model: PreTrainedModel, folder: Path) -> None:
    """Half-precision safetensors with its config; written beside the target and moved into place."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(folder)


def described(model: PreTrainedModel) -> dict[str, Any]:
    """Class and number of parameters, as the entry of a checkpoint or of a part of it holds them."""
    return {
        "class": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def entry(
    model: PreTrainedModel,
    *,
    text: str,
    tokenizer: str,
    schedule: Schedule,
    val_loss: Mapping[str, float],
    findings: Findings,
    can: str,
    cannot: str,
    tolerance: float | Mapping[str, float] = 0.05,
    seeds: Sequence[int] = SEEDS,
    seeds_of: Mapping[str, Sequence[int]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A checkpoint's entry of the manifest; ``make zoo`` adds versions and hashes.

    Args:
        model: the committed one.
        text: what it was trained on, for people.
        tokenizer: its kind and size, for people.
        schedule: of the longest run.
        val_loss: of seed 0 at the end of each run; a rebuilt model must come within ``tolerance`` of it.
        findings: what the pages claim, seed by seed; rounded to four digits.
        can: what the model does, in a sentence for the appendix.
        cannot: what it does not.
        tolerance: nats (or whatever ``val_loss`` is in) between machines, which round differently; of all
            runs or of each.
        seeds: in the order of the findings.
        seeds_of: those of findings, by name, that were measured on other seeds.
        more: what else this recipe depends on, as JSON takes it.

    Raises:
        ValueError: a finding does not have one number for each seed.
    """
    others = seeds_of or {}
    for name, conditions in findings.items():
        wanted = len(others.get(name, seeds))
        for condition, values in conditions.items():
            if len(values) != wanted:
                raise ValueError(
                    f"findings: got {len(values)} numbers of {name!r}, {condition!r}, wanted {wanted}"
                )
    return {
        **described(model),
        "text": text,
        "tokenizer": tokenizer,
        "seeds": list(seeds),
        **({"seeds_of": {name: list(own) for name, own in others.items()}} if others else {}),
        "schedule": asdict(schedule),
        "val_loss": {run: round(loss, 5) for run, loss in val_loss.items()},
        "tolerance": tolerance,
        "findings": {
            name: {condition: [round(float(v), 4) for v in values] for condition, values in found.items()}
            for name, found in findings.items()
        },
        "can": can,
        "cannot": cannot,
        "licence": "Apache-2.0",
        **more,
    }
