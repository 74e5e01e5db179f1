"""Three sentence classifiers, each of its own class and with its own tokenizer.

Trained on the chapters ``train`` of ``texts.bible_books.balanced``, watched on ``stack``, judged on ``test``.
Of every score each chapter has an equal share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaTokenizer,
)

from frontier_lab.methods import voting
from frontier_lab.texts import bible_books, corpus
from frontier_lab.texts.bible_books import Sentence
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
from frontier_lab.zoo.training.tokenizers import byte_level_bpe, fingerprint, word_piece

NAME = "classifiers"
VOCABULARIES = {"bert": 1000, "roberta": 900, "distilbert": 800}
SCHEDULE = Schedule(steps=500, batch_size=32, context=64, learning_rate=2e-3, warmup=50, log_every=50)
DROPOUT = 0.1
LABELS = {"id2label": dict(enumerate(bible_books.GROUPS))}


def training_text() -> tuple[str, ...]:
    """The chapters that are trained on, whole: the tokenizers know no other."""
    chapters = zip(corpus.documents("bible"), bible_books.parts(), strict=True)
    return tuple(text for text, part in chapters if part == "train")


def build_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of one of the classifiers, of its own kind and size."""
    text, size = training_text(), VOCABULARIES[name]
    if name == "roberta":
        return byte_level_bpe(text, size, longest=SCHEDULE.context, kind=RobertaTokenizer)
    kind = BertTokenizer if name == "bert" else DistilBertTokenizer
    return word_piece(text, size, longest=SCHEDULE.context, kind=kind)


def build_model(name: str, width: int = 1) -> PreTrainedModel:
    """One of the classifiers, untrained; ``width`` times as wide as the committed one."""
    labels = {**LABELS, "label2id": {label: at for at, label in LABELS["id2label"].items()}}
    if name == "distilbert":
        return DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=VOCABULARIES[name],
                dim=56 * width,
                hidden_dim=112 * width,
                n_layers=1,
                n_heads=4,
                max_position_embeddings=SCHEDULE.context,
                dropout=DROPOUT,
                attention_dropout=DROPOUT,
                seq_classif_dropout=DROPOUT,
                initializer_range=0.05,
                **labels,
            )
        )
    shape = dict(
        vocab_size=VOCABULARIES[name],
        hidden_size=48 * width,
        intermediate_size=96 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
        initializer_range=0.05,
        **labels,
    )
    if name == "bert":
        return BertForSequenceClassification(BertConfig(max_position_embeddings=SCHEDULE.context, **shape))
    # RoBERTa counts positions from the padding id on.
    return RobertaForSequenceClassification(
        RobertaConfig(
            max_position_embeddings=SCHEDULE.context + 2,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            type_vocab_size=1,
            **shape,
        )
    )


def inputs(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> dict[str, Tensor]:
    """Ids and mask of a batch, ``[B, T]`` each, padded on the right and cut at the trained length."""
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def probabilities(model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Tensor:
    """Class probabilities of the texts, ``[N, C]``; by length, so that little is padded."""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    found = torch.empty(len(texts), len(bible_books.GROUPS))
    with torch.no_grad():
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            logits = model(**inputs(tokenizer, [texts[at] for at in chosen])).logits
            found[chosen] = logits.softmax(-1)
    return found


def examples(part: bible_books.Part) -> tuple[list[str], Tensor, Tensor]:
    """The sentences of a part, their labels ``[N]`` and their chapters ``[N]``."""
    found = bible_books.balanced(part)
    return (
        [each.text for each in found],
        torch.tensor([each.label for each in found]),
        torch.tensor([each.chapter for each in found]),
    )


def _weights(model: nn.Module) -> str:
    """SHA-256 of a model's weights: a run from other weights is another run."""
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def text_of(sentences: Sequence[Sentence]) -> str:
    """SHA-256 of what is trained on."""
    return hashlib.sha256("\n".join(each.text for each in sentences).encode()).hexdigest()


def run(
    name: str,
    seed: int,
    output: Path,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    start: nn.Module | None = None,
    width: int = 1,
    sentences: Sequence[Sentence] | None = None,
) -> tuple[PreTrainedModel, Log]:
    """Train one classifier with one seed; return it, in eval mode, with its log.

    Args:
        name: a key of ``VOCABULARIES``.
        seed: of the first weights, the batches and the dropout.
        output: where the weights of seed 0 go.
        work: where a killed run goes on.
        schedule: steps and rates.
        stop_at: leave after this many steps, as if killed; for tests.
        start: a trained classifier of this name to go on from, left as it is; the seed is then of batches and
            dropout alone.
        width: see ``build_model``.
        sentences: to train on, instead of the chapters ``train``.
    """
    tokenizer = build_tokenizer(name)
    known = bible_books.balanced("train") if sentences is None else sentences
    groups = [[s.text for s in known if s.label == label] for label in range(len(bible_books.GROUPS))]
    texts, labels, chapters = examples("stack")
    torch.manual_seed(seed)
    model = build_model(name, width)
    if start is not None:
        model.load_state_dict(start.state_dict())

    def loss(model: nn.Module, step: int) -> Tensor:
        generator = np.random.default_rng((seed, step))
        wanted = generator.integers(0, len(groups), schedule.batch_size)
        chosen = [groups[label][int(generator.integers(len(groups[label])))] for label in wanted]
        torch.manual_seed(int(generator.integers(2**31)))  # dropout too is a function of the step alone
        logits = model(**inputs(tokenizer, chosen)).logits
        return F.cross_entropy(logits, torch.from_numpy(wanted))

    def measure(model: nn.Module) -> dict[str, Any]:
        model.eval()
        found = probabilities(model, tokenizer, texts)
        model.train()
        return {
            "val_loss": round(voting.score(voting.nll(found, labels), chapters), 4),
            "accuracy": round(voting.accuracy(found.argmax(-1), labels, chapters), 4),
        }

    log = train_seed(
        model.train(),
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{name}-{seed}",
        label=name,
        keep=lambda step: output,
        facts={
            "config": model.config.to_dict(),
            "tokenizer": fingerprint(tokenizer),
            **({} if start is None else {"start": _weights(start)}),
            **({} if sentences is None else {"sentences": text_of(sentences)}),
        },
        stop_at=stop_at,
    )
    return model.eval(), log


def findings(found: Mapping[str, Tensor], labels: Tensor, chapters: Tensor) -> dict[str, dict[str, float]]:
    """Accuracies of the classifiers and of both votes, and disagreement, from ``[N, C]`` each."""
    models = torch.stack(list(found.values()))  # [M, N, C]
    alone = {name: voting.accuracy(one.argmax(-1), labels, chapters) for name, one in found.items()}
    always = [
        voting.accuracy(torch.full_like(labels, label), labels, chapters) for label in LABELS["id2label"]
    ]
    return {
        "accuracy": {
            **alone,
            "soft voting": voting.accuracy(voting.soft_vote(models), labels, chapters),
            "majority voting": voting.accuracy(voting.majority_vote(models), labels, chapters),
            "always the commonest": max(always),
        },
        "disagreement": {"between two models": voting.disagreement(models)},
    }


def assemble(work: Path, target: Path) -> Entry:
    """Train every classifier with every seed, lay them out in sub-folders of ``target``, return the entry."""
    texts, labels, chapters = examples("test")
    tokenizers = {name: build_tokenizer(name) for name in VOCABULARIES}
    logs: dict[str, list[Log]] = {name: [] for name in VOCABULARIES}
    parts = {}
    whole: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        found = {}
        for name, tokenizer in tokenizers.items():
            model, log = run(name, seed, work / "weights" / name, work, SCHEDULE)
            logs[name].append(log)
            found[name] = probabilities(model, tokenizer, texts)
            parts[name] = described(model)
        for title, conditions in findings(found, labels, chapters).items():
            for condition, value in conditions.items():
                note(whole, title, condition, value)
    weights = {name: work / "weights" / name for name in tokenizers}
    lay_out(target, weights, {name: build_tokenizer(name) for name in tokenizers}, logs)
    return entry(
        build_model("bert"),
        text="sentences of the King James Bible, labelled by group of books (frontier_lab.texts.bible_books)",
        tokenizer=", ".join(f"{type(t).__name__} of {len(t)} tokens" for t in tokenizers.values()),
        schedule=SCHEDULE,
        val_loss={name: runs[0][-1]["val_loss"] for name, runs in logs.items()},
        findings=whole,
        can="tells more often than not which of six groups of books a sentence comes from",
        cannot="tell it for sentences of other texts, or be sure: many sentences could stand anywhere",
        tolerance=0.1,
        parts=parts,
    )


RECIPE = Recipe(NAME, assemble)
