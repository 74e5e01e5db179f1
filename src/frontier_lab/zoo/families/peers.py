"""What the five peers share: Llama, Mamba, RWKV, RetNet and S4D with equal parameters, data and tokens.

Each peer is a recipe of its own, because hub ids point to folders; here is how all of them are trained. There
are three models of each, for text, associative recall and copying: the language model is the checkpoint, and
the smaller models of the two tasks are its parts ``recall`` and ``copy``. Nothing differs between peers but
class, configuration, learning rate and the scale of the first weights; these two are found for each peer and
task by the same search, ``frontier_lab.zoo.sweep``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from frontier_lab.methods import memory
from frontier_lab.models import selective_scan, wkv
from frontier_lab.storage import checkpoints
from frontier_lab.storage.files import write_json
from frontier_lab.texts import corpus, sequence_tasks
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.training.loop import Schedule, train
from frontier_lab.zoo.training.recipe import SEEDS, Assemble, Recipe, described, entry, save_half
from frontier_lab.zoo.training.tokenizers import byte_fallback_bpe, fingerprint

Task = Literal["language", "recall", "copy"]

MIXTURE = {"bible": 0.5, "jargon": 0.5}
VOCABULARY = 1024
CHARACTERS = 100
"""Characters with a token of their own; rarer ones are spelt in bytes."""

VALIDATION_WINDOWS = 48
VALIDATION_SEED, TRIAL_SEED = 987, 789
ROTARY_BASE: Mapping[Task, float] = {"language": 10000.0, "recall": 10000.0, "copy": 8.0}
"""Base of the rotations of Llama and RetNet. To copy is to find the token after the one that was found, which
takes angles that turn fast: in short trials 8 was better than 100 for both, and for Llama better than 20, 60,
1,000 and 10,000. Recall matches keys at any distance, which such angles hinder."""

TASK_TOKENS: Mapping[Task, int] = {"recall": 768, "copy": 512}
"""Tokens of a training batch of the tasks, as many sequences as fit."""

VALIDATION_TOKENS = 2048
"""The same for each size of the held-out sequences."""

PAIRS = (8, 16, 32, 64)
"""Recall: every batch has one of these numbers of pairs, and each is measured."""

TRAINED_LENGTHS = (4, 24)
"""Copying: shortest and longest string of the training batches."""

LENGTHS = (8, 16, 24, 32)
"""Copying: what is measured; the last is longer than any in training."""

SCHEDULES: Mapping[Task, Schedule] = {
    "language": Schedule(steps=800, batch_size=8, context=128, weight_decay=0.0, log_every=100),
    "recall": Schedule(steps=3000, batch_size=0, context=192, weight_decay=0.0, log_every=300),
    "copy": Schedule(steps=3000, batch_size=0, context=49, weight_decay=0.0, log_every=300),
}
TASKS: tuple[Task, ...] = ("language", "recall", "copy")
TOLERANCE: Mapping[str, float] = {"language": 0.1, "recall": 0.5, "copy": 0.3}
"""Nats between machines. Of RetNet on text, the same seed ended up to 0.06 apart on two of them; recall and
copying are learned at a step that rounding moves."""

SETTINGS = checkpoints.MANIFEST.with_name("sweep.json")
"""What ``frontier_lab.zoo.sweep`` tried for every peer and task, and what it chose."""


@dataclass(frozen=True)
class Sequences:
    """Sequences to train on and to be asked, in the place of a task's own.

    Attributes:
        batch: ids and labels of a step, a function of the seed and the step alone.
        held_out: ids and labels of each size that is measured, by the name that it has in the log.
    """

    batch: Callable[[int, int], tuple[Tensor, Tensor]]
    held_out: Callable[[int], dict[str, tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Peer:
    """One architecture.

    Attributes:
        name: of its recipe and folder.
        model_class: builds the model from a configuration.
        sizes: the configuration of a task, but for what the search found.
        scaled: whether the scale of the first weights is searched for: transformers' Mamba and RWKV have
            initialisations of their own.
        own_seeds: those of a task that is not trained with ``SEEDS``; the first is committed as weights.
    """

    name: str
    model_class: Callable[[PreTrainedConfig], PreTrainedModel]
    sizes: Callable[[Task], PreTrainedConfig]
    scaled: bool = True
    own_seeds: Mapping[Task, Sequence[int]] = field(default_factory=dict)

    def seeds(self, task: Task) -> Sequence[int]:
        """The seeds that a task is trained with."""
        return self.own_seeds.get(task, SEEDS)

    def found(self, task: Task) -> dict[str, Any]:
        """What the search found: ``rate``, ``scale`` (``None`` if not scaled) and the ``trials``."""
        found: dict[str, Any] = json.loads(SETTINGS.read_text("utf8"))[self.name][task]
        return found

    def schedule(self, task: Task) -> Schedule:
        """The steps of a task, at the rate that the search found."""
        return replace(SCHEDULES[task], learning_rate=self.found(task)["rate"])

    def config(self, task: Task, scale: float | None = None) -> PreTrainedConfig:
        """The configuration of a task, with the scale given or else found."""
        config = self.sizes(task)
        if self.scaled:
            config.initializer_range = self.found(task)["scale"] if scale is None else scale
        return config


def common(task: Task) -> dict[str, Any]:
    """What every peer's configuration has in common."""
    vocabulary = {
        "language": VOCABULARY,
        "recall": sequence_tasks.RECALL_VOCABULARY,
        "copy": sequence_tasks.COPY_VOCABULARY,
    }[task]
    return {
        "vocab_size": vocabulary,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": True,
    }


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-fallback BPE on the English text."""
    text = [d for domain in MIXTURE for d in corpus.split(domain, "train")]
    return byte_fallback_bpe(text, VOCABULARY, CHARACTERS, longest=SCHEDULES["language"].context)


def task_batch(task: Task, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Ids and labels of a step of ``recall`` or ``copy``: a function of the seed and the step alone."""
    generator = np.random.default_rng((seed, step))
    if task == "recall":
        pairs = int(generator.choice(PAIRS))
        return sequence_tasks.recall(pairs, TASK_TOKENS["recall"] // (3 * pairs), generator)
    low, high = TRAINED_LENGTHS
    length = int(generator.integers(low, high + 1))
    return sequence_tasks.copying(length, TASK_TOKENS["copy"] // (2 * length + 1), generator)


def held_out(task: Task, seed: int = VALIDATION_SEED) -> dict[str, tuple[Tensor, Tensor]]:
    """Ids and labels of each size that is measured, by the name that it has in the findings."""
    if task == "recall":
        return {
            f"{n} pairs": sequence_tasks.recall(
                n, VALIDATION_TOKENS // (3 * n), np.random.default_rng((seed, n))
            )
            for n in PAIRS
        }
    return {
        f"{n} symbols": sequence_tasks.copying(
            n, VALIDATION_TOKENS // (2 * n + 1), np.random.default_rng((seed, n))
        )
        for n in LENGTHS
    }


@torch.no_grad()
def accuracies(model: nn.Module, sets: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """Mean loss of the answers over all sets in nats, and the share of right answers in each."""
    losses, found = [], {}
    for name, (ids, labels) in sets.items():
        out = model(input_ids=ids, labels=labels)
        losses.append(out.loss.item())
        found[name] = round(memory.answer_accuracy(out.logits, labels), 4)
    return {"val_loss": round(float(np.mean(losses)), 5), "accuracy": found}


def run(
    peer: Peer,
    task: Task,
    seed: int,
    output: Path,
    work: Path,
    schedule: Schedule | None = None,
    *,
    trial: bool = False,
    scale: float | None = None,
    sequences: Sequences | None = None,
    stop_at: int | None = None,
) -> list[dict[str, Any]]:
    """Train a peer on a task with one seed and return the log; seed 0 leaves its weights in ``output``.

    A ``trial`` is measured on text and sequences other than those that are reported. ``sequences`` take the
    place of the task's, whose sizes, steps and rate they keep.
    """
    schedule = schedule or peer.schedule(task)
    config = peer.config(task, scale)
    data: dict[str, Any] = {"trial": trial}
    if task == "language":
        tokenizer = build_tokenizer()
        windows = Windows(tokenizer, "train", MIXTURE)
        # Most of the training text is not seen in a trial: it is as good as held out.
        measured = windows if trial else Windows(tokenizer, "validation", MIXTURE)
        fixed, _ = measured.fixed(VALIDATION_WINDOWS, schedule.context)
        data |= {"mixture": MIXTURE, "tokenizer": fingerprint(tokenizer), "windows": VALIDATION_WINDOWS}
    else:
        sequences = sequences or Sequences(partial(task_batch, task), partial(held_out, task))
        sets = sequences.held_out(TRIAL_SEED if trial else VALIDATION_SEED)
        sample = [tensor for pair in (sequences.batch(seed, 0), *sets.values()) for tensor in pair]
        digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in sample)).hexdigest()
        data |= {"sequences": digest}

    def loss(model: nn.Module, step: int) -> Tensor:
        if sequences is None:
            ids = windows.batch(seed, step, schedule.batch_size, schedule.context)
            labels = ids
        else:
            ids, labels = sequences.batch(seed, step)
        value: Tensor = model(input_ids=ids, labels=labels).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        model.eval()
        if task == "language":
            found = {"val_loss": round(model(input_ids=fixed, labels=fixed).loss.item(), 5)}
        else:
            found = accuracies(model, sets)
        model.train()
        return found

    def keep(model: nn.Module, step: int) -> None:
        if seed == 0:
            save_half(model, output)  # type: ignore[arg-type]

    torch.manual_seed(seed)
    model = peer.model_class(config)
    with selective_scan.installed(), wkv.installed():
        return train(
            model,
            schedule,
            loss=loss,
            measure=measure,
            keep=keep,
            work=work,
            label=f"{peer.name}, {task}, seed {seed}",
            recipe={"seed": seed, "config": config.to_dict(), "task": task, **data},
            stop_at=stop_at,
        )


def every_seed(
    peer: Peer, task: Task, work: Path | None = None, sequences: Sequences | None = None
) -> list[list[dict[str, Any]]]:
    """The logs of a peer trained on a task with each of ``SEEDS``; no weights are kept.

    With a folder ``work``, runs that were killed go on there, and those that are finished are not done again.
    """
    logs = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as scratch:
            state = Path(scratch, "state") if work is None else work / f"seed-{seed}"
            logs.append(run(peer, task, seed, Path(scratch, "weights"), state, sequences=sequences))
    return logs


def assemble(peer: Peer, work: Path, target: Path, tasks: Sequence[Task] = TASKS) -> dict[str, Any]:
    """Train tasks with every seed, lay out the checkpoint folder at ``target``, return the manifest's entry.

    ``target`` gets the language model at its root, the models of the two tasks in ``recall`` and ``copy``,
    and the logs of all tasks and seeds in ``log.json``. What is not among ``tasks`` is taken from the
    committed checkpoint.
    """
    committed = checkpoints.CHECKPOINTS / peer.name
    kept = json.loads((committed / "log.json").read_text("utf8")) if set(tasks) != set(TASKS) else {}
    logs = {
        task: [
            run(peer, task, seed, work / "weights" / task, work / f"{task}-{seed}")
            for seed in peer.seeds(task)
        ]
        if task in tasks
        else kept[task]
        for task in TASKS
    }
    shutil.rmtree(target, ignore_errors=True)
    if "language" in tasks:
        shutil.copytree(work / "weights" / "language", target)
    else:
        target.mkdir(parents=True)
        for file in committed.glob("*"):
            if file.is_file():
                shutil.copy(file, target)
    parts = {}
    for task in ("recall", "copy"):
        shutil.copytree((work / "weights" if task in tasks else committed) / task, target / task)
        model = peer.model_class(peer.config(task))
        parts[task] = {
            **described(model),
            "state_bytes": {str(n): memory.state_bytes(model.eval(), n) for n in (32, 128)},
        }
    build_tokenizer().save_pretrained(target)
    write_json(target / "log.json", logs, indent=None)
    model = peer.model_class(peer.config("language"))

    def last(task: Task, condition: str) -> list[float]:
        return [log[-1]["accuracy"][condition] for log in logs[task]]

    def compared(task: Task) -> float:
        """The loss that a rebuilt task is held to: of the first seed, or the median where these are many."""
        ends = [float(log[-1]["val_loss"]) for log in logs[task]]
        return statistics.median(ends) if task in peer.own_seeds else ends[0]

    return entry(
        model,
        text="King James Bible, Jargon File (frontier_lab.texts.corpus); "
        "for recall and copying, random sequences",
        tokenizer=f"byte-fallback BPE, {VOCABULARY} tokens, trained on the same text",
        schedule=peer.schedule("language"),
        val_loss={task: compared(task) for task in TASKS},
        tolerance={**TOLERANCE},
        findings={
            "validation loss": {"language": [log[-1]["val_loss"] for log in logs["language"]]},
            "recall accuracy": {c: last("recall", c) for c in held_out("recall")},
            "copy accuracy": {c: last("copy", c) for c in held_out("copy")},
        },
        seeds_of={f"{task} accuracy": seeds for task, seeds in peer.own_seeds.items()},
        can="continue its corpus for a few words; its parts do recall and copying as far as the findings say",
        cannot="hold a thought over a sentence, follow an instruction, or recall and copy in text",
        mixture=MIXTURE,
        settings={task: peer.found(task) for task in SCHEDULES},
        steps={task: schedule.steps for task, schedule in SCHEDULES.items()},
        state_bytes={str(n): memory.state_bytes(model.eval(), n) for n in (32, 128)},
        parts=parts,
    )


def recipe(peer: Peer) -> Recipe:
    """The recipe of a peer, whose parts are the tasks."""
    parts: dict[str, Assemble] = {task: partial(assemble, peer, tasks=(task,)) for task in TASKS}
    return Recipe(peer.name, partial(assemble, peer), parts=parts)
