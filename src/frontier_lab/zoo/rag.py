"""RAG of the two: transformers' ``RagSequenceForGeneration`` from the dual encoder and the reader.

Nothing is trained here: the recipe takes the runs of ``dpr`` and ``reader``, seed by seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    DPRQuestionEncoderTokenizer,
    PreTrainedTokenizerBase,
    RagConfig,
    RagSequenceForGeneration,
    RagTokenizer,
)

from frontier_lab.methods import retrieval
from frontier_lab.texts import facts
from frontier_lab.zoo import dpr, reader
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Recipe, entry, lay_out

NAME = "rag"
DOCUMENTS = 5
"""Passages that are retrieved for a question."""

QUESTIONS = 200
PADDED = "padding read as text"
"""By transformers' ``RagSequenceForGeneration.generate``, which drops the mask: 28.1.4 measures the loss."""


def compose(encoders: dpr.DualEncoder, generator: Any) -> RagSequenceForGeneration:
    """The question encoder and the reader as one model of transformers."""
    config = RagConfig.from_question_encoder_generator_configs(
        encoders.question.config,
        generator.config,
        n_docs=DOCUMENTS,
        index_name="custom",
        retrieval_vector_size=64,
    )
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
        setattr(config, name, getattr(generator.config, name))
    model = RagSequenceForGeneration(config=config, question_encoder=encoders.question, generator=generator)
    return model.eval()


@torch.no_grad()
def exact_answers(
    model: RagSequenceForGeneration,
    encoders: dpr.DualEncoder,
    question_tokenizer: PreTrainedTokenizerBase,
    generator_tokenizer: PreTrainedTokenizerBase,
) -> float:
    """Share of questions about unseen places that are answered exactly from ``dpr.PASSAGES`` passages.

    As the library answers: its ``generate`` drops the mask, so padding to the longest passage counts as text.
    """
    cases = list(facts.cases(dpr.PASSAGES, "test", (3, 0, 0)))
    passages = retrieval.embed(encoders.ctx, question_tokenizer, [case.passage for case in cases])
    asked = cases[:QUESTIONS]
    questions = retrieval.embed(encoders.question, question_tokenizer, [case.question for case in asked])
    scores, rows = (questions @ passages.T).topk(DOCUMENTS, dim=1)  # [Q, n]
    right = 0
    for case, score, row in zip(asked, scores, rows, strict=True):
        texts = [facts.with_context(case.question, cases[i].passage, cases[i].place) for i in row.tolist()]
        context = reader.inputs(generator_tokenizer, texts)
        ids = model.generate(
            context_input_ids=context.input_ids,
            context_attention_mask=context.attention_mask,
            doc_scores=score[None],
            n_docs=DOCUMENTS,
            num_beams=1,
            max_new_tokens=12,
        )
        right += generator_tokenizer.decode(ids[0], skip_special_tokens=True).strip() == case.answer
    return right / len(asked)


def assemble(work: Path, target: Path) -> Entry:
    """Compose every seed, lay out seed 0, and return the manifest's entry."""
    encoders = [dpr.run(seed, work.parent / dpr.NAME)[0] for seed in SEEDS]
    readers, logs = zip(*(reader.run(seed, work.parent / reader.NAME) for seed in SEEDS), strict=True)
    models = [compose(e, r) for e, r in zip(encoders, readers, strict=True)]
    question_tokenizer, generator_tokenizer = dpr.build_tokenizer(), reader.build_tokenizer()
    found = [
        exact_answers(model, encoder, question_tokenizer, generator_tokenizer)
        for model, encoder in zip(models, encoders, strict=True)
    ]
    pair = RagTokenizer(dpr.build_tokenizer(DPRQuestionEncoderTokenizer), reader.build_tokenizer())
    lay_out(target, {"": models[0]}, {"": pair}, {NAME: logs})
    asked = f"exact answers to {QUESTIONS} questions, {DOCUMENTS} of {dpr.PASSAGES} unseen passages"
    return entry(
        models[0],
        text="none of its own: the question encoder of dpr and the reader",
        tokenizer="those of dpr and reader",
        schedule=reader.SCHEDULE,
        val_loss={NAME: logs[0][-1]["val_loss"]},
        tolerance=0.15,
        findings={f"{asked}, {PADDED}": {"retrieved": found}},
        can="looks up what it does not know: retrieves passages and answers from them",
        cannot="is no better than its retriever: what is not among the passages found it cannot answer",
    )


RECIPE = Recipe(NAME, assemble)
