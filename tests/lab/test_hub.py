"""hub: what a hub id resolves to, and that a damaged file is never loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, MixtralForCausalLM

from frontier_lab import hub, zoo
from frontier_lab.zoo import mixtral

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
    assert not description.offline
    assert "parameters" not in repr(description)
    assert MIXTRAL in repr(description)


def test_a_folder_of_the_readers_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_MODELS_DIR", str(tmp_path))
    assert hub.path(MIXTRAL) == str(zoo.CHECKPOINTS / "mixtral")
    (tmp_path / MIXTRAL).mkdir(parents=True)
    assert hub.path(MIXTRAL) == str(tmp_path / MIXTRAL)
    assert not hub.describe(MIXTRAL).offline


def test_an_unknown_id_is_named_with_the_known_ones() -> None:
    for ask in (hub.path, hub.describe):
        with pytest.raises(
            ValueError, match=f"hub_id: got 'gpt2', wanted one of: .*{MIXTRAL}.*FRONTIER_MODELS=hub"
        ):
            ask("gpt2")


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
    assert description.steps == mixtral.SCHEDULE.steps
    for fact in (
        MIXTRAL,
        f"{description.parameters / 1e6:.2f} M",
        f"{description.steps} steps",
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


def test_every_snapshot_loads() -> None:
    for folder in {s.path for s in hub.snapshots()}:
        assert isinstance(hub.load(folder), MixtralForCausalLM)


@pytest.mark.parametrize(
    "file", ["model.safetensors", "snapshots/unbalanced-40/model.safetensors", "tokenizer.json"]
)
def test_a_damaged_file_is_refused_with_both_hashes(file: str, own_checkpoints: Path) -> None:
    target = own_checkpoints / "mixtral" / file
    wanted = zoo.sha256(target)
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    for ask in (lambda: hub.path(MIXTRAL), lambda: hub.describe(MIXTRAL), hub.snapshots, hub.training_log):
        with pytest.raises(
            ValueError, match=f"{file}: sha256 is {zoo.sha256(target)}, wanted {wanted}; restore"
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
