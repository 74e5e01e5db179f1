"""The committed checkpoints: what the manifest says, within the budgets, trained as the recipe says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from frontier_lab import hub, zoo
from frontier_lab.methods import routing
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import mixtral

FILE_LIMIT, TOTAL_LIMIT = 2 * 1024**2, 27 * 1024**2
PARAMETER_LIMIT = 1_000_000
MANIFEST = zoo.manifest()


def files(name: str) -> dict[str, Path]:
    """Every file of a checkpoint, by its path inside."""
    folder = zoo.CHECKPOINTS / name
    return {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}


def weights(name: str) -> list[Path]:
    """Every weight file of a checkpoint."""
    return [file for file in files(name).values() if file.suffix == ".safetensors"]


def test_every_recipe_has_an_entry_and_a_folder() -> None:
    assert set(MANIFEST) == set(zoo.RECIPES) == {folder.name for folder in zoo.CHECKPOINTS.iterdir()}
    assert {source.recipe for source in hub.OFFLINE.values()} <= set(MANIFEST)


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_the_files_are_those_of_the_manifest(name: str) -> None:
    assert {path: sha256(file) for path, file in files(name).items()} == MANIFEST[name]["files"]


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_there_is_nothing_to_execute(name: str) -> None:
    assert {file.suffix for file in files(name).values()} == {".safetensors", ".json"}
    for file in files(name).values():
        if file.name == "config.json":
            assert "auto_map" not in json.loads(file.read_text("utf8"))


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_the_weights_are_half_precision_and_small(name: str) -> None:
    entry = MANIFEST[name]
    for file in weights(name):
        assert file.stat().st_size <= FILE_LIMIT
        part = str(file.parent.relative_to(zoo.CHECKPOINTS / name))
        with safe_open(file, "pt") as tensors:
            count = 0
            for key in tensors.keys():  # noqa: SIM118  (safe_open has no iterator)
                tensor = tensors.get_tensor(key)
                assert tensor.dtype == torch.float16
                assert tensor.isfinite().all()
                if not key.endswith("final_logits_bias"):  # BART keeps it, as a buffer
                    count += tensor.numel()
        wanted = entry.get("parts", {}).get(part, entry)["parameters"]
        assert count == wanted <= PARAMETER_LIMIT, part


def test_all_checkpoints_stay_within_their_budget() -> None:
    assert sum(file.stat().st_size for name in zoo.RECIPES for file in files(name).values()) <= TOTAL_LIMIT


def test_the_entry_is_the_recipes() -> None:
    entry = MANIFEST["mixtral"]
    assert entry["seeds"] == list(mixtral.SEEDS)
    assert entry["balance_coefficient"] == mixtral.RUNS
    assert entry["mixture"] == mixtral.MIXTURE
    steps = json.loads(json.dumps(vars(mixtral.SCHEDULE)))
    assert entry["schedule"] == steps
    config = json.loads((zoo.CHECKPOINTS / "mixtral" / "config.json").read_text("utf8"))
    wanted = mixtral.config().to_dict()
    for key in ("hidden_size", "num_local_experts", "num_experts_per_tok", "num_hidden_layers", "vocab_size"):
        assert config[key] == wanted[key]


@pytest.fixture(scope="module")
def log() -> dict[str, list[list[dict[str, Any]]]]:
    """The committed training log."""
    return hub.training_log()


def test_the_log_has_every_run_seed_and_step(log: dict[str, list[list[dict[str, Any]]]]) -> None:
    schedule, config = mixtral.SCHEDULE, mixtral.config()
    assert set(log) == set(mixtral.RUNS)
    for seeds in log.values():
        assert len(seeds) == len(mixtral.SEEDS)
        for entries in seeds:
            assert [e["step"] for e in entries] == list(range(0, schedule.steps + 1, schedule.log_every))
            for entry in entries:
                for shares in (entry["load"], entry["probability"]):
                    assert torch.tensor(shares).shape == (config.num_hidden_layers, config.num_local_experts)
                    torch.testing.assert_close(torch.tensor(shares).sum(-1), torch.ones(4), atol=1e-3, rtol=0)


def test_the_log_ends_where_the_manifest_says(log: dict[str, list[list[dict[str, Any]]]]) -> None:
    assert {run: seeds[0][-1]["val_loss"] for run, seeds in log.items()} == MANIFEST["mixtral"]["val_loss"]


def test_runs_of_a_seed_start_from_the_same_weights(log: dict[str, list[list[dict[str, Any]]]]) -> None:
    for balanced, unbalanced in zip(log["balanced"], log["unbalanced"], strict=True):
        assert balanced[0] == unbalanced[0]
    starts = [entries[0]["val_loss"] for entries in log["balanced"]]
    assert len(set(starts)) == len(starts)
    # Nothing is known yet: the loss of a uniform guess.
    assert starts == pytest.approx([math.log(mixtral.VOCABULARY)] * len(starts), abs=0.1)


def test_training_taught_the_models_something(log: dict[str, list[list[dict[str, Any]]]]) -> None:
    for seeds in log.values():
        for entries in seeds:
            assert entries[-1]["val_loss"] < 4.0 < entries[0]["val_loss"]


def test_without_the_balance_loss_routing_collapses_and_with_it_it_recovers(
    log: dict[str, list[list[dict[str, Any]]]],
) -> None:
    def in_use(entry: dict[str, Any]) -> float:
        return float(routing.effective_experts(torch.tensor(entry["load"])).mean())

    for balanced, unbalanced in zip(log["balanced"], log["unbalanced"], strict=True):
        lowest = min(in_use(entry) for entry in unbalanced)
        assert lowest < 5
        assert in_use(balanced[-1]) > 7.7
        assert in_use(unbalanced[-1]) < in_use(balanced[-1]) - 0.5


@pytest.mark.parametrize("run", list(mixtral.RUNS))
def test_the_committed_weights_have_the_logged_loss_and_load(
    run: str, log: dict[str, list[list[dict[str, Any]]]]
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "mixtral")
    windows, _ = mixtral.Windows(tokenizer, "validation").fixed(
        mixtral.VALIDATION_WINDOWS, mixtral.SCHEDULE.context
    )
    entries = {entry["step"]: entry for entry in log[run][0]}
    for snapshot in hub.snapshots():
        if snapshot.run != run:
            continue
        model = hub.load(snapshot.path)
        with torch.no_grad():
            loss = routing.language_loss(model(windows).logits, windows).item()
        load = routing.load(routing.router_logits(model, windows), model.config.num_experts_per_tok)
        # Weights were rounded to half precision after they were measured.
        assert loss == pytest.approx(entries[snapshot.step]["val_loss"], abs=5e-3)
        torch.testing.assert_close(load, torch.tensor(entries[snapshot.step]["load"]), atol=5e-3, rtol=0)
