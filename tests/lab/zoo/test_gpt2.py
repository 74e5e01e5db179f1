"""The base and the larger model beside it: their scores, and that they cannot be merged."""

from __future__ import annotations

import json

import pytest
from transformers import AutoTokenizer, GPT2LMHeadModel, GPT2Tokenizer

from frontier_lab import hub, zoo
from frontier_lab.methods import merging
from frontier_lab.texts import prompt_tasks
from frontier_lab.zoo import gpt2
from frontier_lab.zoo import merging as recipe

FOLDER = zoo.CHECKPOINTS / gpt2.NAME
ENTRY = zoo.manifest()[gpt2.NAME]


def test_the_entry_is_the_recipes() -> None:
    logs = json.loads((FOLDER / "log.json").read_text("utf8"))
    assert {name: len(runs) for name, runs in logs.items()} == {"base": len(gpt2.SEEDS), "medium": 1}
    described = json.loads(json.dumps(gpt2.describe(logs)))
    assert {key: value for key, value in ENTRY.items() if key not in ("trained_with", "files")} == described


def test_the_committed_weights_have_the_committed_scores() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert isinstance(tokenizer, GPT2Tokenizer)
    assert len(tokenizer) == gpt2.VOCABULARY
    model = hub.load(str(FOLDER))
    assert isinstance(model, GPT2LMHeadModel)
    for task, (ids, labels) in gpt2.held_out(tokenizer, "validation").items():
        wanted = ENTRY["findings"][f"exact score on {task}"]["base"][0]
        assert prompt_tasks.exact(model, ids, labels) == pytest.approx(wanted, abs=0.03)


def test_the_larger_model_has_other_shapes() -> None:
    base, medium = hub.load(str(FOLDER)), hub.load(str(FOLDER / "medium"))
    assert medium.config.n_layer > base.config.n_layer
    assert medium.config.n_embd > base.config.n_embd
    with pytest.raises(ValueError, match="states: got"):
        merging.average([recipe.state(base), recipe.state(medium)])
    log = json.loads((FOLDER / "log.json").read_text("utf8"))["medium"][0]
    assert log[-1]["val_loss"] < log[0]["val_loss"] - 2
