"""Retriever, reader and the two together: what the pages say of them, by every seed, and by the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BartForConditionalGeneration, DPRContextEncoder, DPRQuestionEncoder

from frontier_lab import hub, zoo
from frontier_lab.texts import facts
from frontier_lab.zoo import dpr, reader
from frontier_lab.zoo.training.loop import Schedule

QUESTION, CTX = (f"facebook/dpr-{part}_encoder-single-nq-base" for part in ("question", "ctx"))
SHORT = Schedule(steps=4, batch_size=4, context=80, warmup=2, log_every=2)


def findings(name: str) -> dict[str, list[float]]:
    """The first finding of a recipe: condition to one number for each seed."""
    found: dict[str, list[float]] = next(iter(zoo.manifest()[name]["findings"].values()))
    return found


def test_every_seed_finds_unseen_passages_far_more_often_than_chance() -> None:
    found = findings("dpr")
    assert min(found["recall@1"]) > 0.8
    assert min(found["recall@5"]) > 0.9
    for one, five, twenty in zip(*(found[f"recall@{k}"] for k in (1, 5, 20)), strict=True):
        assert one <= five <= twenty


def test_every_seed_answers_from_its_context_and_fails_without() -> None:
    found = findings("reader")
    assert min(found["right"]) > 0.6
    assert max(found["none"]) < 0.02
    assert max(found["wrong"]) < 0.02


def test_every_seed_believes_a_passage_that_contradicts_the_truth() -> None:
    assert min(findings("reader")["contradicting"]) > 0.6


def test_every_seed_answers_from_what_it_retrieved() -> None:
    for answered, read in zip(findings("rag")["retrieved"], findings("reader")["right"], strict=True):
        assert 0.4 < answered <= read + 0.1


def test_the_committed_encoders_give_the_committed_recall() -> None:
    encoders = dpr.DualEncoder()
    encoders.question = hub.load(hub.path(QUESTION), DPRQuestionEncoder)
    encoders.ctx = hub.load(hub.path(CTX), DPRContextEncoder)
    found = dpr.recall(encoders.eval(), AutoTokenizer.from_pretrained(hub.path(QUESTION)))
    for name, value in found.items():
        assert value == pytest.approx(findings("dpr")[name][0], abs=0.01)  # rounded to half precision since


def test_the_committed_reader_gives_the_committed_accuracy() -> None:
    model = hub.load(hub.path("facebook/bart-base"), BartForConditionalGeneration)
    tokenizer = AutoTokenizer.from_pretrained(hub.path("facebook/bart-base"))
    for kind, value in reader.accuracy(model, tokenizer).items():
        assert value == pytest.approx(findings("reader")[kind][0], abs=0.02)


def test_a_fact_that_changes_in_the_passage_changes_the_answer() -> None:
    model = hub.load(hub.path("facebook/bart-base"), BartForConditionalGeneration)
    tokenizer = AutoTokenizer.from_pretrained(hub.path("facebook/bart-base"))
    case = next(facts.cases(1, "test", 11))
    texts = [
        facts.with_context(case.question, case.passage.replace(case.answer, name), case.place)
        for name in (case.answer, "Nirvana")
    ]
    first, second = reader.answers(model, tokenizer, texts)
    assert first != second


def test_the_composed_model_holds_the_weights_of_the_two() -> None:
    both = load_file(zoo.CHECKPOINTS / "rag" / "model.safetensors")
    for prefix, folder in (("rag.question_encoder.", "dpr/question"), ("rag.generator.", "reader")):
        alone = load_file(zoo.CHECKPOINTS / folder / "model.safetensors")
        for key, tensor in alone.items():
            assert torch.equal(both[prefix + key], tensor), key


def test_tokenizers_are_the_same_in_every_process() -> None:
    program = (
        "from frontier_lab.zoo import dpr, reader\n"
        "for recipe in (dpr, reader): print(recipe.build_tokenizer().backend_tokenizer.to_str())"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [dpr, reader])
def test_a_run_goes_on_where_it_was_killed_bit_for_bit(recipe: object, tmp_path: Path) -> None:
    whole, log = recipe.run(0, tmp_path / "whole", SHORT)  # type: ignore[attr-defined]
    recipe.run(0, tmp_path / "parts", SHORT, stop_at=2)  # type: ignore[attr-defined]
    resumed, again = recipe.run(0, tmp_path / "parts", SHORT)  # type: ignore[attr-defined]
    assert again == log
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
