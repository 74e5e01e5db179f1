"""Every hub id of the book leads to a model that loads whole, with its tokenizer, and quickly."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoTokenizer, RagTokenizer

from frontier_lab import hub, packaged_models, zoo

SECONDS = 2.0
ADAPTERS = [hub_id for hub_id, source in hub.OFFLINE.items() if source.folder.startswith("lora-")]
COMMITTED = sorted(set(hub.OFFLINE) - set(packaged_models.PACKAGES) - set(ADAPTERS))


def part(hub_id: str) -> dict[str, Any]:
    """What the manifest says of the checkpoint, or of the part of it, that an id leads to."""
    source = hub.OFFLINE[hub_id]
    entry = zoo.manifest()[source.recipe]
    found: dict[str, Any] = entry.get("parts", {}).get(source.folder, entry)
    return found


@pytest.mark.parametrize("hub_id", COMMITTED)
def test_the_model_loads_whole_within_two_seconds(hub_id: str) -> None:
    folder, wanted = hub.path(hub_id), part(hub_id)
    auto = getattr(transformers, wanted["class"])
    begin = time.process_time()
    model = hub.load(folder, auto)  # raises if the report has a missing or an unexpected key
    assert time.process_time() - begin <= SECONDS
    assert type(model) is auto
    assert sum(parameter.numel() for parameter in model.parameters()) == wanted["parameters"]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("hub_id", COMMITTED)
def test_the_tokenizer_loads_and_fits_the_model(hub_id: str) -> None:
    folder = hub.path(hub_id)
    config = json.loads((Path(folder) / "config.json").read_text("utf8"))
    if config["model_type"] == "rag":
        both = RagTokenizer.from_pretrained(folder)
        pairs = [(both.question_encoder, config["question_encoder"]), (both.generator, config["generator"])]
    else:
        pairs = [(AutoTokenizer.from_pretrained(folder), config)]
    for tokenizer, its in pairs:
        assert len(tokenizer) <= its["vocab_size"]
        ids = tokenizer("What is the capital of it?").input_ids
        assert ids
        assert max(ids) < its["vocab_size"]


@pytest.mark.parametrize("hub_id", COMMITTED)
def test_the_description_says_what_it_is(hub_id: str) -> None:
    described = hub.describe(hub_id)
    assert not described.real
    assert (described.model_class, described.parameters) == (
        part(hub_id)["class"],
        part(hub_id)["parameters"],
    )
    for fact in (described.text, described.training, described.source, described.licence):
        assert fact
        assert fact in repr(described)


@pytest.mark.parametrize("name", ["retnet", "s4d"])
def test_our_own_classes_load_in_a_fresh_process(name: str) -> None:
    # In this one another test may have imported them already.
    program = (
        f"from frontier_lab import hub, zoo\nprint(type(hub.load(str(zoo.CHECKPOINTS / {name!r}))).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == zoo.manifest()[name]["class"]


@pytest.mark.parametrize("hub_id", ADAPTERS)
def test_an_adapter_loads_onto_the_base_that_it_was_trained_on(hub_id: str) -> None:
    from peft import PeftModel

    base = hub.load(hub.path("tuned-llama-base"))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before = base(ids).logits
        adapted = PeftModel.from_pretrained(base, hub.path(hub_id)).eval()
        after = adapted(ids).logits
    added = sum(p.numel() for name, p in adapted.named_parameters() if "lora_" in name)
    assert added == part(hub_id)["parameters"]
    assert (after - before).abs().max() > 0.1


def test_every_id_leads_to_a_recipe_and_a_folder_that_there_is() -> None:
    for source in hub.OFFLINE.values():
        assert source.recipe in zoo.RECIPES
        folder = zoo.CHECKPOINTS / source.recipe / source.folder
        assert (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file()
