"""The committed base, fine-tunes, adapters and stranger: their scores, and that they merge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from frontier_lab import hub, zoo
from frontier_lab.methods import merging
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import IGNORED
from frontier_lab.texts.task_families import TASKS
from frontier_lab.zoo import merging as recipe
from frontier_lab.zoo.merging import KEPT

FOLDER = zoo.CHECKPOINTS / recipe.NAME
ENTRY = zoo.manifest()[recipe.NAME]
FINDINGS: dict[str, dict[str, list[float]]] = ENTRY["findings"]
JOINT = FINDINGS["joint score"]
WITHIN = 0.01
"""Shares of right answers may differ by one near tie or two between machines."""


def committed(folder: str = "") -> LlamaForCausalLM:
    model = hub.load(str(FOLDER / folder))
    assert isinstance(model, LlamaForCausalLM)
    return model


def found(condition: str, seed: int = 0) -> dict[str, float]:
    """What the manifest says of a condition, by the names of ``recipe.scores``."""
    names = {task: f"exact score on {task}" for task in TASKS} | {
        "joint": "joint score",
        "text": "loss on text",
    }
    return {name: FINDINGS[title][condition][seed] for name, title in names.items()}


def assert_scores(model: torch.nn.Module, condition: str) -> None:
    scores = recipe.scores(model)
    for name, value in found(condition).items():
        assert scores[name] == pytest.approx(value, abs=WITHIN), name


def test_the_entry_is_the_recipes() -> None:
    assert ENTRY["schedule"] == json.loads(json.dumps(vars(recipe.SCHEDULE)))
    runs = {"full": recipe.TUNING, "lora": recipe.ADAPTING}
    assert ENTRY["tuning"] == json.loads(json.dumps({name: vars(run) for name, run in runs.items()}))
    assert (ENTRY["lora"], ENTRY["weights"], tuple(ENTRY["kept"])) == (recipe.LORA, recipe.WEIGHTS, KEPT)
    assert set(recipe.WEIGHTS) == set(task_families.FAMILIES)
    experts = {recipe.expert_folder(task, step) for task in TASKS for step in KEPT}
    assert set(ENTRY["parts"]) == experts | {f"lora-{task}" for task in TASKS} | {"stranger"}
    for condition in JOINT:
        for seed in range(len(recipe.SEEDS)):
            scores = found(condition, seed)
            assert scores["joint"] == pytest.approx(sum(scores[task] for task in TASKS) / 3, abs=1e-3)


@pytest.mark.parametrize("seed", range(len(recipe.SEEDS)))
def test_the_base_knows_the_tasks_and_not_which_is_asked(seed: int) -> None:
    assert 0.05 <= JOINT["base"][seed] <= 0.25  # each prompt has three or four right answers, one is asked
    for task in TASKS:
        own = FINDINGS[f"exact score on {task}"]
        assert own[f"tuned on {task}, {KEPT[0]} steps"][seed] >= 0.75
        assert own[f"tuned on {task}, {KEPT[1]} steps"][seed] >= 0.85
        assert own[f"LoRA on {task}"][seed] >= 0.75


@pytest.mark.parametrize("seed", range(len(recipe.SEEDS)))
def test_task_arithmetic_is_far_above_every_expert(seed: int) -> None:
    best = max(JOINT[f"tuned on {task}, {KEPT[0]} steps"][seed] for task in TASKS)
    assert JOINT[f"task arithmetic, {KEPT[0]} steps"][seed] >= best + 0.25


def test_the_committed_models_have_the_committed_scores() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert len(tokenizer) == recipe.config().vocab_size
    assert_scores(committed(), "base")
    for task in TASKS:
        for step in KEPT:
            assert_scores(committed(recipe.expert_folder(task, step)), f"tuned on {task}, {step} steps")
    assert recipe.scores(committed("stranger"))["joint"] == pytest.approx(JOINT["base"][1], abs=WITHIN)


@pytest.mark.parametrize("step", KEPT)
def test_merging_the_committed_models_again_gives_the_committed_scores(step: int) -> None:
    base = committed()
    start = recipe.state(base)
    tuned = [recipe.state(committed(recipe.expert_folder(task, step))) for task in TASKS]
    vectors = [merging.task_vector(start, state) for state in tuned]
    best = FINDINGS["coefficient chosen on validation"][f"task arithmetic, {step} steps"][0]
    assert recipe.chosen_sum(base, start, vectors) == pytest.approx(best, abs=1e-3)
    assert_scores(recipe.load(base, merging.add(start, vectors, best)), f"task arithmetic, {step} steps")


@pytest.mark.parametrize("task", TASKS)
def test_an_adapter_added_to_the_base_by_hand_has_the_committed_scores(task: str) -> None:
    folder = FOLDER / f"lora-{task}"
    settings = json.loads((folder / "adapter_config.json").read_text("utf8"))
    assert (settings["r"], settings["lora_alpha"]) == (recipe.LORA["r"], recipe.LORA["lora_alpha"])
    model = committed()
    adapter = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, down in adapter.items():
            if name.endswith("lora_A.weight"):
                up = adapter[name.replace("lora_A", "lora_B")]
                module = model.get_submodule(
                    name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                )
                weight = module.weight
                assert isinstance(weight, Tensor)
                weight += up.float() @ down.float() * settings["lora_alpha"] / settings["r"]
    assert_scores(model, f"LoRA on {task}")


def test_no_two_adapters_began_alike() -> None:
    first = [load_file(FOLDER / f"lora-{task}" / "adapter_model.safetensors") for task in TASKS]
    name = next(name for name in first[0] if name.endswith("lora_A.weight"))
    rows = torch.stack([adapter[name].float().flatten() for adapter in first])
    assert (torch.corrcoef(rows) - torch.eye(len(TASKS))).abs().max() < 0.5


def test_batches_depend_on_seed_and_step_alone_and_hold_what_they_should() -> None:
    for make in (recipe.mixed_batch, lambda seed, step: recipe.tuning_batch(["style", "tag"], seed, step, 8)):
        ids, labels = make(0, 3)
        again = make(0, 3)
        assert torch.equal(ids, again[0])
        assert torch.equal(labels, again[1])
        assert not torch.equal(labels, make(0, 4)[1])
        assert (labels != IGNORED).any(1).all()
        assert (labels != IGNORED).any(0)[-1]
        assert ((labels == IGNORED) | (labels == ids)).all()
    assert len(recipe.mixed_batch(0, 0)[0]) == sum(recipe.WEIGHTS.values())
    assert len(recipe.tuning_batch(["style", "tag"], 0, 0, 8)[0]) == 16


def test_a_fine_tune_with_a_frozen_embedding_moves_all_else(tmp_path: Path) -> None:
    base = recipe.fresh("llama", 0)
    schedule = replace(recipe.TUNING, steps=2, log_every=1, snapshots=(1,), batch_size=4)
    kept, log = recipe.tune(base, ["style"], 0, tmp_path, schedule, run="trial", frozen="embed")
    assert list(kept) == [1, 2]
    assert [line["step"] for line in log] == [0, 1, 2]
    before = recipe.halved(recipe.state(base))
    # Two steps are too small for a gain near 1 to move in half precision; every matrix must.
    matrices = {name: tensor for name, tensor in kept[2].items() if tensor.dim() == 2}
    same = [name for name, tensor in matrices.items() if torch.equal(tensor, before[name])]
    assert same == ["model.embed_tokens.weight"]
    again, _ = recipe.tune(base, ["style"], 0, tmp_path, schedule, run="trial", frozen="embed")
    assert all(torch.equal(tensor, again[2][name]) for name, tensor in kept[2].items())


@pytest.mark.parametrize("architecture", ["llama", "untied", "gpt2"])
def test_architectures_are_tied_or_not_and_of_one_size(architecture: str) -> None:
    model = recipe.fresh(architecture, 0)
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied == (architecture != "untied")
    size = sum(parameter.numel() for parameter in model.parameters())
    assert size - (0 if tied else 512 * 64) == pytest.approx(230_976, rel=0.05)


def test_an_architecture_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="architecture: got 'bert', wanted 'llama', 'untied' or 'gpt2'"):
        recipe.config("bert")
