"""The registry of recipes, and what all of them do with a seed, a folder and their findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from frontier_lab import zoo
from frontier_lab.zoo.families.peers import TASKS
from frontier_lab.zoo.recipes import RECIPES
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import lay_out, note, train_seed

PEERS = ("llama_peer", "mamba", "retnet", "rwkv", "s4d")
SCHEDULE = Schedule(steps=4, batch_size=2, warmup=1, log_every=2, snapshots=(2,))


def test_every_committed_checkpoint_has_its_recipe_and_only_peers_have_parts() -> None:
    assert set(RECIPES) == set(zoo.manifest())
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    parts = {name: tuple(recipe.parts) for name, recipe in RECIPES.items() if recipe.parts}
    assert parts == dict.fromkeys(PEERS, TASKS)


def tiny() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=4, n_embd=4, n_layer=1, n_head=1))


def trained(seed: int, work: Path, **more: Any) -> list[dict[str, Any]]:
    """A model trained for four steps; weights after two and four go to ``work / "kept"``."""

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = torch.randint(0, 8, (2, 4), generator=torch.Generator().manual_seed(step))
        value: Tensor = model(input_ids=ids, labels=ids).loss
        return value

    return train_seed(
        tiny(),
        SCHEDULE,
        seed,
        loss=loss,
        measure=lambda model: {"val_loss": 0.0},
        work=work / str(seed),
        label="tiny",
        facts={"config": "tiny"},
        **more,
    )


def test_only_the_first_seed_leaves_weights_and_only_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    trained(0, tmp_path / "a", keep=lambda step: kept / "first" if step == 4 else None)
    trained(1, tmp_path / "a", keep=lambda step: kept / "second")
    assert [folder.name for folder in kept.iterdir()] == ["first"]
    assert "tiny, seed 1: step 4/4" in capsys.readouterr().out
    asked: list[int] = []
    trained(0, tmp_path / "b", keep=lambda step: asked.append(step))  # type: ignore[func-returns-value]
    assert asked == [2, 4]


def test_a_state_of_another_seed_or_of_other_facts_is_not_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(0, tmp_path, stop_at=2)
    (tmp_path / "0").rename(tmp_path / "1")
    capsys.readouterr()
    trained(1, tmp_path)
    assert "left by another recipe" in capsys.readouterr().out


def test_a_checkpoint_is_laid_out_from_folders_and_models_and_nothing_old_stays(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "gpt2")
    run = tmp_path / "run"
    run.mkdir()
    (run / "weights").write_text("of the run")
    target = tmp_path / "checkpoint"
    (target / "stale").mkdir(parents=True)
    lay_out(target, {"part": run, "": tiny()}, {"": tokenizer, "part": tokenizer}, {"run": [[1]]})
    parts = {path.parent.relative_to(target).as_posix() for path in target.rglob("*.*")}
    assert parts == {".", "part"}
    assert (target / "model.safetensors").exists()
    assert (target / "part" / "tokenizer.json").exists()
    assert (target / "part" / "weights").read_text() == "of the run"
    assert json.loads((target / "log.json").read_text("utf8")) == {"run": [[1]]}
    (target / "stale").mkdir()
    lay_out(target, {"": run}, {}, [])
    assert {path.name for path in target.iterdir()} == {"weights", "log.json"}


def test_notes_are_kept_seed_by_seed() -> None:
    found: dict[str, dict[str, list[float]]] = {}
    for value in (1.0, 2.0):
        note(found, "loss", "model", value)
    assert found == {"loss": {"model": [1.0, 2.0]}}
