"""RoPE and ALiBi beyond the trained length: what the manifest claims, for every seed, and the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BloomForCausalLM, LlamaForCausalLM, PreTrainedModel

from frontier_lab import hub, zoo
from frontier_lab.methods.long_context import loss_by_position, recall
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import bloom, llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS

MANIFEST = zoo.manifest()
FINDINGS = {name: MANIFEST[name]["findings"] for name in ("llama", "bloom")}
SHORT = Schedule(steps=6, batch_size=4, context=32, warmup=2, log_every=3)


def seeds(name: str, finding: str, condition: str) -> torch.Tensor:
    """One number a seed."""
    values = FINDINGS[name][finding][condition]
    assert len(values) == len(SEEDS)
    return torch.tensor(values)


def test_both_models_have_the_same_text_tokens_schedule_and_size() -> None:
    ours, theirs = MANIFEST["llama"], MANIFEST["bloom"]
    for fact in ("text", "tokenizer", "schedule", "mixture", "seeds"):
        assert ours[fact] == theirs[fact]
    assert theirs["parameters"] == pytest.approx(ours["parameters"], rel=0.05)
    assert 350_000 <= ours["parameters"] <= 500_000
    files = [zoo.CHECKPOINTS / name / "tokenizer.json" for name in ("llama", "bloom", "llama/yarn")]
    assert len({sha256(file) for file in files}) == 1


def test_inside_the_trained_length_both_recall_everything() -> None:
    for name in ("llama", "bloom"):
        for distance in (30, 60):
            assert (seeds(name, f"recall_inside_{distance}", "base") > 0.8).all()


def test_ropes_loss_rises_beyond_the_trained_length() -> None:
    for bucket in ("loss_128_256", "loss_256_512"):
        rise = seeds("llama", bucket, "base") - seeds("llama", bucket, "cut")
        assert (rise > 0.2).all()


def test_alibis_loss_does_not() -> None:
    for bucket in ("loss_64_128", "loss_128_256", "loss_256_512"):
        assert (seeds("bloom", bucket, "base") < seeds("bloom", bucket, "cut") + 0.02).all()


@pytest.mark.parametrize("condition", ["static_ntk", "dynamic_ntk", "yarn"])
def test_scaling_without_training_lowers_the_loss_at_four_times_the_length(condition: str) -> None:
    assert (seeds("llama", "loss_128_256", condition) < seeds("llama", "loss_128_256", "base")).all()


def test_linear_scaling_without_training_costs_loss_inside_the_trained_length() -> None:
    cost = seeds("llama", "loss_0_64", "linear") - seeds("llama", "loss_0_64", "base")
    assert (cost > 0.2).all()


@pytest.mark.parametrize("condition", ["linear", "yarn"])
def test_fine_tuned_scaling_beats_scaling_alone_and_the_base(condition: str) -> None:
    tuned = seeds("llama", "loss_128_256", f"{condition}_tuned")
    assert (tuned < seeds("llama", "loss_128_256", condition)).all()
    assert (tuned < seeds("llama", "loss_128_256", "base") - 0.15).all()


def test_recall_of_the_base_falls_with_distance_and_scaling_restores_it() -> None:
    for distance, limit in ((120, 0.85), (240, 0.6)):
        base = seeds("llama", f"recall_{distance}", "base")
        assert (base < limit).all()
        for condition in ("linear", "yarn", "yarn_tuned", "linear_tuned"):
            assert (seeds("llama", f"recall_{distance}", condition) > base + 0.1).all()


def test_training_on_long_windows_without_scaling_mends_the_loss_and_not_the_recall() -> None:
    plain = seeds("llama", "loss_128_256", "plain_tuned")
    assert (plain < seeds("llama", "loss_128_256", "base") - 0.15).all()
    assert (seeds("llama", "loss_128_256", "yarn_tuned") < plain).all()
    difference = seeds("llama", "recall_240", "yarn_tuned") - seeds("llama", "recall_240", "plain_tuned")
    assert (difference > 0.3).all()


def test_alibi_recalls_farther_than_rope_and_less_the_farther_back() -> None:
    near, far = seeds("bloom", "recall_120", "base"), seeds("bloom", "recall_480", "base")
    assert (near > 0.9).all()
    assert (far < near - 0.05).all()
    assert (far < 0.95).all()
    for distance in (120, 240, 480):
        difference = seeds("bloom", f"recall_{distance}", "base") - seeds(
            "llama", f"recall_{distance}", "base"
        )
        assert (difference > 0.2).all()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The committed one."""
    return AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "llama")


def test_two_processes_would_build_the_committed_tokenizer(tokenizer: Any, tmp_path: Path) -> None:
    short_context.build_tokenizer().save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert sha256(tmp_path / file) == MANIFEST["llama"]["files"][file]
    text = "And God said, Let there be light: hacker n. [originally, someone who makes furniture with an axe]"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer) == short_context.VOCABULARY


@pytest.mark.parametrize(
    ("folder", "wanted", "rope"),
    [
        ("llama", LlamaForCausalLM, llama.PLAIN),
        ("llama/linear", LlamaForCausalLM, llama.LINEAR),
        ("llama/yarn", LlamaForCausalLM, llama.YARN),
        ("bloom", BloomForCausalLM, None),
    ],
)
def test_every_folder_loads_with_a_clean_report(
    folder: str, wanted: type[PreTrainedModel], rope: dict[str, Any] | None
) -> None:
    model = hub.load(str(zoo.CHECKPOINTS / folder))
    assert type(model) is wanted
    assert AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / folder).eos_token_id == model.config.eos_token_id
    if rope:
        found = model.config.rope_parameters
        assert {key: found[key] for key in rope} == rope
        wanted_length = 64 if folder == "llama" else 256
        assert model.config.max_position_embeddings == wanted_length


@pytest.mark.parametrize(
    ("folder", "condition"),
    [("llama", "base"), ("llama/linear", "linear_tuned"), ("llama/yarn", "yarn_tuned"), ("bloom", "base")],
)
def test_the_committed_weights_have_the_committed_numbers(folder: str, condition: str) -> None:
    model = hub.load(str(zoo.CHECKPOINTS / folder))
    found = FINDINGS[folder.split("/")[0]]
    text = short_context.held_out_text(short_context.LONG_WINDOWS, short_context.LONGEST)
    losses = loss_by_position(model, text[:, :256], short_context.BUCKETS[:3])
    for (first, end), loss in zip(short_context.BUCKETS[:3], losses, strict=True):
        assert loss == pytest.approx(found[f"loss_{first}_{end}"][condition][0], abs=5e-3)
    needles = short_context.held_out_needles(short_context.LONGEST, 240)
    assert recall(model, needles) == pytest.approx(found["recall_240"][condition][0], abs=0.05)


def test_the_log_ends_where_the_manifest_says() -> None:
    for name in ("llama", "bloom"):
        log = json.loads((zoo.CHECKPOINTS / name / "log.json").read_text("utf8"))
        for run, loss in MANIFEST[name]["val_loss"].items():
            assert log[run][0][-1]["val_loss"] == loss
            assert all(len(log[run]) == len(SEEDS) for run in log)


@pytest.mark.slow
@pytest.mark.parametrize("module", [llama, bloom])
def test_fifty_steps_of_the_recipe_repeat_the_committed_log(module: Any, tmp_path: Path) -> None:
    _, log = module.run(0, tmp_path, stop_at=50)
    run = "base" if module is llama else "bloom"
    committed = json.loads((zoo.CHECKPOINTS / module.NAME / "log.json").read_text("utf8"))[run][0][:2]
    for entry, wanted in zip(log, committed, strict=True):
        assert entry["val_loss"] == pytest.approx(wanted["val_loss"], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("module", [llama, bloom])
def test_a_run_resumes_bit_for_bit(module: Any, tmp_path: Path) -> None:
    whole, log = module.run(0, tmp_path / "whole", schedule=SHORT)
    module.run(0, tmp_path / "parts", schedule=SHORT, stop_at=3)
    resumed, resumed_log = module.run(0, tmp_path / "parts", schedule=SHORT)
    assert resumed_log == log
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    if module is llama:
        tuned, _ = llama.tune(whole, "yarn", 0, tmp_path / "whole", SHORT)
        again, _ = llama.tune(resumed, "yarn", 0, tmp_path / "parts", SHORT)
        assert all(torch.equal(a, b) for a, b in zip(tuned.parameters(), again.parameters(), strict=True))
