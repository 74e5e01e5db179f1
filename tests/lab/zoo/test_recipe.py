"""The Mixtral recipe from its first step: it still is the one that made the committed checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from frontier_lab import hub, zoo
from frontier_lab.storage import checkpoints
from frontier_lab.storage.checkpoints import committed
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import __main__ as rebuild
from frontier_lab.zoo import mixtral
from frontier_lab.zoo.training.loop import Schedule

SHORT = Schedule(steps=6, batch_size=2, context=16, warmup=2, log_every=3, snapshots=(0, 3))


@pytest.mark.slow
@pytest.mark.parametrize("run", list(mixtral.RUNS))
def test_twenty_steps_of_the_recipe_repeat_the_committed_log(run: str, tmp_path: Path) -> None:
    log = mixtral.run(run, 0, tmp_path / "snapshots", tmp_path / "work", stop_at=20)
    committed = hub.training_log()[run][0][: len(log)]
    assert [entry["step"] for entry in log] == [entry["step"] for entry in committed] == [0, 20]
    for entry, wanted in zip(log, committed, strict=True):
        # Bit for bit on one machine; others round differently, and routing near a tie then differs a little.
        assert entry["val_loss"] == pytest.approx(wanted["val_loss"], abs=0.01)
        assert entry["train_loss"] == (wanted["train_loss"] and pytest.approx(wanted["train_loss"], abs=0.01))
        for measure in ("load", "probability"):
            torch.testing.assert_close(
                torch.tensor(entry[measure]), torch.tensor(wanted[measure]), atol=0.03, rtol=0
            )


@pytest.mark.slow
@pytest.mark.parametrize("run", list(mixtral.RUNS))
def test_the_committed_start_is_what_the_seed_gives(run: str, tmp_path: Path) -> None:
    mixtral.run("balanced", 0, tmp_path / "snapshots", tmp_path / "work", stop_at=0)
    start = next(s for s in hub.snapshots() if s.step == 0 and s.run == run)
    ours = load_file(tmp_path / "snapshots" / "start" / "model.safetensors")
    theirs = load_file(Path(start.path) / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for key in ours:  # to one step of half precision: processors differ in the last bit of a normal number
        torch.testing.assert_close(ours[key], theirs[key], atol=2**-13, rtol=2**-10)


@pytest.mark.slow
@pytest.mark.parametrize("run", list(mixtral.RUNS))
def test_the_model_resumes_bit_for_bit(run: str, tmp_path: Path) -> None:
    whole = mixtral.run(run, 0, tmp_path / "whole", tmp_path / "a", schedule=SHORT)
    mixtral.run(run, 0, tmp_path / "parts", tmp_path / "b", schedule=SHORT, stop_at=3)
    resumed = mixtral.run(run, 0, tmp_path / "parts", tmp_path / "b", schedule=SHORT)
    assert resumed == whole
    for step in (3, 6):
        a, b = (tmp_path / part / f"{run}-{step}" / "model.safetensors" for part in ("whole", "parts"))
        assert sha256(a) == sha256(b)


@pytest.fixture
def small_recipe(monkeypatch: pytest.MonkeyPatch, own_checkpoints: Path, tmp_path: Path) -> Path:
    """The whole of ``make zoo`` in seconds, on copies; gives the cache folder."""
    monkeypatch.setattr(mixtral, "SCHEDULE", SHORT)
    monkeypatch.setattr(mixtral, "SEEDS", (0,))
    manifest = tmp_path / "manifest.json"
    monkeypatch.setattr(checkpoints, "MANIFEST", manifest)
    return tmp_path / "cache"


@pytest.mark.slow
def test_rebuilding_replaces_checkpoint_and_manifest_and_repeats_itself(
    small_recipe: Path, own_checkpoints: Path
) -> None:
    stale = small_recipe / "mixtral" / "snapshots" / "balanced-2"
    stale.mkdir(parents=True)  # kept by a recipe that has changed since
    rebuild.rebuild("mixtral", small_recipe)
    assert not (own_checkpoints / "mixtral" / "snapshots" / stale.name).exists()
    first = zoo.manifest()["mixtral"]
    assert first["schedule"]["steps"] == SHORT.steps
    committed.cache_clear()
    assert hub.path("mistralai/Mixtral-8x7B-v0.1") == str(own_checkpoints / "mixtral")
    assert {(s.run, s.step) for s in hub.snapshots()} == {(run, n) for run in mixtral.RUNS for n in (0, 3, 6)}
    for snapshot in hub.snapshots():
        hub.load(snapshot.path)
    rebuild.rebuild("mixtral", small_recipe)
    assert zoo.manifest()["mixtral"] == first


@pytest.mark.slow
def test_a_rebuilt_model_that_strays_replaces_nothing(
    small_recipe: Path, own_checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild.rebuild("mixtral", small_recipe)
    before = {file: sha256(file) for file in own_checkpoints.rglob("*") if file.is_file()}
    manifest = checkpoints.MANIFEST.read_bytes()
    monkeypatch.setattr(mixtral, "SCHEDULE", replace(SHORT, learning_rate=0.5))
    with pytest.raises(SystemExit, match=r"error: mixtral, balanced: more than 0\.05 away; nothing replaced"):
        rebuild.rebuild("mixtral", small_recipe)
    assert {file: sha256(file) for file in before} == before
    assert checkpoints.MANIFEST.read_bytes() == manifest


def test_an_unknown_recipe_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", "gpt5"])
    with pytest.raises(SystemExit, match=r"error: no recipe gpt5; there are: .*mixtral"):
        rebuild.main()
