"""A two-layer causal language model, trained where induction heads form, with snapshots around the jump."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from frontier_lab.methods import heads
from frontier_lab.texts import corpus, sequence_tasks
from frontier_lab.texts.sequence_tasks import PRINTABLE
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, described, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import byte_level_bpe, fingerprint

NAME = "induction"
VOCABULARY = 257
"""The bytes and the end of a text: with few tokens the heads form within a thousand steps."""

MIXTURE = {"bible": 0.5, "jargon": 0.5}
TEXT = 0.25
"""Share of a batch that is text; the rest is random segments, repeated to the window's end."""

SEGMENT = (8, 31)
"""Shortest and longest segment. The length varies so that no fixed distance back is worth learning."""

SCHEDULE = Schedule(
    steps=1400, batch_size=16, context=64, learning_rate=4e-3, log_every=10, snapshots=(600, 800, 1000)
)
PROBE_SEED, PROBES, PROBE_LENGTH = 1_000_003, 48, 30
"""Held-out repeated sequences: another generator than training's, and two copies of one length."""

VALIDATION_WINDOWS = 32


def build_tokenizer() -> PreTrainedTokenizerBase:
    """GPT-2's kind on the two English domains."""
    text = [document for domain in MIXTURE for document in corpus.split(domain, "train")]
    return byte_level_bpe(text, VOCABULARY, longest=SCHEDULE.context)


def config() -> LlamaConfig:
    """The architecture: transformers' Llama, two layers of two heads, a narrow MLP."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.05,  # at the usual 0.02 a model as narrow as this hardly attends at first
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )


def segments(seed: int, step: int, size: int, context: int) -> Tensor:
    """Windows of one random segment each, over and over, ``[size, context]``; begun at any place of it."""
    generator = np.random.default_rng((seed, step, 1))
    rows = []
    for _ in range(size):
        length = int(generator.integers(SEGMENT[0], SEGMENT[1] + 1))
        once = generator.integers(*PRINTABLE, length)
        rows.append(np.resize(once, context))
    return torch.from_numpy(np.stack(rows))


def probes() -> Tensor:
    """The repeated sequences that everything is measured on, ``[PROBES, 2 · PROBE_LENGTH]``."""
    return sequence_tasks.repeated(PROBES, PROBE_LENGTH, PRINTABLE[1], PROBE_SEED, first=PRINTABLE[0])


def measures(model: LlamaForCausalLM, ids: Tensor) -> dict[str, float]:
    """Losses on both copies and the best heads' scores."""
    weights, logits = heads.attention(model, ids)
    weights = weights.mean(1)  # [L, H, T, T]
    first, second = heads.copy_losses(logits, ids)
    return {
        "first": first.item(),
        "second": second.item(),
        "induction": heads.induction_score(weights).max().item(),
        "previous": heads.previous_token_score(weights)[0].max().item(),
    }


def run(
    seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> Log:
    """Train with one seed and return the log; seed 0 leaves snapshots under ``output``."""
    tokenizer = build_tokenizer()
    data, held_out = Windows(tokenizer, "train", MIXTURE), Windows(tokenizer, "validation", MIXTURE)
    fixed, _ = held_out.fixed(VALIDATION_WINDOWS, schedule.context)
    ids = probes()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config())
    text = round(schedule.batch_size * TEXT)

    def loss(model: nn.Module, step: int) -> Tensor:
        batch = torch.cat(
            [
                data.batch(seed, step, text, schedule.context),
                segments(seed, step, schedule.batch_size - text, schedule.context),
            ]
        )
        language: Tensor = model(input_ids=batch, labels=batch).loss
        return language

    def measure(model: nn.Module) -> dict[str, Any]:
        found = {"val_loss": model(input_ids=fixed, labels=fixed).loss.item(), **measures(model, ids)}  # type: ignore[arg-type]
        return {name: round(value, 4) for name, value in found.items()}

    return train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=NAME,
        keep=lambda step: output / str(step),
        facts={
            "config": config().to_dict(),
            "mixture": MIXTURE,
            "text": TEXT,
            "segment": SEGMENT,
            "printable": PRINTABLE,
            "tokenizer": fingerprint(tokenizer),
        },
        stop_at=stop_at,
    )


def findings(logs: list[Log]) -> dict[str, dict[str, list[float]]]:
    """What the pages claim, from the logs of all seeds: before is where a tenth of the jump is done."""
    jumps = [heads.jump([e["step"] for e in log], [e["induction"] for e in log]) for log in logs]
    befores = [
        next(e for e in log if e["step"] == found.start) for log, found in zip(logs, jumps, strict=True)
    ]
    pairs = {"before": befores, "after": [log[-1] for log in logs]}

    def each(measure: Callable[[dict[str, Any]], float]) -> dict[str, list[float]]:
        return {when: [measure(e) for e in entries] for when, entries in pairs.items()}

    return {
        "induction score of the best head": each(lambda e: e["induction"]),
        "previous-token score of the best head in layer 0": each(lambda e: e["previous"]),
        "in-context learning score": each(lambda e: e["second"] - e["first"]),
        "loss on the first copy": each(lambda e: e["first"]),
        "loss on the second copy": each(lambda e: e["second"]),
        "step of the jump": {
            "10 %": [found.start for found in jumps],
            "50 %": [found.middle for found in jumps],
            "90 %": [found.end for found in jumps],
        },
    }


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry.

    ``target`` gets the last weights at its root, those on the way in ``snapshots/<step>``.
    """
    logs = [run(seed, work / "snapshots", work, SCHEDULE) for seed in SEEDS]
    snapshots = {f"snapshots/{step}": work / "snapshots" / str(step) for step in SCHEDULE.snapshots}
    weights = {"": work / "snapshots" / str(SCHEDULE.steps), **snapshots}
    lay_out(target, weights, {"": build_tokenizer()}, logs)
    model = LlamaForCausalLM(config())
    return entry(
        model,
        text="King James Bible, Jargon File, random token segments repeated "
        "(frontier_lab.texts.corpus, ours)",
        tokenizer=f"byte-level BPE, {VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={"text": logs[0][-1]["val_loss"], "second copy": logs[0][-1]["second"]},
        findings=findings(logs),
        can="repeats a random sequence that it has seen once in its window, by induction heads",
        cannot="write coherent text: it is small, and three quarters of its training were noise",
        tolerance=0.15,
        parts={f"snapshots/{step}": described(model) for step in SCHEDULE.snapshots},
    )


RECIPE = Recipe(NAME, assemble)
