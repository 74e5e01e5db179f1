"""The masked language model: better than frequencies in every seed, and the committed weights show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertForMaskedLM, BertTokenizer

from frontier_lab import zoo
from frontier_lab.storage.files import sha256
from frontier_lab.texts import corpus
from frontier_lab.zoo import bert
from frontier_lab.zoo.training import masked_text

FOLDER = zoo.CHECKPOINTS / bert.NAME
ENTRY = zoo.manifest()[bert.NAME]
FINDINGS: dict[str, dict[str, list[float]]] = ENTRY["findings"]


def test_the_entry_is_the_recipes() -> None:
    assert ENTRY["schedule"] == json.loads(json.dumps(vars(bert.SCHEDULE)))
    log = json.loads((FOLDER / "log.json").read_text("utf8"))
    assert [run[-1]["accuracy"] for run in log] == FINDINGS["accuracy on hidden tokens"]["model"]
    assert [run[-1]["val_loss"] for run in log] == FINDINGS["loss on hidden tokens"]["model"]


@pytest.mark.parametrize("seed", bert.SEEDS)
def test_the_model_guesses_better_than_frequencies_do(seed: int) -> None:
    accuracy, loss = FINDINGS["accuracy on hidden tokens"], FINDINGS["loss on hidden tokens"]
    assert accuracy["model"][seed] > 3 * accuracy["unigram"][seed]
    assert loss["model"][seed] < loss["unigram"][seed] - 0.4


def test_the_committed_weights_have_the_committed_numbers() -> None:
    model, report = BertForMaskedLM.from_pretrained(FOLDER, output_loading_info=True, dtype="float32")
    assert not any(report.values())
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    shown, wanted = bert.held_out(tokenizer)
    with torch.no_grad():
        found = masked_text.guess(model.eval()(shown).logits, wanted)
    assert found["accuracy"] == pytest.approx(FINDINGS["accuracy on hidden tokens"]["model"][0], abs=0.01)
    assert found["val_loss"] == pytest.approx(FINDINGS["loss on hidden tokens"]["model"][0], abs=0.02)
    data = masked_text.Sentences(tokenizer, "train", bert.MIXTURE)
    baseline = data.unigram(wanted, bert.VOCABULARY)
    assert baseline["accuracy"] == pytest.approx(
        FINDINGS["accuracy on hidden tokens"]["unigram"][0], abs=1e-3
    )


def test_the_tokenizer_is_berts_and_built_the_same_twice() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert isinstance(tokenizer, BertTokenizer)
    assert len(tokenizer) == bert.VOCABULARY
    built = bert.build_tokenizer().backend_tokenizer.to_str()
    assert tokenizer.backend_tokenizer.to_str() == built
    ids = tokenizer("And GOD said").input_ids
    assert tokenizer.decode(ids) == "[CLS] and god said [SEP]"
    text = " ".join(corpus.split("bible", "validation"))
    assert tokenizer.unk_token_id not in tokenizer(text, truncation=False).input_ids


def test_masking_hides_as_berts_training_does() -> None:
    ids = torch.randint(5, bert.VOCABULARY, (200, 64))
    ids[:, 0] = 2
    shown, labels = bert.hide(ids, (7,), 4)
    chosen = labels != masked_text.IGNORED
    assert not chosen[:, 0].any()
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(shown[~chosen], ids[~chosen])
    assert chosen.float().mean().item() == pytest.approx(bert.MASKED * 63 / 64, abs=0.01)
    assert (shown[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert (shown[chosen] == ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.03)


@pytest.mark.slow
def test_the_recipe_resumes_bit_for_bit(tmp_path: Path) -> None:
    short = replace(bert.SCHEDULE, steps=6, log_every=3)
    whole = bert.run(0, tmp_path / "whole", tmp_path / "a", short)
    bert.run(0, tmp_path / "parts", tmp_path / "b", short, stop_at=3)
    assert bert.run(0, tmp_path / "parts", tmp_path / "b", short) == whole
    assert sha256(tmp_path / "whole" / "model.safetensors") == sha256(
        tmp_path / "parts" / "model.safetensors"
    )
