"""A GPT-2-class model, and a larger one beside it, of text and of a little of three tasks.

Their shapes differ, so their weights cannot be merged; what can is in ``zoo.merging``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from frontier_lab.texts import corpus, prompt_tasks
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import (
    SEEDS,
    Entry,
    Log,
    Recipe,
    described,
    entry,
    lay_out,
    note,
    train_seed,
)
from frontier_lab.zoo.training.tokenizers import byte_level_bpe, fingerprint

NAME = "gpt2"
VOCABULARY = 512
MIXTURE = {"bible": 0.5, "jargon": 0.5}
LIGHT = 1
"""Examples of each task in a step of the base's training."""

SCHEDULE = Schedule(steps=600, batch_size=8, context=64, learning_rate=3e-3, log_every=50)
MEDIUM = replace(SCHEDULE, steps=400)

VALIDATION_WINDOWS = 32
EXAMPLES = 200
"""Examples of each task in the validation part, and as many in the test."""

POOL = 4000
"""Examples of each task that are trained on."""


def build_tokenizer() -> PreTrainedTokenizerBase:
    """GPT-2's kind, with a token for each digit and each letter that stands alone, as the tasks want it.

    The Bible has no digits, so none are merged; letters that stand alone are given often enough to be.
    """
    letters = " ".join(prompt_tasks.LETTERS + prompt_tasks.LETTERS.upper())
    style = [e.prompt + e.answer for e in prompt_tasks.examples("style", "train", 4000, 0)]
    return byte_level_bpe(
        [*corpus.split("bible", "train"), *style, *[letters] * 3000], VOCABULARY, longest=SCHEDULE.context
    )


def config(*, medium: bool = False) -> GPT2Config:
    """The architecture: transformers' GPT-2, small, or wider and deeper."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=SCHEDULE.context,
        n_embd=72 if medium else 64,
        n_layer=5 if medium else 4,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=0.05,
        bos_token_id=0,
        eos_token_id=0,
    )


def held_out(tokenizer: PreTrainedTokenizerBase, part: prompt_tasks.Part) -> dict[str, tuple[Tensor, Tensor]]:
    """Fixed examples of every task from a part that nothing is trained on: ids and labels."""
    return {
        task: prompt_tasks.encode(tokenizer, prompt_tasks.examples(task, part, EXAMPLES, 1_000_003))
        for task in prompt_tasks.TASKS
    }


class Pool:
    """The training examples, encoded once: ``POOL`` of each task."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.encoded = {
            task: prompt_tasks.encode(tokenizer, prompt_tasks.examples(task, "train", POOL, number))
            for number, task in enumerate(prompt_tasks.TASKS)
        }

    def batch(self, chosen: Sequence[str], seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Ids and labels of ``size`` examples of each chosen task: a function of seed and step alone."""
        generator = np.random.default_rng((seed, step, 1))
        longest = max(self.encoded[task][0].shape[1] for task in chosen)
        ids = torch.zeros(len(chosen) * size, longest, dtype=torch.long)
        labels = torch.full_like(ids, prompt_tasks.IGNORED)
        for number, task in enumerate(chosen):
            rows = torch.from_numpy(generator.integers(0, POOL, size))
            place = slice(number * size, (number + 1) * size)
            ids[place, : self.encoded[task][0].shape[1]] = self.encoded[task][0][rows]
            labels[place, : self.encoded[task][1].shape[1]] = self.encoded[task][1][rows]
        return ids, labels


def _facts(tokenizer: PreTrainedTokenizerBase, **more: Any) -> dict[str, Any]:
    return {"mixture": MIXTURE, "light": LIGHT, "tokenizer": fingerprint(tokenizer), **more}


def pretrain(
    seed: int,
    output: Path,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    *,
    medium: bool = False,
) -> tuple[GPT2LMHeadModel, Log]:
    """Train a base, or the larger model, and return it with its log; seed 0 is saved in ``output``."""
    tokenizer = build_tokenizer()
    data, held = Windows(tokenizer, "train", MIXTURE), Windows(tokenizer, "validation", MIXTURE)
    fixed, _ = held.fixed(VALIDATION_WINDOWS, schedule.context)
    pool = Pool(tokenizer)
    scored = held_out(tokenizer, "validation")
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config(medium=medium))

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = data.batch(seed, step, schedule.batch_size, schedule.context)
        language: Tensor = model(input_ids=ids, labels=ids).loss
        ids, labels = pool.batch(list(prompt_tasks.TASKS), seed, step, LIGHT)
        answers: Tensor = model(input_ids=ids, labels=labels).loss
        return language + answers

    def measure(model: nn.Module) -> dict[str, Any]:
        found = {"val_loss": round(model(input_ids=fixed, labels=fixed).loss.item(), 4)}
        return {
            **found,
            **{name: round(prompt_tasks.exact(model, *held), 4) for name, held in scored.items()},
        }

    kind = "medium" if medium else "base"
    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{kind}-{seed}",
        label=f"{NAME}, {kind}",
        keep=lambda step: output,
        facts=_facts(tokenizer, config=config(medium=medium).to_dict()),
        stop_at=stop_at,
    )
    return model, log


def assemble(work: Path, target: Path) -> Entry:
    """Train every run, lay out the checkpoint at ``target``, and return the manifest's entry.

    ``target`` gets the model of seed 0 at its root and the larger one in ``medium``.
    """
    weights = work / "weights"
    logs = {"base": [pretrain(seed, weights / "base", work)[1] for seed in SEEDS]}
    logs["medium"] = [pretrain(0, weights / "medium", work, MEDIUM, medium=True)[1]]
    folders = {"": weights / "base", "medium": weights / "medium"}
    lay_out(target, folders, {folder: build_tokenizer() for folder in folders}, logs)
    return describe(logs)


def describe(logs: Mapping[str, Sequence[Log]]) -> Entry:
    """The manifest's entry from the logs: what was measured is the exact score on the validation part."""
    found: dict[str, dict[str, list[float]]] = {}
    for log in logs["base"]:
        for task in prompt_tasks.TASKS:
            note(found, f"exact score on {task}", "base", log[-1][task])
    return entry(
        GPT2LMHeadModel(config()),
        text="King James Bible, Jargon File, sums, words and sentences by rules of ours "
        "(frontier_lab.texts.prompt_tasks)",
        tokenizer=f"byte-level BPE, {VOCABULARY} tokens, trained on the Bible and sentences of ours",
        schedule=SCHEDULE,
        val_loss={name: runs[0][-1]["val_loss"] for name, runs in logs.items()},
        findings=found,
        can="writes a few plausible words of text",
        cannot="do sums or letter puzzles, or be merged with the larger model, whose shapes differ",
        tolerance=0.15,
        parts={"medium": described(GPT2LMHeadModel(config(medium=True)))},
        tuning={"medium": vars(MEDIUM)},
    )


RECIPE = Recipe(NAME, assemble, describe)
