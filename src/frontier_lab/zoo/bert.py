"""A BERT-class masked language model: lower-cased WordPiece, four layers of four heads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerBase

from frontier_lab.texts import corpus
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.masked_text import IGNORED, Sentences, guess, mask
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import fingerprint, word_piece

NAME = "bert"
VOCABULARY = 1500
MIXTURE = {"bible": 0.5, "jargon": 0.5}
MASKED = 0.2
"""Share of the tokens to be guessed, a little above BERT's 15 % as training is short."""

SCHEDULE = Schedule(steps=1500, batch_size=16, context=64, learning_rate=3e-3, warmup=100, log_every=50)
LONGEST = 128
VALIDATION_WINDOWS = 128


def build_tokenizer() -> PreTrainedTokenizerBase:
    """BERT's kind on the two English domains."""
    text = [document for domain in MIXTURE for document in corpus.split(domain, "train")]
    return word_piece(text, VOCABULARY, longest=LONGEST)


def config() -> BertConfig:
    """The architecture: transformers' BERT, small."""
    return BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=72,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        pad_token_id=0,
    )


hide = partial(mask, share=MASKED, vocabulary=VOCABULARY)


def held_out(tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    """The held-out windows, hidden once and for all: input and labels."""
    ids = Sentences(tokenizer, "validation", MIXTURE).fixed(VALIDATION_WINDOWS, SCHEDULE.context)
    return hide(ids, (1_000_003,), tokenizer.mask_token_id)


def run(
    seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> Log:
    """Train with one seed and return the log; seed 0 leaves its weights in ``output``."""
    tokenizer = build_tokenizer()
    data = Sentences(tokenizer, "train", MIXTURE)
    shown, wanted = held_out(tokenizer)
    torch.manual_seed(seed)
    model = BertForMaskedLM(config())

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = data.batch(seed, step, schedule.batch_size, schedule.context)
        inputs, labels = hide(ids, (seed, step, 1), tokenizer.mask_token_id)
        hidden = model.bert(input_ids=inputs).last_hidden_state  # type: ignore[operator, union-attr]
        place = labels != IGNORED
        # Only the hidden tokens go through the output layer, the dearest part of a model this small.
        return F.cross_entropy(model.cls(hidden[place]), labels[place])  # type: ignore[operator]

    def measure(model: nn.Module) -> dict[str, Any]:
        return {n: round(v, 4) for n, v in guess(model(input_ids=shown).logits, wanted).items()}

    return train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=NAME,
        keep=lambda step: output,
        facts={
            "config": config().to_dict(),
            "mixture": MIXTURE,
            "masked": MASKED,
            "tokenizer": fingerprint(tokenizer),
        },
        stop_at=stop_at,
    )


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry."""
    logs = [run(seed, work / "weights", work, SCHEDULE) for seed in SEEDS]
    tokenizer = build_tokenizer()
    lay_out(target, {"": work / "weights"}, {"": tokenizer}, logs)
    baseline = Sentences(tokenizer, "train", MIXTURE).unigram(held_out(tokenizer)[1], VOCABULARY)
    ends = [log[-1] for log in logs]
    names = {"val_loss": "loss on hidden tokens", "accuracy": "accuracy on hidden tokens"}
    return entry(
        BertForMaskedLM(config()),
        text="King James Bible and Jargon File, lower-cased (frontier_lab.texts.corpus)",
        tokenizer=f"WordPiece, {VOCABULARY} tokens, lower-cased, trained on the same text",
        schedule=SCHEDULE,
        val_loss={"masked": logs[0][-1]["val_loss"]},
        findings={
            title: {"model": [e[name] for e in ends], "unigram": [baseline[name]] * len(SEEDS)}
            for name, title in names.items()
        },
        can="guesses frequent hidden words and word endings of the two kinds of text it was trained on",
        cannot="know facts or word senses; its vocabulary is scripture's and hackers'",
    )


RECIPE = Recipe(NAME, assemble)
