"""What the RoPE and the ALiBi model share: text and ledgers at 64 tokens, measures at up to 512."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from frontier_lab.methods.long_context import loss_by_position, recall, recalled_at, text_losses, token_losses
from frontier_lab.texts import corpus
from frontier_lab.texts.ledgers import ROWS, Ledger, row
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Log, train_seed
from frontier_lab.zoo.training.tokenizers import byte_fallback_bpe, fingerprint

T = TypeVar("T")

VOCABULARY = 1024
CHARACTERS = 128
MIXTURE = {"bible": 0.5, "jargon": 0.5}
LEDGERS = 0.4
"""Share of the training windows that are ledgers."""

CONTEXT = 64
LONGEST = 8 * CONTEXT
SCHEDULE = Schedule(steps=600, batch_size=32, context=CONTEXT, learning_rate=4e-3, log_every=50)
INITIALIZER_RANGE = 0.08
"""Standard deviation of the initial weights; transformers' 0.02 is for wide models and learns slowly here."""

BUCKETS = ((0, 64), (64, 128), (128, 256), (256, 512))
DISTANCES = (30, 60, 120, 240, 480)
LONG_WINDOWS = 64
NEEDLES = 64
HAYSTACKS = 128
"""Texts for the recall at every distance in them."""

TUNING = Schedule(
    steps=SCHEDULE.steps // 10,
    batch_size=8,
    context=4 * CONTEXT,
    learning_rate=1e-3,
    warmup=6,
    log_every=20,
)
"""A short fine-tuning at four times the length, with as many tokens a step as the training."""

TEXT = "King James Bible, Jargon File (frontier_lab.texts.corpus); ledgers (frontier_lab.texts.ledgers)"


def tokenizer_text() -> list[str]:
    """What tokenizers are trained on: the text, and every row so often that its words win tokens."""
    rows = "".join(row(label, value) for label, values in ROWS.items() for value in values)
    return [document for domain in MIXTURE for document in corpus.split(domain, "train")] + [rows] * 900


@functools.cache
def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-fallback BPE on the text and on every row of the ledgers."""
    return byte_fallback_bpe(tokenizer_text(), VOCABULARY, CHARACTERS, longest=LONGEST)


@functools.cache
def _text_and_ledger(part: str) -> tuple[Windows, Ledger]:
    windows = Windows(build_tokenizer(), part, MIXTURE)  # type: ignore[arg-type]
    return windows, Ledger(build_tokenizer(), np.concatenate(list(windows.streams.values())))


def ledger(part: str) -> Ledger:
    """Ledgers among the text of ``"train"``, as ``batch`` draws them, or of ``"validation"``."""
    return _text_and_ledger(part)[1]


def batch(seed: int, step: int, schedule: Schedule) -> Tensor:
    """Windows of a step, ``[batch_size, context]``: text first, then ledgers."""
    windows, ledger = _text_and_ledger("train")
    ledgers = round(LEDGERS * schedule.batch_size)
    rows, _ = ledger.windows(np.random.default_rng((seed, step, 1)), ledgers, schedule.context)
    return torch.cat([windows.batch(seed, step, schedule.batch_size - ledgers, schedule.context), rows])


def shares() -> dict[str, float]:
    """Share of the training windows that each kind of text gets."""
    return {
        **{domain: round(share * (1 - LEDGERS), 4) for domain, share in MIXTURE.items()},
        "ledgers": LEDGERS,
    }


def held_out_text(count: int, context: int) -> Tensor:
    """Evenly spaced windows of text that is never trained on, ``[count, context]``."""
    return _text_and_ledger("validation")[0].fixed(count, context)[0]


def training_text(count: int, context: int) -> Tensor:
    """Evenly spaced windows of the text that is trained on, ``[count, context]``: to choose settings by."""
    return _text_and_ledger("train")[0].fixed(count, context)[0]


def held_out_needles(length: int, distance: int, count: int = NEEDLES) -> Tensor:
    """Needles in held-out text, always the same, ``[count, length]``."""
    generator = np.random.default_rng((length, distance))
    return _text_and_ledger("validation")[1].needles(generator, count, length, distance)


@functools.cache
def held_out_haystacks(
    distances: tuple[int, ...] = DISTANCES, count: int = HAYSTACKS
) -> tuple[Tensor, Tensor]:
    """Held-out texts of the longest windows with a question for every distance, always the same.

    Returns:
        Token ids ``[count, LONGEST - 2]``, and labels with their values, ``[count, len(distances), 2]``.
    """
    return _text_and_ledger("validation")[1].haystacks(
        np.random.default_rng(LONGEST), count, LONGEST, distances
    )


def held_out_restated(later: int) -> tuple[Tensor, Tensor]:
    """The haystacks, with the farthest label stated once more, ``later`` tokens back and with another value.

    Returns:
        Token ids ``[HAYSTACKS, LONGEST - 2]``, and the label with its newest and its oldest value,
        ``[HAYSTACKS, 2, 2]``.
    """
    texts, questions = held_out_haystacks()
    ledger, generator = _text_and_ledger("validation")[1], np.random.default_rng(later)
    values, texts, start = (
        dict(zip(ledger.labels, ledger.values, strict=True)),
        texts.clone(),
        LONGEST - 2 - later,
    )
    asked = []
    for text, (label, oldest) in zip(texts, questions[:, -1].tolist(), strict=True):
        newest = int(generator.choice([value for value in values[label] if value != oldest]))
        text[start : start + 3] = torch.tensor([label, newest, ledger.comma])
        asked.append([[label, newest], [label, oldest]])
    return texts, torch.tensor(asked)


def fit(
    model: PreTrainedModel,
    label: str,
    seed: int,
    work: Path,
    schedule: Schedule,
    *,
    facts: Mapping[str, Any],
    stop_at: int | None = None,
) -> Log:
    """Train in place on text and ledgers; the log has the loss on held-out text and the recall in ledgers."""
    fixed = held_out_text(6144 // schedule.context, schedule.context)
    generator = np.random.default_rng(0)
    ids, asked = _text_and_ledger("validation")[1].windows(
        generator, 2048 // schedule.context, schedule.context
    )

    def loss(model: nn.Module, step: int) -> Tensor:
        windows = batch(seed, step, schedule)
        value: Tensor = model(input_ids=windows, labels=windows).loss
        return value

    def measure(_: nn.Module) -> dict[str, Any]:
        model.eval()
        found = token_losses(model, fixed).mean().item()
        right = model(input_ids=ids).logits[:, :-1].argmax(-1) == ids[:, 1:]
        model.train()
        recalled = right[asked[:, 1:]].float().mean().item()
        return {"val_loss": round(found, 5), "recall": round(recalled, 4)}

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{label}-{seed}",
        label=label,
        facts={
            "config": model.config.to_dict(),
            "mixture": MIXTURE,
            "ledgers": LEDGERS,
            "rows": ROWS,
            "tokenizer": fingerprint(build_tokenizer()),
            **facts,
        },
        stop_at=stop_at,
    )
    model.eval()
    return log


def each_seed(work: Path, measured: Callable[[int, Path], T]) -> list[T]:
    """What ``measured(seed, work)`` gives for every seed, in order; each in a process of one thread."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(SEEDS), spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(measured, SEEDS, [work] * len(SEEDS)))


def extrapolation(model: PreTrainedModel) -> dict[str, float]:
    """Loss in every bucket of windows of 512 tokens, and recall at every distance within 512 tokens.

    Tokens at multiples of 64 are not scored: ``cut`` predicts them from nothing, so both leave them out.
    """
    text = held_out_text(LONG_WINDOWS, LONGEST)
    losses = loss_by_position(model, text, BUCKETS, leave_out=CONTEXT)
    found = {f"loss_{first}_{end}": loss for (first, end), loss in zip(BUCKETS, losses, strict=True)}
    recalls = recalled_at(model, *held_out_haystacks()).float().mean(0).tolist()
    return found | {f"recall_{distance}": share for distance, share in zip(DISTANCES, recalls, strict=True)}


def cut_losses(model: PreTrainedModel) -> Tensor:
    """Loss of the tokens that ``extrapolation`` scores, each window read in pieces of 64 from position 0.

    What reading on must beat. Nothing is charged for the first token of a piece, which is read blind.

    Returns:
        ``[LONG_WINDOWS, len(BUCKETS)]``, in nats a token.
    """
    ids = held_out_text(LONG_WINDOWS, LONGEST)
    pieces = text_losses(model, ids.reshape(-1, CONTEXT), [(0, CONTEXT)]).reshape(LONG_WINDOWS, -1)
    return torch.stack([pieces[:, first // CONTEXT : end // CONTEXT].mean(1) for first, end in BUCKETS], 1)


def cut(model: PreTrainedModel) -> dict[str, float]:
    """Means of ``cut_losses`` over the windows, by the names of ``extrapolation``."""
    means = cut_losses(model).mean(0).tolist()
    return {f"loss_{first}_{end}": loss for (first, end), loss in zip(BUCKETS, means, strict=True)}


def inside(model: PreTrainedModel) -> dict[str, float]:
    """Recall within the trained length, sequences of 64 tokens."""
    return {
        f"recall_inside_{distance}": recall(model, held_out_needles(CONTEXT, distance))
        for distance in DISTANCES
        if distance < CONTEXT - 2
    }


def by_finding(measured: Mapping[str, list[dict[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """From condition, then seed, then finding to finding, then condition, then seed: the manifest's order."""
    names = sorted({name for seeds in measured.values() for name in seeds[0]})
    return {
        name: {
            condition: [seed[name] for seed in seeds]
            for condition, seeds in measured.items()
            if name in seeds[0]
        }
        for name in names
    }
