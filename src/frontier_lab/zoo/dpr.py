"""A DPR-class dual encoder for the invented world of ``texts.facts``: questions find their passage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertTokenizer,
    DPRConfig,
    DPRContextEncoder,
    DPRContextEncoderTokenizer,
    DPRQuestionEncoder,
    DPRQuestionEncoderTokenizer,
    PreTrainedTokenizerBase,
)

from frontier_lab.methods import retrieval
from frontier_lab.texts import facts
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, described, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import fingerprint, word_piece

NAME = "dpr"
VOCABULARY = 700
SCHEDULE = Schedule(
    steps=1200, batch_size=64, context=80, learning_rate=2e-3, weight_decay=0.01, log_every=50
)
PASSAGES = 1000
"""How many passages a test question is looked for in; none of their names was trained on."""

TOKENIZER_TEXTS, VALIDATION = 3000, 256


def build_tokenizer(kind: type[PreTrainedTokenizerBase] = BertTokenizer) -> PreTrainedTokenizerBase:
    """Lower-cased WordPiece of passages and questions."""
    texts = [f"{c.passage} {c.question}" for c in facts.cases(TOKENIZER_TEXTS, "train", (0, 0, 0))]
    return word_piece(texts, VOCABULARY, longest=SCHEDULE.context, kind=kind)


def config() -> DPRConfig:
    """The architecture: transformers' DPR, small."""
    return DPRConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=SCHEDULE.context,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


class DualEncoder(nn.Module):
    """Both encoders, which are trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.question, self.ctx = DPRQuestionEncoder(config()), DPRContextEncoder(config())


def run(
    seed: int, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> tuple[DualEncoder, Log]:
    """Train both encoders with one seed; the encoders and the log."""
    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = DualEncoder()

    def vectors(model: Any, cases: list[facts.Case]) -> tuple[Tensor, Tensor]:
        asked = tokenizer([case.question for case in cases], padding=True, return_tensors="pt")
        texts = tokenizer([case.passage for case in cases], padding=True, return_tensors="pt")
        return model.question(**asked).pooler_output, model.ctx(**texts).pooler_output

    def loss(model: nn.Module, step: int) -> Tensor:
        cases = list(facts.cases(schedule.batch_size, "train", (1, seed, step)))
        return retrieval.contrastive_loss(*vectors(model, cases))

    def measure(model: nn.Module) -> dict[str, Any]:
        found = retrieval.contrastive_loss(*vectors(model, list(facts.cases(VALIDATION, "test", (2, 0, 0)))))
        return {"val_loss": round(found.item(), 5)}

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=NAME,
        facts={"config": config().to_dict(), "tokenizer": fingerprint(tokenizer)},
        stop_at=stop_at,
    )
    return model.eval(), log


def recall(model: DualEncoder, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """Recall of test questions among ``PASSAGES`` passages about places that were never trained on."""
    cases = list(facts.cases(PASSAGES, "test", (3, 0, 0)))
    questions = retrieval.embed(model.question, tokenizer, [case.question for case in cases])
    passages = retrieval.embed(model.ctx, tokenizer, [case.passage for case in cases])
    own = range(len(cases))
    return {f"recall@{k}": retrieval.recall_at(questions, passages, own, k) for k in (1, 5, 20)}


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed, lay out both encoders of seed 0, and return the manifest's entry."""
    models, logs = zip(*(run(seed, work) for seed in SEEDS), strict=True)
    tokenizer = build_tokenizer()
    found = [recall(model, tokenizer) for model in models]
    parts = {"question": models[0].question, "ctx": models[0].ctx}
    kinds = {"question": DPRQuestionEncoderTokenizer, "ctx": DPRContextEncoderTokenizer}
    lay_out(target, parts, {part: build_tokenizer(kind) for part, kind in kinds.items()}, {NAME: logs})
    return entry(
        parts["question"],
        text="passages about an invented world, made by rule (frontier_lab.texts.facts)",
        tokenizer=f"lower-cased WordPiece, {VOCABULARY} tokens, of the same text",
        schedule=SCHEDULE,
        val_loss={NAME: logs[0][-1]["val_loss"]},
        tolerance=0.15,
        findings={
            f"recall among {PASSAGES} unseen passages": {key: [f[key] for f in found] for key in found[0]},
            "chance": {f"recall@{k}": [k / PASSAGES] * len(SEEDS) for k in (1, 5, 20)},
        },
        can="finds the passage about a place whose name it has never seen, from a question about it",
        cannot="knows no other world: questions about real text are noise to it",
        parts={part: described(model) for part, model in parts.items()},
    )


RECIPE = Recipe(NAME, assemble)
