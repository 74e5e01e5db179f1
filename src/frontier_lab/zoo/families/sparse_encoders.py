"""What Longformer and BigBird share: masked text, and rows that are stated here and hidden far away.

Ordinary text teaches an encoder little about what lies far off. So half of the windows are text into which
one row, a label and a value, is written at several places; where its value is hidden, only the other places
tell it, and the nearest may lie beyond every window. In how a value gets there the two architectures differ.
The start token has to name the value too, as it would name the class of a document.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab.storage import checkpoints
from frontier_lab.texts.ledgers import ROWS, Ledger
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.masked_text import IGNORED, Sentences, guess, mask
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import fingerprint

VOCABULARY = 1024
MIXTURE = {"bible": 0.5, "jargon": 0.5}
CONTEXT = 128
LAYERS = 3
SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "type_vocab_size": 1,
    "initializer_range": 0.06,  # at the usual 0.02 a model as narrow as this hardly attends at first
}
MASKED = 0.25
"""Share of the ordinary tokens to be guessed."""

PLACES = (2, 14)
"""How often the row of a window is written, fewest and most: a value may be stated once or many times.

With at most ten rows, seven tenths hidden, BigBird had learned nothing of them after 1,500 steps, and one of
three seeds of Longformer neither."""

HIDDEN_VALUES = 0.5
"""Share of these places whose value is hidden; one is always shown, and one always hidden."""

REMINDERS = 0.5
"""Share of the windows that have a row."""

ROW_WEIGHT = 1.0
"""Of the loss on hidden values, beside that on ordinary tokens."""

SCHEDULE = Schedule(
    steps=2500,
    batch_size=16,
    context=CONTEXT,
    learning_rate=3e-3,
    warmup=100,
    weight_decay=0.01,
    log_every=100,
)
VALIDATION_WINDOWS = 96
PROBES = 192
DISTANCES = (6, 24, 96)
"""Tokens from a stated value to the hidden one: in the same window, a few windows on, and three quarters of
the sequence away."""


@dataclass(frozen=True)
class Encoder:
    """One of the two.

    Attributes:
        name: of its recipe and folder.
        model_class: with a head for masked language modelling.
        config: its configuration.
        tokenizer: builds the kind that its real model has.
        specials: ids below this one stand for no text.
        hidden_states: model and ids ``[B, T]`` to ``[B, T, D]``, attending as in training.
        head: hidden states ``[…, D]`` to logits ``[…, V]``.
    """

    name: str
    model_class: Callable[[PreTrainedConfig], PreTrainedModel]
    config: Callable[[], PreTrainedConfig]
    tokenizer: Callable[[], PreTrainedTokenizerBase]
    specials: int
    hidden_states: Callable[[nn.Module, Tensor], Tensor]
    head: Callable[[nn.Module, Tensor], Tensor]


class Reminders:
    """Text with a row written into it.

    Args:
        sentences: whose text it is.
    """

    def __init__(self, sentences: Sentences) -> None:
        self.sentences = sentences
        self.mask_token: int = sentences.tokenizer.mask_token_id
        self.ledger = Ledger(sentences.tokenizer, np.concatenate(list(sentences.streams.values())))

    def batch(self, generator: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
        """Windows with one row in some places each, its value shown in one at least and hidden in one.

        Returns:
            Input and labels, both ``[size, CONTEXT]``: hidden values, and the value at the start token.
        """
        length = CONTEXT - 2
        ids, hidden = np.empty((size, length), np.int64), np.zeros((size, length), bool)
        values = torch.empty(size, dtype=torch.int64)
        for row in range(size):
            ids[row] = self.ledger.passage(generator, length)
            (fact,) = self.ledger.facts(generator, 1)
            values[row] = fact[1]
            count = int(generator.integers(PLACES[0], PLACES[1] + 1))
            hide_it = np.r_[False, True, generator.random(count - 2) < HIDDEN_VALUES]
            # Anywhere, but not one upon another: each but the first starts two tokens later than drawn.
            drawn = np.sort(generator.permutation(length - 2 * count)[:count])
            for start, away in zip(generator.permutation(drawn + 2 * np.arange(count)), hide_it, strict=True):
                ids[row, start : start + 3] = [*fact, self.ledger.comma]
                hidden[row, start + 1] = away
        shown, labels = self._shown(ids, hidden)
        labels[:, 0] = values
        return shown, labels

    def probe(self, distance: int, tokens: int = CONTEXT) -> tuple[Tensor, Tensor]:
        """``PROBES`` windows, always the same: a value stated once, and hidden once that many tokens on.

        Args:
            distance: from one to the other.
            tokens: of a window; at least ``distance + 21``.
        """
        generator = np.random.default_rng((1_000_003, distance))
        length = tokens - 2
        ids, hidden = np.empty((PROBES, length), np.int64), np.zeros((PROBES, length), bool)
        for row in range(PROBES):
            ids[row] = self.ledger.passage(generator, length)
            (fact,) = self.ledger.facts(generator, 1)
            # Neither in the first eight tokens nor in the last, which BigBird lets all others see.
            start = int(generator.integers(8, length - 8 - distance - 2))
            for place in (start, start + distance):
                ids[row, place : place + 3] = [*fact, self.ledger.comma]
            hidden[row, start + distance + 1] = True
        return self._shown(ids, hidden)

    def _shown(self, ids: np.ndarray[Any, Any], hidden: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
        labels = self.sentences.framed(torch.from_numpy(np.where(hidden, ids, IGNORED)))
        labels[:, [0, -1]] = IGNORED
        shown = self.sentences.framed(torch.from_numpy(np.where(hidden, self.mask_token, ids)))
        return shown, labels


@functools.cache
def _data(encoder: Encoder, part: str) -> tuple[Sentences, Reminders]:
    sentences = Sentences(encoder.tokenizer(), part, MIXTURE)  # type: ignore[arg-type]
    return sentences, Reminders(sentences)


def hide(encoder: Encoder, ids: Tensor, seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Ordinary tokens hidden, as ``masked_text.mask`` does."""
    token = encoder.tokenizer().mask_token_id
    return mask(ids, seed, token, share=MASKED, vocabulary=VOCABULARY, specials=encoder.specials)


def held_out(encoder: Encoder) -> tuple[Tensor, Tensor]:
    """Held-out text, hidden once and for all: input and labels, ``[VALIDATION_WINDOWS, CONTEXT]``."""
    ids = _data(encoder, "validation")[0].fixed(VALIDATION_WINDOWS, CONTEXT)
    return hide(encoder, ids, (1_000_003,))


def probe(encoder: Encoder, distance: int, tokens: int = CONTEXT) -> tuple[Tensor, Tensor]:
    """A value stated in held-out text and hidden at a distance: input and labels ``[PROBES, tokens]``."""
    return _data(encoder, "validation")[1].probe(distance, tokens)


def unigram(encoder: Encoder) -> dict[str, float]:
    """What the frequencies of the training text alone give on the held-out text."""
    return _data(encoder, "train")[0].unigram(held_out(encoder)[1], VOCABULARY)


@torch.no_grad()
def score(logits: Callable[[Tensor], Tensor], shown: Tensor, labels: Tensor) -> dict[str, float]:
    """Loss and share of right guesses; ``logits`` maps ids ``[B, T]`` to ``[B, T, V]``."""
    return guess(torch.cat([logits(part) for part in torch.split(shown, 48)]), labels)


def run(
    encoder: Encoder,
    seed: int,
    work: Path,
    schedule: Schedule = SCHEDULE,
    *,
    stop_at: int | None = None,
) -> tuple[PreTrainedModel, Log]:
    """Train with one seed; returns the model, in train mode, and its log."""
    sentences, reminders = _data(encoder, "train")
    text, (far, wanted) = held_out(encoder), probe(encoder, DISTANCES[-1])
    rows = round(REMINDERS * schedule.batch_size)
    torch.manual_seed(seed)
    model = encoder.model_class(encoder.config())
    model.train()  # BigBird attends at random in this mode alone; there is no dropout

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = sentences.batch(seed, step, schedule.batch_size - rows, CONTEXT)
        plain, plain_labels = hide(encoder, ids, (seed, step, 1))
        noted, noted_labels = reminders.batch(np.random.default_rng((seed, step, 2)), rows)
        # Ordinary tokens are hidden around the rows as well, but for the values.
        around, around_labels = hide(encoder, noted, (seed, step, 3))
        values = torch.isin(noted, torch.tensor(reminders.ledger.values)) | (noted_labels != IGNORED)
        noted = torch.where(values, noted, around)
        around_labels = around_labels.masked_fill(values, IGNORED)
        hidden = encoder.hidden_states(model, torch.cat([plain, noted]))
        labels = torch.cat([plain_labels, around_labels])
        row_labels = torch.cat([torch.full_like(plain_labels, IGNORED), noted_labels])
        # Only hidden tokens go through the output layer, the dearest part of a model this small.
        text_loss, row_loss = (
            F.cross_entropy(encoder.head(model, hidden[where != IGNORED]), where[where != IGNORED])
            for where in (labels, row_labels)
        )
        return text_loss + ROW_WEIGHT * row_loss

    def logits(ids: Tensor) -> Tensor:
        return encoder.head(model, encoder.hidden_states(model, ids))

    def measure(_: nn.Module) -> dict[str, Any]:
        found = {**score(logits, *text), "far": score(logits, far, wanted)["accuracy"]}
        return {name: round(value, 4) for name, value in found.items()}

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=encoder.name,
        facts={
            "config": encoder.config().to_dict(),
            "mixture": MIXTURE,
            "masked": MASKED,
            "rows": [ROWS, PLACES, HIDDEN_VALUES, REMINDERS, ROW_WEIGHT],
            "tokenizer": fingerprint(encoder.tokenizer()),
        },
        stop_at=stop_at,
    )
    return model, log


def assemble(
    encoder: Encoder,
    ways: Mapping[str, Callable[[PreTrainedModel, Tensor], Tensor]],
    work: Path,
    target: Path,
    *,
    tokenizer: str,
    can: str,
    cannot: str,
) -> Entry:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry.

    Args:
        encoder: which.
        ways: of attending that are measured: name to model and ids ``[B, T]`` to logits ``[B, T, V]``; the
            first is that of training.
        work: where a killed run goes on.
        target: replaced.
        tokenizer: its kind and size, for people.
        can: see ``recipe.entry``.
        cannot: see ``recipe.entry``.
    """
    logs, measured, models = [], [], []
    for seed in SEEDS:
        model, log = run(encoder, seed, work)
        models.append(model)
        logs.append(log)
        sets = {
            "loss on hidden tokens": held_out(encoder),
            **{f"value stated {distance} tokens away": probe(encoder, distance) for distance in DISTANCES},
        }
        measured.append(
            {
                (what, name): score(functools.partial(way, model), *pair)[
                    "val_loss" if what == "loss on hidden tokens" else "accuracy"
                ]
                for what, pair in sets.items()
                for name, way in ways.items()
            }
        )
    lay_out(target, {"": models[0]}, {"": encoder.tokenizer()}, logs)

    findings: dict[str, dict[str, list[float]]] = {}
    for what, name in measured[0]:
        findings.setdefault(what, {})[name] = [found[what, name] for found in measured]
    findings["loss on hidden tokens"]["unigram"] = [unigram(encoder)["val_loss"]] * len(SEEDS)
    findings["chance"] = {"one value of a label": [1 / len(next(iter(ROWS.values())))] * len(SEEDS)}
    return entry(
        encoder.model_class(encoder.config()),
        text="King James Bible, Jargon File (frontier_lab.texts.corpus); "
        "one row of a ledger, again and again",
        schedule=SCHEDULE,
        val_loss={"masked": logs[0][-1]["val_loss"]},
        findings=findings,
        mixture=MIXTURE,
        tokenizer=tokenizer,
        can=can,
        cannot=cannot,
    )


def describe(encoder: Encoder, words: Mapping[str, str], _: Any) -> Entry:
    """The committed entry with other ``words``: ``can`` and ``cannot``."""
    return {**checkpoints.manifest()[encoder.name], **words}
