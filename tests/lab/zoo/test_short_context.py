"""RoPE and ALiBi beyond the trained length: what the manifest claims, for every seed, and the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BloomForCausalLM, LlamaForCausalLM, PreTrainedModel

from frontier_lab import hub, zoo
from frontier_lab.methods.long_context import loss_by_position, recalled_at, text_losses
from frontier_lab.storage.files import sha256
from frontier_lab.zoo import llama
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.training.recipe import SEEDS

MANIFEST = zoo.manifest()
FINDINGS = {name: MANIFEST[name]["findings"] for name in ("llama", "bloom")}


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


@pytest.mark.parametrize("name", ["ntk", "by_parts", "llama3", "yarn"])
def test_scaling_that_fits_the_length_lowers_the_loss_without_training(name: str) -> None:
    for factor, bucket in ((4, "loss_128_256"), (8, "loss_256_512")):
        assert (seeds("llama", bucket, f"{name}_s{factor}") < seeds("llama", bucket, "base")).all()


def test_linear_scaling_without_training_costs_loss_inside_the_trained_length() -> None:
    for factor in (4, 8):
        cost = seeds("llama", "loss_0_64", f"linear_s{factor}") - seeds("llama", "loss_0_64", "base")
        assert (cost > 0.2).all()


@pytest.mark.parametrize("condition", ["linear_s8", "yarn_s8"])
def test_fine_tuned_scaling_beats_scaling_alone_and_the_base(condition: str) -> None:
    tuned = seeds("llama", "loss_256_512", f"{condition}_tuned")
    assert (tuned < seeds("llama", "loss_256_512", condition)).all()
    assert (tuned < seeds("llama", "loss_256_512", "base") - 0.15).all()


def test_recall_falls_with_positions_unchanged_and_scaling_that_fits_restores_it_untuned() -> None:
    base = seeds("llama", "recall_480", "base")
    assert (base < 0.4).all()
    for condition in ("linear_s8", "yarn_s8", "by_parts_s8", "slow_unfinished_s8"):
        assert (seeds("llama", "recall_480", condition) > base + 0.4).all()
    assert (seeds("llama", "recall_480", "slow_finished_s8") < base + 0.15).all()


def test_a_stretch_too_small_finds_what_it_reaches_and_not_more() -> None:
    assert (seeds("llama", "recall_240", "yarn_s4") > 0.85).all()
    difference = seeds("llama", "recall_480", "yarn_s8") - seeds("llama", "recall_480", "yarn_s4")
    assert (difference > 0.1).all()


def test_training_on_long_windows_without_scaling_mends_the_loss_and_not_the_recall() -> None:
    plain = seeds("llama", "loss_256_512", "plain_tuned")
    assert (plain < seeds("llama", "loss_256_512", "base") - 0.15).all()
    difference = seeds("llama", "recall_480", "yarn_s8_tuned") - seeds("llama", "recall_480", "plain_tuned")
    assert (difference > 0.3).all()


def test_both_are_cut_into_the_same_tokens_that_are_read_whole() -> None:
    model = hub.load(str(zoo.CHECKPOINTS / "llama")).float()
    cut = short_context.cut_losses(model)
    text = short_context.held_out_text(short_context.LONG_WINDOWS, short_context.LONGEST)
    first = text_losses(model, text[:, :64], [(0, 64)], leave_out=64)
    torch.testing.assert_close(cut[:, :1], first)  # the first piece is read whole by both
    assert cut[:, 3].mean().item() == pytest.approx(FINDINGS["llama"]["loss_256_512"]["cut"][0], abs=5e-3)


def test_the_search_keeps_to_its_bounds_and_the_free_one_does_not_need_to() -> None:
    bounded, free = (torch.tensor(table) for table in MANIFEST["llama"]["longrope_factors"].values())
    assert bounded.shape == free.shape == (len(SEEDS), llama.HEAD_DIM // 2)
    assert (bounded.diff(dim=1) >= 0).all()
    assert bounded.min() >= 1
    assert bounded.max() <= 2 * llama.FACTOR
    assert (free.diff(dim=1) < 0).any()


def test_alibi_recalls_farther_than_rope_and_less_the_farther_back() -> None:
    near, far = seeds("bloom", "recall_120", "base"), seeds("bloom", "recall_480", "base")
    assert (near > 0.9).all()
    assert (far < near - 0.05).all()
    assert (far < 0.95).all()
    for distance in (120, 240, 480):
        recall = f"recall_{distance}"
        assert (seeds("bloom", recall, "base") - seeds("llama", recall, "base") > 0.2).all()
    assert (seeds("llama", "recall_480", "yarn_s8") > far).all()


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
        ("llama/linear", LlamaForCausalLM, llama.BY_FACTOR["linear_s8"]),
        ("llama/yarn", LlamaForCausalLM, llama.BY_FACTOR["yarn_s8"]),
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
    [
        ("llama", "base"),
        ("llama/linear", "linear_s8_tuned"),
        ("llama/yarn", "yarn_s8_tuned"),
        ("bloom", "base"),
    ],
)
def test_the_committed_weights_have_the_committed_numbers(folder: str, condition: str) -> None:
    model = hub.load(str(zoo.CHECKPOINTS / folder))
    found = FINDINGS[folder.split("/")[0]]
    text = short_context.held_out_text(short_context.LONG_WINDOWS, short_context.LONGEST)
    losses = loss_by_position(
        model, text[:, :256], short_context.BUCKETS[:3], leave_out=short_context.CONTEXT
    )
    for (first, end), loss in zip(short_context.BUCKETS[:3], losses, strict=True):
        assert loss == pytest.approx(found[f"loss_{first}_{end}"][condition][0], abs=5e-3)
    shares = recalled_at(model, *short_context.held_out_haystacks()).float().mean(0).tolist()
    for distance, share in zip(short_context.DISTANCES, shares, strict=True):
        assert share == pytest.approx(found[f"recall_{distance}"][condition][0], abs=0.03)


def test_the_log_ends_where_the_manifest_says() -> None:
    for name in ("llama", "bloom"):
        log = json.loads((zoo.CHECKPOINTS / name / "log.json").read_text("utf8"))
        for run, loss in MANIFEST[name]["val_loss"].items():
            assert log[run][0][-1]["val_loss"] == loss
            assert all(len(log[run]) == len(SEEDS) for run in log)
