"""hub: what a hub id resolves to, and that a damaged file is never loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, MixtralForCausalLM

from frontier_lab import hub, zoo
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import induction, mixtral

MIXTRAL = "mistralai/Mixtral-8x7B-v0.1"


def test_offline_is_the_default_and_gives_a_folder_that_from_pretrained_takes() -> None:
    folder = hub.path(MIXTRAL)
    model = hub.load(folder)
    assert isinstance(model, MixtralForCausalLM)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("In the beginning", return_tensors="pt").input_ids
    with torch.no_grad():
        assert model(ids).logits.isfinite().all()


@pytest.mark.parametrize("setting", ["", "offline"])
def test_offline_can_be_asked_for(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS", setting)
    assert hub.path(MIXTRAL) == str(zoo.CHECKPOINTS / "mixtral")


@pytest.mark.parametrize("hub_id", [MIXTRAL, "someone/another-model"])
def test_hub_mode_returns_the_real_id(hub_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS", "hub")
    assert hub.path(hub_id) == hub_id


def test_hub_mode_is_described_without_the_small_models_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS", "hub")
    description = hub.describe(MIXTRAL)
    assert description.real
    assert not description.offline
    assert "parameters" not in repr(description)
    assert MIXTRAL in repr(description)


def test_a_folder_of_the_readers_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS_DIR", str(tmp_path))
    assert hub.path(MIXTRAL) == str(zoo.CHECKPOINTS / "mixtral")
    (tmp_path / MIXTRAL).mkdir(parents=True)
    assert hub.path(MIXTRAL) == str(tmp_path / MIXTRAL)
    assert hub.describe(MIXTRAL).real


def test_an_unknown_id_is_named_with_the_known_ones() -> None:
    for ask in (hub.path, hub.describe):
        with pytest.raises(
            ValueError, match=f"hub_id: got 'gpt5', wanted one of: .*{MIXTRAL}.*FRONTIER_MODELS=hub"
        ):
            ask("gpt5")


def test_an_unknown_mode_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS", "online")
    with pytest.raises(ValueError, match="FRONTIER_MODELS: got 'online', wanted 'offline' or 'hub'"):
        hub.path(MIXTRAL)


def test_description_says_what_the_checkpoint_is() -> None:
    description = hub.describe(MIXTRAL)
    assert description.offline
    model = hub.load(hub.path(MIXTRAL))
    assert description.model_class == type(model).__name__
    assert description.parameters == sum(p.numel() for p in model.parameters())
    assert not description.real
    for fact in (
        MIXTRAL,
        f"{description.parameters / 1e6:.2f} M",
        f"{mixtral.SCHEDULE.steps} steps",
        "frontier_lab.zoo.mixtral",
        "Apache-2.0",
    ):
        assert fact in repr(description)


def test_snapshots_are_the_runs_from_one_start_to_their_ends() -> None:
    snapshots = hub.snapshots()
    steps = [*mixtral.SCHEDULE.snapshots, mixtral.SCHEDULE.steps]
    assert [(s.run, s.step) for s in snapshots] == [(run, step) for run in mixtral.RUNS for step in steps]
    paths = {(s.run, s.step): s.path for s in snapshots}
    assert paths["balanced", 0] == paths["unbalanced", 0]
    assert paths["balanced", mixtral.SCHEDULE.steps] == hub.path(MIXTRAL)
    assert len(set(paths.values())) == len(paths) - 1
    weights = [
        load_file(Path(p) / "model.safetensors")["model.embed_tokens.weight"] for p in set(paths.values())
    ]
    assert all(not torch.equal(a, b) for i, a in enumerate(weights) for b in weights[:i])


def test_a_recipe_of_one_run_has_its_snapshots_in_the_order_of_their_steps() -> None:
    found = hub.snapshots("induction")
    steps = [*induction.SCHEDULE.snapshots, induction.SCHEDULE.steps]
    root = zoo.CHECKPOINTS / "induction"
    folders = [*(root / "snapshots" / str(step) for step in induction.SCHEDULE.snapshots), root]
    assert [(s.run, s.step, s.path) for s in found] == [
        ("", step, str(folder)) for step, folder in zip(steps, folders, strict=True)
    ]


@pytest.mark.parametrize("name", ["bert", "no-such-recipe"])
def test_a_recipe_without_snapshots_is_refused_by_name(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"name: got {name!r}, wanted a recipe with snapshots: induction, mixtral"
    ):
        hub.snapshots(name)


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_every_training_log_is_by_run_and_seed(name: str) -> None:
    entry = zoo.manifest()[name]
    for run, seeds in hub.training_log(name).items():
        trained = entry.get("seeds_of", {}).get(f"{run} accuracy", entry["seeds"])
        assert len(seeds) == (1 if run == "medium" else len(trained))
        assert all({"step", "train_loss", "val_loss"} <= set(row) for log in seeds for row in log)


def test_every_snapshot_loads() -> None:
    for folder in {s.path for s in hub.snapshots()}:
        assert isinstance(hub.load(folder), MixtralForCausalLM)


@pytest.mark.parametrize(
    "file", ["model.safetensors", "snapshots/unbalanced-40/model.safetensors", "tokenizer.json"]
)
def test_a_damaged_file_is_refused_with_both_hashes(file: str, own_checkpoints: Path) -> None:
    target = own_checkpoints / "mixtral" / file
    wanted = sha256(target)
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    for ask in (lambda: hub.path(MIXTRAL), lambda: hub.describe(MIXTRAL), hub.snapshots, hub.training_log):
        with pytest.raises(
            ValueError, match=f"{file}: got sha256 {sha256(target)}, wanted {wanted}; restore"
        ):
            ask()


def test_a_missing_file_is_named(own_checkpoints: Path) -> None:
    (own_checkpoints / "mixtral" / "config.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"config\.json: missing; restore it from git or run `make zoo"
    ):
        hub.path(MIXTRAL)


@pytest.mark.parametrize("change", ["lacks", "has more"])
def test_weights_that_do_not_fit_the_class_are_refused(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(hub.path(MIXTRAL), folder, ignore=shutil.ignore_patterns("snapshots"))
    tensors = load_file(folder / "model.safetensors")
    if change == "lacks":
        del tensors["model.norm.weight"]
    else:
        tensors["model.extra.weight"] = torch.zeros(2)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"the weights do not fit the class: .*model\.(norm|extra)\.weight"):
        hub.load(str(folder))


def test_a_name_that_the_chapter_made_up_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("offline", "hub"):
        monkeypatch.setenv("FRONTIER_MODELS", mode)
        for hub_id in hub.INVENTED:
            with pytest.raises(ValueError, match=f"hub_id: got '{hub_id}', a name that the chapter made up"):
                hub.path(hub_id)


def test_hub_mode_loads_from_a_hub_cache_laid_out_as_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own: the hub's client reads where its cache is when it is imported."""
    revision = "0" * 40
    for hub_id, source in hub.OFFLINE.items():
        real = source.hub or hub_id
        if source.hub is None or zoo.manifest()[source.recipe]["class"] != "MixtralForCausalLM":
            continue
        root = tmp_path / "hub" / f"models--{real.replace('/', '--')}"
        (root / "refs").mkdir(parents=True)
        (root / "refs" / "main").write_text(revision)
        shutil.copytree(
            hub.path(hub_id), root / "snapshots" / revision, ignore=shutil.ignore_patterns("snapshots")
        )
    program = (
        "from transformers import AutoTokenizer\n"
        "from frontier_lab import hub\n"
        f"path = hub.path({MIXTRAL!r})\n"
        "model, tokenizer = hub.load(path), AutoTokenizer.from_pretrained(path)\n"
        "print(path, type(model).__name__, len(tokenizer), hub.is_real(path))\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "FRONTIER_MODELS": "hub", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [MIXTRAL, "MixtralForCausalLM", str(mixtral.VOCABULARY), "True"]
