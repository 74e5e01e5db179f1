"""A BERT-class masked language model: lower-cased WordPiece, four layers of four heads."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerBase

from frontier_lab import corpus
from frontier_lab.zoo.harness import Schedule, train, write_json
from frontier_lab.zoo.recipe import SEEDS, entry, save_half
from frontier_lab.zoo.vocabulary import fingerprint, word_piece

NAME = "bert"
VOCABULARY = 1500
MIXTURE = {"bible": 0.5, "jargon": 0.5}
MASKED = 0.2
"""Share of the tokens to be guessed, a little above BERT's 15 % as training is short; of these 80 % show
``[MASK]``, 10 % another token, 10 % themselves."""

SCHEDULE = Schedule(steps=1500, batch_size=16, context=64, learning_rate=3e-3, warmup=100, log_every=50)
LONGEST = 128
VALIDATION_WINDOWS = 128
IGNORED = -100
"""Label of a position that is not to be guessed."""


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


class Sentences:
    """Windows of a part of the corpus as BERT sees them: ``[CLS]``, tokens, ``[SEP]``.

    Args:
        tokenizer: BERT's kind.
        part: what is trained on, or what is held out.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, part: Any) -> None:
        self.tokenizer = tokenizer
        encode = tokenizer.backend_tokenizer.encode
        self.streams = {
            domain: np.array(
                [
                    i
                    for text in corpus.split(domain, part)
                    for i in encode(text, add_special_tokens=False).ids
                ],
                dtype=np.int64,
            )
            for domain in MIXTURE
        }

    def _rows(self, places: list[tuple[str, int]], context: int) -> Tensor:
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        rows = [[start, *self.streams[d][at : at + context - 2], end] for d, at in places]
        return torch.tensor(np.array(rows))

    def batch(self, seed: int, step: int, size: int, context: int) -> Tensor:
        """Windows of step ``step``, ``[size, context]``, int64: a function of the seed and the step alone."""
        generator = np.random.default_rng((seed, step))
        domains = generator.choice(list(MIXTURE), size=size, p=list(MIXTURE.values()))
        places = [(str(d), int(generator.integers(0, len(self.streams[str(d)]) - context))) for d in domains]
        return self._rows(places, context)

    def fixed(self, count: int, context: int) -> Tensor:
        """Evenly spaced windows, the same number from each domain, ``[count, context]``."""
        each = count // len(MIXTURE)
        places = [
            (domain, int(at))
            for domain, stream in self.streams.items()
            for at in np.linspace(0, len(stream) - context, each)
        ]
        return self._rows(places, context)


def mask(ids: Tensor, seed: tuple[int, ...], mask_token: int, specials: int = 5) -> tuple[Tensor, Tensor]:
    """Hide tokens as BERT's training does.

    Args:
        ids: ``[B, T]``, int64.
        seed: of the generator.
        mask_token: what most hidden tokens are replaced by.
        specials: ids below this one are never hidden, nor put in a token's place.

    Returns:
        Input and labels, both ``[B, T]``; labels are ``IGNORED`` where nothing is to be guessed.

    Source: Devlin et al., "BERT" (2019), section 3.1.
    """
    generator = np.random.default_rng(seed)
    chosen = torch.from_numpy(generator.random(ids.shape) < MASKED) & (ids >= specials)
    kind = torch.from_numpy(generator.random(ids.shape))
    other = torch.from_numpy(generator.integers(specials, VOCABULARY, ids.shape))
    shown = ids.where(~(chosen & (kind < 0.8)), torch.tensor(mask_token))
    shown = shown.where(~(chosen & (kind >= 0.8) & (kind < 0.9)), other)
    return shown, ids.where(chosen, torch.tensor(IGNORED))


def guess(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Loss in nats and share of right guesses over the hidden tokens: logits ``[B, T, V]``."""
    hidden = labels != IGNORED
    return {
        "val_loss": F.cross_entropy(logits[hidden].float(), labels[hidden]).item(),
        "accuracy": (logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(),
    }


def unigram(tokenizer: PreTrainedTokenizerBase, labels: Tensor) -> dict[str, float]:
    """What the frequencies of the training text alone give on the same hidden tokens."""
    data = Sentences(tokenizer, "train")
    share = torch.zeros(VOCABULARY)
    for domain, weight in MIXTURE.items():
        counts = Counter(data.streams[domain].tolist())
        smooth = torch.tensor([counts[i] + 1.0 for i in range(VOCABULARY)])
        share += weight * smooth / smooth.sum()
    return guess(share.log().expand(*labels.shape, -1), labels)


def held_out(tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    """The held-out windows, hidden once and for all: input and labels."""
    ids = Sentences(tokenizer, "validation").fixed(VALIDATION_WINDOWS, SCHEDULE.context)
    return mask(ids, (1_000_003,), tokenizer.mask_token_id)


def run(
    seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> list[dict[str, Any]]:
    """Train with one seed and return the log; seed 0 leaves its weights in ``output``."""
    tokenizer = build_tokenizer()
    data = Sentences(tokenizer, "train")
    shown, wanted = held_out(tokenizer)
    torch.manual_seed(seed)
    model = BertForMaskedLM(config())

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = data.batch(seed, step, schedule.batch_size, schedule.context)
        inputs, labels = mask(ids, (seed, step, 1), tokenizer.mask_token_id)
        hidden = model.bert(input_ids=inputs).last_hidden_state  # type: ignore[operator, union-attr]
        place = labels != IGNORED
        # Only the hidden tokens go through the output layer, the dearest part of a model this small.
        return F.cross_entropy(model.cls(hidden[place]), labels[place])  # type: ignore[operator]

    def measure(model: nn.Module) -> dict[str, Any]:
        return {n: round(v, 4) for n, v in guess(model(input_ids=shown).logits, wanted).items()}

    def keep(model: nn.Module, step: int) -> None:
        if seed == 0:
            save_half(model, output)  # type: ignore[arg-type]

    return train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=keep,
        work=work / str(seed),
        label=f"{NAME}, seed {seed}",
        recipe={
            "seed": seed,
            "config": config().to_dict(),
            "mixture": MIXTURE,
            "masked": MASKED,
            "tokenizer": fingerprint(tokenizer),
        },
        stop_at=stop_at,
    )


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every seed, lay out the checkpoint at ``target``, and return the manifest's entry."""
    logs = [run(seed, work / "weights", work, SCHEDULE) for seed in SEEDS]
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(work / "weights", target)
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(target)
    write_json(target / "log.json", logs, indent=None)
    baseline = unigram(tokenizer, held_out(tokenizer)[1])
    ends = [log[-1] for log in logs]
    names = {"val_loss": "loss on hidden tokens", "accuracy": "accuracy on hidden tokens"}
    return entry(
        BertForMaskedLM(config()),
        text="King James Bible and Jargon File, lower-cased (frontier_lab.corpus)",
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
