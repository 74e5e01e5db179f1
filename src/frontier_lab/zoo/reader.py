"""A BART-class reader: it answers from the passage that it is given, about places it has never heard of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BatchEncoding,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
)

from frontier_lab.texts import facts
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import byte_level_bpe

NAME = "reader"
VOCABULARY = 600
SCHEDULE = Schedule(
    steps=2200, batch_size=32, context=128, learning_rate=3e-3, weight_decay=0.01, log_every=100
)
TOKENIZER_TEXTS, VALIDATION, TEST = 3000, 128, 300
MASKED = 0.15
"""Share of a passage's tokens that are hidden where the reader has to write the passage out again."""


def build_tokenizer() -> PreTrainedTokenizerBase:
    """Byte-level BPE, as BART's, of passages and questions."""
    cases = facts.cases(TOKENIZER_TEXTS, "train", (0, 0, 0))
    texts = [facts.with_context(case.question, case.passage, case.place) for case in cases]
    return byte_level_bpe(texts, VOCABULARY, longest=SCHEDULE.context, kind=RobertaTokenizer)


def config(tokenizer: PreTrainedTokenizerBase) -> BartConfig:
    """The architecture: transformers' BART, small."""
    return BartConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_position_embeddings=SCHEDULE.context,
        dropout=0.0,
        attention_dropout=0.0,
        init_std=0.06,  # with BART's 0.02 positions start all alike, and copying comes much later
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=None,
    )


def inputs(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> BatchEncoding:
    """Token ids and mask ``[N, T]`` of questions with their context."""
    return tokenizer(list(texts), padding=True, return_tensors="pt")


def labels(tokenizer: PreTrainedTokenizerBase, answers: Sequence[str]) -> Tensor:
    """What the decoder has to say, ``[N, T]``: an answer and the end of text; -100 where nothing is asked."""
    ids = tokenizer([f" {answer}" for answer in answers], padding=True, return_tensors="pt").input_ids[:, 1:]
    return ids.masked_fill(ids == tokenizer.pad_token_id, -100)  # type: ignore[no-any-return]


@torch.no_grad()
def answers(
    model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> list[str]:
    """The reader's greedy answers to questions with their context."""
    ids = model.generate(**inputs(tokenizer, texts), max_new_tokens=12, num_beams=1, do_sample=False)
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def run(
    seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[BartForConditionalGeneration, Log]:
    """Train the reader with one seed; the model and the log."""
    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = BartForConditionalGeneration(config(tokenizer))

    def cross_entropy(model: nn.Module, cases: list[facts.Case]) -> Tensor:
        texts = [facts.with_context(case.question, case.passage, case.place) for case in cases]
        asked = labels(tokenizer, [case.answer for case in cases])
        found: Tensor = model(**inputs(tokenizer, texts), labels=asked).loss
        return found

    def denoising(model: nn.Module, cases: list[facts.Case], step: int) -> Tensor:
        """BART's own pre-training: write out a passage of which some tokens are hidden."""
        texts = inputs(tokenizer, [f" {case.passage}" for case in cases])
        generator = torch.Generator().manual_seed(100_003 * seed + step)
        hidden = torch.rand(texts.input_ids.shape, generator=generator) < MASKED
        hidden &= texts.input_ids > max(tokenizer.all_special_ids)
        given = texts.input_ids.masked_fill(hidden, tokenizer.mask_token_id)
        asked = labels(tokenizer, [case.passage for case in cases])
        found: Tensor = model(input_ids=given, attention_mask=texts.attention_mask, labels=asked).loss
        return found

    def loss(model: nn.Module, step: int) -> Tensor:
        cases = list(facts.cases(schedule.batch_size, "train", (1, seed, step)))
        # Answers alone are a few names a step: copying is learnt from whole passages, and then used.
        return cross_entropy(model, cases) + denoising(model, cases[: len(cases) // 2], step)

    def measure(model: nn.Module) -> dict[str, Any]:
        found = cross_entropy(model, list(facts.cases(VALIDATION, "test", (2, 0, 0))))
        return {"val_loss": round(found.item(), 5)}

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=NAME,
        facts={"config": config(tokenizer).to_dict()},
        stop_at=stop_at,
    )
    return model.eval(), log


def contexts(cases: Sequence[facts.Case]) -> dict[str, list[tuple[str, str]]]:
    """Every case with each kind of context, and the answer that this context supports.

    ``right`` is the passage that answers; ``none`` is no passage at all; ``wrong`` is that of the next place;
    ``contradicting`` is the right one with the answer replaced by another name, which then counts as right.
    """
    others = [*cases[1:], cases[0]]

    def asked(case: facts.Case, passage: str) -> str:
        return facts.with_context(case.question, passage, case.place if passage else "")

    return {
        "right": [(asked(case, case.passage), case.answer) for case in cases],
        "none": [(asked(case, ""), case.answer) for case in cases],
        "wrong": [
            (asked(case, other.passage), case.answer) for case, other in zip(cases, others, strict=True)
        ],
        "contradicting": [
            (asked(case, case.passage.replace(case.answer, other.answer)), other.answer)
            for case, other in zip(cases, others, strict=True)
        ],
    }


def accuracy(model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """Exact answers about unseen places, by kind of context."""
    cases = list(facts.cases(TEST, "test", (3, 0, 0)))
    found = {}
    for kind, pairs in contexts(cases).items():
        given = answers(model, tokenizer, [text for text, _ in pairs])
        found[kind] = sum(a == wanted for a, (_, wanted) in zip(given, pairs, strict=True)) / len(pairs)
    return found


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed, lay out seed 0, and return the manifest's entry."""
    models, logs = zip(*(run(seed, work) for seed in SEEDS), strict=True)
    tokenizer = build_tokenizer()
    found = [accuracy(model, tokenizer) for model in models]
    lay_out(target, {"": models[0]}, {"": build_tokenizer()}, {NAME: logs})
    return entry(
        models[0],
        text="passages about an invented world, made by rule (frontier_lab.texts.facts)",
        tokenizer=f"byte-level BPE, {VOCABULARY} tokens, of the same text",
        schedule=SCHEDULE,
        val_loss={NAME: logs[0][-1]["val_loss"]},
        tolerance=0.15,
        findings={
            f"exact answers to {TEST} questions about unseen places, by context": {
                kind: [f[kind] for f in found] for kind in found[0]
            }
        },
        can="answers a question about a place it has never heard of by copying a name from the passage",
        cannot="knows nothing by itself, and believes a passage that says something wrong",
    )


RECIPE = Recipe(NAME, assemble)
