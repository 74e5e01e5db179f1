"""The base, its fine-tunes and adapters, and their merges: what the pages of 28.3 claim."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GPT2LMHeadModel, GPT2Tokenizer

from frontier_lab import hub, zoo
from frontier_lab.methods import merging
from frontier_lab.storage.files import sha256
from frontier_lab.texts import prompt_tasks
from frontier_lab.zoo import gpt2

FOLDER = zoo.CHECKPOINTS / gpt2.NAME
ENTRY = zoo.manifest()[gpt2.NAME]
FINDINGS: dict[str, dict[str, list[float]]] = ENTRY["findings"]
FULL = ["", *prompt_tasks.TASKS]


def found(task: str, condition: str, seed: int) -> float:
    """A committed exact score."""
    return FINDINGS[f"exact score on {task}"][condition][seed]


def test_the_entry_is_the_recipes() -> None:
    assert ENTRY["schedule"] == json.loads(json.dumps(vars(gpt2.SCHEDULE)))
    runs = {"full": gpt2.TUNING, "lora": gpt2.ADAPTING, "medium": gpt2.MEDIUM}
    assert ENTRY["tuning"] == json.loads(json.dumps({name: vars(run) for name, run in runs.items()}))
    assert ENTRY["lora"] == gpt2.LORA
    assert ENTRY["steps"] == gpt2.STEPS
    assert set(ENTRY["parts"]) == {
        *prompt_tasks.TASKS,
        *(f"lora-{task}" for task in prompt_tasks.TASKS),
        "medium",
    }
    joint = FINDINGS["joint score"]
    for condition, values in joint.items():
        for seed, value in enumerate(values):
            mean = sum(found(task, condition, seed) for task in prompt_tasks.TASKS) / len(prompt_tasks.TASKS)
            assert value == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize("seed", gpt2.SEEDS)
@pytest.mark.parametrize("task", list(prompt_tasks.TASKS))
@pytest.mark.parametrize("kind", ["tuned", "LoRA"])
def test_tuning_teaches_its_task(kind: str, task: str, seed: int) -> None:
    tuned, base = found(task, f"{kind} on {task}", seed), found(task, "base", seed)
    assert tuned > base + 0.5 * (1 - base) - 0.15


@pytest.mark.parametrize("seed", gpt2.SEEDS)
def test_each_fine_tune_forgets_the_other_tasks_and_no_merge_brings_them_together(seed: int) -> None:
    joint = FINDINGS["joint score"]
    best = max(joint[f"tuned on {task}"][seed] for task in prompt_tasks.TASKS)
    assert 0.3 < best < 0.5
    for rule in ("average", "task arithmetic", "TIES"):
        assert joint[rule][seed] < best - 0.1
    for rule in ("task arithmetic", "TIES"):
        assert FINDINGS["coefficient chosen on validation"][rule][seed] in gpt2.COEFFICIENTS


@pytest.mark.parametrize("part", FULL)
def test_the_committed_weights_have_the_committed_scores(part: str) -> None:
    folder = FOLDER / part
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, GPT2Tokenizer)
    assert len(tokenizer) == gpt2.VOCABULARY
    model = hub.load(str(folder))
    assert isinstance(model, GPT2LMHeadModel)
    for task, (ids, labels) in gpt2.held_out(tokenizer, "test").items():
        condition = f"tuned on {part}" if part else "base"
        assert prompt_tasks.exact(model, ids, labels) == pytest.approx(found(task, condition, 0), abs=0.03)


@pytest.mark.parametrize("task", list(prompt_tasks.TASKS))
def test_the_adapter_on_the_base_has_the_committed_score(task: str) -> None:
    folder = FOLDER / f"lora-{task}"
    settings = json.loads((folder / "adapter_config.json").read_text("utf8"))
    assert settings["r"] == gpt2.LORA["r"]
    assert settings["lora_alpha"] == gpt2.LORA["lora_alpha"]
    model = hub.load(str(FOLDER))
    adapter = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, down in adapter.items():
            if not name.endswith("lora_A.weight"):
                continue
            up = adapter[name.replace("lora_A", "lora_B")]
            module = model.get_submodule(
                name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            )
            # GPT-2 keeps its matrices transposed.
            module.weight += (up.float() @ down.float()).T * settings["lora_alpha"] / settings["r"]
    ids, labels = gpt2.held_out(AutoTokenizer.from_pretrained(folder), "test")[task]
    assert prompt_tasks.exact(model, ids, labels) == pytest.approx(
        found(task, f"LoRA on {task}", 0), abs=0.03
    )


def test_merging_again_gives_the_committed_scores() -> None:
    base = hub.load(str(FOLDER))
    tuned = {task: hub.load(str(FOLDER / task)) for task in prompt_tasks.TASKS}
    test = gpt2.held_out(AutoTokenizer.from_pretrained(FOLDER), "test")
    vectors = [merging.task_vector(gpt2.state(base), gpt2.state(model)) for model in tuned.values()]
    coefficient = FINDINGS["coefficient chosen on validation"]["task arithmetic"][0]
    merged = merging.add(gpt2.state(base), vectors, coefficient)
    base.load_state_dict(merged, strict=False)
    assert gpt2.scores(base, test)["joint"] == pytest.approx(
        FINDINGS["joint score"]["task arithmetic"][0], abs=0.03
    )


def test_the_larger_model_has_other_shapes() -> None:
    base, medium = hub.load(str(FOLDER)), hub.load(str(FOLDER / "medium"))
    assert medium.config.n_layer > base.config.n_layer
    assert medium.config.n_embd > base.config.n_embd
    with pytest.raises(ValueError, match="states: got"):
        merging.average([gpt2.state(base), gpt2.state(medium)])
    log = json.loads((FOLDER / "log.json").read_text("utf8"))["medium"][0]
    assert log[-1]["val_loss"] < log[0]["val_loss"] - 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["base", "full", "lora"])
def test_the_recipe_resumes_bit_for_bit(kind: str, tmp_path: Path) -> None:
    short = replace(gpt2.TUNING, steps=4, batch_size=2, log_every=2)
    base = hub.load(str(FOLDER))

    def go(name: str, stop_at: int | None = None) -> list[dict[str, float]]:
        if kind == "base":
            return gpt2.pretrain(0, tmp_path / "out" / name, tmp_path / name, short, stop_at)[1]
        return gpt2.tune(
            base, "style", 0, tmp_path / "out" / name, tmp_path / name, short, stop_at, lora=kind == "lora"
        )[1]

    whole = go("whole")
    go("parts", stop_at=2)
    assert go("parts") == whole
    hashes = [
        [sha256(file) for file in sorted((tmp_path / "out" / name).glob("*.safetensors"))]
        for name in ("whole", "parts")
    ]
    assert hashes[0] == hashes[1] != []
