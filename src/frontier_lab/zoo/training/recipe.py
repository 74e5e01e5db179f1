"""What a recipe is, and what recipes share: a seed's training, the checkpoint's folder, its entry."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab.storage.files import write_json
from frontier_lab.zoo.training.loop import Schedule, train

SEEDS = (0, 1, 2)
"""Seed 0 is committed as weights; the others show the spread."""

Findings = Mapping[str, Mapping[str, Sequence[float]]]
"""What was measured: name, then condition, then one number for each seed."""

Log = list[dict[str, Any]]
"""Of one training: an entry for each logged step."""

Entry = dict[str, Any]
"""What the manifest says of a checkpoint."""

Assemble = Callable[[Path, Path], Entry]
"""Trains every seed in the first folder, where a run that was killed goes on, lays out the checkpoint in the
second and returns its entry."""


@dataclass(frozen=True)
class Recipe:
    """A checkpoint that can be trained again.

    Attributes:
        name: of the checkpoint's folder and of its entry.
        assemble: trains it all.
        describe: the entry anew from the committed logs, where it needs no more than these: another word or
            measure there then costs no training.
        parts: trains a part alone, by the part's name; all else stays as it is committed.
    """

    name: str
    assemble: Assemble
    describe: Callable[[Any], Entry] | None = None
    parts: Mapping[str, Assemble] = field(default_factory=dict)


def save_half(model: nn.Module, folder: Path) -> None:
    """A model of transformers as half-precision safetensors with its config, moved into place when whole."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(partial)  # type: ignore[operator]
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(folder)


def train_seed(
    model: nn.Module,
    schedule: Schedule,
    seed: int,
    *,
    loss: Callable[[nn.Module, int], Tensor],
    measure: Callable[[nn.Module], dict[str, Any]],
    work: Path,
    label: str,
    facts: Mapping[str, Any],
    keep: Callable[[int], Path | None] = lambda step: None,
    save: Callable[[nn.Module, Path], None] = save_half,
    stop_at: int | None = None,
) -> Log:
    """Train a model in place, with one seed of a recipe, as ``loop.train`` does; seed 0 leaves its weights.

    Args:
        model: with its first weights, drawn with the seed.
        schedule: steps, rates, what is logged and kept.
        seed: one of ``SEEDS``, or another for a trial.
        loss: see ``loop.train``.
        measure: see ``loop.train``.
        work: folder for the state that a later call resumes from.
        label: the run's name, printed with the seed and the progress.
        facts: what the run depends on besides schedule and seed, as JSON takes it: configuration, data,
            tokenizer.
        keep: where the weights of a kept step go, ``None`` for nowhere; asked of seed 0 alone.
        save: how they are saved.
        stop_at: leave after this many steps, as if killed; for tests.

    Returns:
        The log.
    """

    def save_kept(model: nn.Module, step: int) -> None:
        if seed == SEEDS[0] and (folder := keep(step)):
            save(model, folder)

    return train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=save_kept,
        work=work,
        label=f"{label}, seed {seed}",
        recipe={"seed": seed, **facts},
        stop_at=stop_at,
    )


def lay_out(
    target: Path,
    weights: Mapping[str, Path | PreTrainedModel],
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    logs: Any,
) -> None:
    """Make ``target`` a checkpoint: weights and tokenizers in its sub-folders, the logs in ``log.json``.

    Args:
        target: replaced.
        weights: by sub-folder, ``""`` for the root: a folder that ``train_seed`` left, or a model.
        tokenizers: by sub-folder; fresh ones, because use leaves padding switched on.
        logs: of every run and seed, as JSON takes it.
    """
    shutil.rmtree(target, ignore_errors=True)
    for part, found in sorted(weights.items(), key=lambda item: item[0]):  # the root is replaced first
        if isinstance(found, Path):
            shutil.copytree(found, target / part, dirs_exist_ok=True)
        else:
            save_half(found, target / part)
    for part, tokenizer in tokenizers.items():
        tokenizer.save_pretrained(target / part)
    write_json(target / "log.json", logs, indent=None)


def note(findings: dict[str, dict[str, list[float]]], finding: str, condition: str, value: float) -> None:
    """Add the next seed's number to what was measured."""
    findings.setdefault(finding, {}).setdefault(condition, []).append(value)


def described(model: nn.Module) -> dict[str, Any]:
    """Class and number of parameters, as the entry of a checkpoint or of a part of it holds them."""
    return {
        "class": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def entry(
    model: nn.Module,
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
        val_loss: at the end of each run, of seed 0 or, where no single seed tells, the median of all; a
            rebuilt model must come within ``tolerance`` of it.
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
