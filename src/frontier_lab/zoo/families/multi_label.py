"""What the sentiment and the toxicity recipe share: BERT-class classifiers of sentences of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase

from frontier_lab.methods import classification
from frontier_lab.texts import labelled_text
from frontier_lab.texts.labelled_text import Labelled, Part
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, entry, lay_out, note, train_seed
from frontier_lab.zoo.training.tokenizers import fingerprint, word_piece

VOCABULARY = 450
SENTENCES = 6000
"""Sentences in the training part; the same for every seed."""

HELD_OUT = 1000
"""Sentences in each part that is only measured."""

SCHEDULE = Schedule(steps=500, batch_size=32, context=40, learning_rate=2e-3, warmup=50, log_every=25)


@dataclass(frozen=True)
class Task:
    """What is classified.

    Attributes:
        name: of the recipe.
        draw: sentences of a part, their number, a seed.
        labels: names in order; of several labels each is decided by itself, one stands for its two classes.
    """

    name: str
    draw: Callable[[Part, int, int], list[Labelled]]
    labels: tuple[str, ...]

    @property
    def several(self) -> bool:
        """Whether a sentence may have several labels."""
        return len(self.labels) > 2

    def sentences(self, part: Part) -> list[Labelled]:
        """The fixed sentences of a part."""
        return self.draw(part, SENTENCES if part == "train" else HELD_OUT, labelled_text.PARTS.index(part))

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """BERT's kind, on the training part."""
        texts = [sentence.text for sentence in self.sentences("train")]
        return word_piece(texts, VOCABULARY, longest=SCHEDULE.context)

    def config(self) -> BertConfig:
        """The architecture: transformers' BERT, two narrow layers."""
        return BertConfig(
            vocab_size=len(self.tokenizer()),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=SCHEDULE.context,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.05,
            problem_type="multi_label_classification" if self.several else "single_label_classification",
            id2label=dict(enumerate(self.labels)),
            label2id={label: at for at, label in enumerate(self.labels)},
        )


def probabilities(model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Tensor:
    """Probability of each label ``[N, labels]``; of two exclusive classes, that of the second, ``[N, 1]``."""
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        logits: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return logits.softmax(-1)[:, 1:] if logits.shape[-1] == 2 else logits.sigmoid()


def measures(found: Tensor, sentences: list[Labelled]) -> dict[str, float]:
    """Accuracy over all labels, and AUROC averaged over the labels."""
    wanted = torch.tensor([s.labels for s in sentences])
    columns = range(wanted.shape[1])
    return {
        "accuracy": ((found > 0.5) == wanted.bool()).float().mean().item(),
        "macro AUROC": sum(classification.auroc(found[:, c], wanted[:, c]) for c in columns) / len(columns),
    }


def run(
    task: Task, seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[BertForSequenceClassification, Log]:
    """Train with one seed; return the model with its log. Seed 0 leaves its weights in ``output``."""
    tokenizer = task.tokenizer()
    data, seen = task.sentences("train"), task.sentences("seen")
    texts = [s.text for s in seen]
    wanted = torch.tensor([s.labels for s in seen]).float()
    torch.manual_seed(seed)
    model = BertForSequenceClassification(task.config())

    def loss(model: nn.Module, step: int) -> Tensor:
        generator = np.random.default_rng((seed, step))
        chosen = [data[at] for at in generator.integers(0, len(data), schedule.batch_size)]
        batch = tokenizer([s.text for s in chosen], padding=True, truncation=True, return_tensors="pt")
        labels = torch.tensor([s.labels for s in chosen])
        value: Tensor = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=labels.float() if task.several else labels[:, 0],
        ).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        found = probabilities(model, tokenizer, texts)
        value = F.binary_cross_entropy(found, wanted).item()
        return {
            "val_loss": round(value, 4),
            **{name: round(v, 4) for name, v in measures(found, seen).items()},
        }

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=task.name,
        keep=lambda step: output,
        facts={
            "config": task.config().to_dict(),
            "sentences": hashlib.sha256(repr(data).encode()).hexdigest(),
            "tokenizer": fingerprint(tokenizer),
        },
        stop_at=stop_at,
    )
    return model.eval(), log


def assemble(task: Task, work: Path, target: Path, *, can: str, cannot: str) -> Entry:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry."""
    tokenizer = task.tokenizer()
    parts: list[Part] = [part for part in labelled_text.PARTS if part != "train"]
    held_out = {part: task.sentences(part) for part in parts}
    words = classification.BagOfWords(task.sentences("train"))
    findings: dict[str, dict[str, list[float]]] = {}
    logs = []

    def judged(who: str, part: str, found: Tensor, sentences: list[Labelled]) -> None:
        for name, value in measures(found, sentences).items():
            note(findings, f"{name}, {part}", who, value)

    for seed in SEEDS:
        model, log = run(task, seed, work / "weights", work, SCHEDULE)
        logs.append(log)
        for part, sentences in held_out.items():
            texts = [s.text for s in sentences]
            judged("model", part, probabilities(model, tokenizer, texts), sentences)
            judged("bag of words", part, words(texts), sentences)
            commonest = torch.tensor([s.labels for s in task.sentences("train")]).float().mean(0)
            judged("always the commonest", part, commonest.expand(len(texts), -1), sentences)
    lay_out(target, {"": work / "weights"}, {"": task.tokenizer()}, logs)
    return entry(
        model,
        text="sentences of ours from templates and word lists (frontier_lab.texts.labelled_text)",
        tokenizer=f"WordPiece, {len(tokenizer)} tokens, trained on the same sentences",
        schedule=SCHEDULE,
        val_loss={"seen templates": logs[0][-1]["val_loss"]},
        findings=findings,
        can=can,
        cannot=cannot,
        tolerance=0.1,
        labels=list(task.labels),
    )
