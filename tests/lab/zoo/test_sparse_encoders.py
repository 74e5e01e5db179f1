"""Longformer and BigBird: what they learned, and by which way a value gets across the windows."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoTokenizer

from frontier_lab import hub, zoo
from frontier_lab.zoo import bigbird, longformer
from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.training.masked_text import IGNORED

RECIPES = (longformer, bigbird)
MANIFEST = zoo.manifest()
FAR = f"value stated {sparse_encoders.DISTANCES[-1]} tokens away"


def findings(recipe: ModuleType, name: str, condition: str) -> list[float]:
    """One number a seed."""
    values: list[float] = MANIFEST[recipe.NAME]["findings"][name][condition]
    return values


def committed(recipe: ModuleType) -> torch.nn.Module:
    auto = getattr(transformers, MANIFEST[recipe.NAME]["class"])
    model: torch.nn.Module = hub.load(str(zoo.CHECKPOINTS / recipe.NAME), auto)
    return model


@pytest.mark.parametrize("recipe", RECIPES)
def test_text_is_guessed_better_than_by_frequency(recipe: ModuleType) -> None:
    trained = next(iter(recipe.WAYS))
    pairs = zip(
        findings(recipe, "loss on hidden tokens", trained),
        findings(recipe, "loss on hidden tokens", "unigram"),
        strict=True,
    )
    assert all(model < frequency - 0.3 for model, frequency in pairs)


def test_a_value_crosses_the_windows_through_the_global_token_alone() -> None:
    assert min(findings(longformer, FAR, "global first token")) > 0.95
    assert max(findings(longformer, FAR, "windows alone")) < 0.25
    # Three layers reach 3 · 16 / 2 = 24 tokens: nothing from beyond can be felt.
    assert sparse_encoders.DISTANCES[-1] > sparse_encoders.LAYERS * longformer.WINDOW / 2


def test_bigbird_carries_a_value_across_its_blocks() -> None:
    for distance in sparse_encoders.DISTANCES:
        name = f"value stated {distance} tokens away"
        for way in ("random blocks", "eval mode"):
            assert min(findings(bigbird, name, way)) > 0.95
        # What transformers switches to by itself for short inputs is not the model that was trained.
        assert max(findings(bigbird, name, "full attention")) < 0.8


@pytest.mark.parametrize("recipe", RECIPES)
@torch.no_grad()
def test_the_committed_model_measures_as_the_manifest_says(recipe: ModuleType) -> None:
    model = committed(recipe)
    for name, way in recipe.WAYS.items():
        model.train()
        shown, labels = sparse_encoders.held_out(recipe.ENCODER)
        found = sparse_encoders.score(lambda ids, way=way: way(model, ids), shown, labels)
        # Weights were rounded to half precision after they were measured.
        assert found["val_loss"] == pytest.approx(
            findings(recipe, "loss on hidden tokens", name)[0], abs=0.02
        )
        far = sparse_encoders.probe(recipe.ENCODER, sparse_encoders.DISTANCES[-1])
        right = sparse_encoders.score(lambda ids, way=way: way(model, ids), *far)["accuracy"]
        assert right == pytest.approx(findings(recipe, FAR, name)[0], abs=0.03)


@torch.no_grad()
def test_longformer_without_a_global_token_feels_nothing_beyond_its_reach() -> None:
    model = committed(longformer)
    ids, _ = sparse_encoders.held_out(longformer.ENCODER)
    changed = ids[:1].clone()
    changed[0, 40] = changed[0, 40] % 500 + 7
    difference = (longformer.windows_only(model, changed) - longformer.windows_only(model, ids[:1])).abs()  # type: ignore[arg-type]
    felt = difference[0].amax(-1).nonzero()[:, 0]
    reach = sparse_encoders.LAYERS * longformer.WINDOW // 2
    assert felt.min() >= 40 - reach
    assert felt.max() <= 40 + reach
    with_global = (longformer.with_global(model, changed) - longformer.with_global(model, ids[:1])).abs()  # type: ignore[arg-type]
    assert with_global[0].amax(-1)[-1] > 0


@torch.no_grad()
def test_bigbird_in_eval_mode_has_no_random_blocks() -> None:
    # What transformers does, and why the two ways are measured apart.
    model = committed(bigbird)
    ids, _ = sparse_encoders.held_out(bigbird.ENCODER)
    trained, evaluated = (way(model, ids[:8]) for way in (bigbird.as_trained, bigbird.in_eval_mode))  # type: ignore[arg-type]
    assert (trained - evaluated).abs().max() > 1e-3


@pytest.mark.parametrize("recipe", RECIPES)
def test_probes_state_a_value_once_and_hide_it_once(recipe: ModuleType) -> None:
    encoder = recipe.ENCODER
    for distance in sparse_encoders.DISTANCES:
        shown, labels = sparse_encoders.probe(encoder, distance)
        assert shown.shape == labels.shape == (sparse_encoders.PROBES, sparse_encoders.CONTEXT)
        rows, hidden = (labels != IGNORED).nonzero().T
        assert rows.tolist() == list(range(sparse_encoders.PROBES))
        assert (shown[rows, hidden] == encoder.tokenizer().mask_token_id).all()
        assert (shown[rows, hidden - distance] == labels[rows, hidden]).all()
        assert ((shown == labels[rows, hidden][:, None]).sum(1) == 1).all()
        assert set(hidden.remainder(3).tolist()) == {0, 1, 2}  # no place is preferred


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_rows_stand_anywhere_and_never_one_upon_another(recipe: ModuleType) -> None:
    sentences = sparse_encoders.Sentences(recipe.build_tokenizer(), "train", sparse_encoders.MIXTURE)
    reminders = sparse_encoders.Reminders(sentences)
    shown, labels = reminders.batch(np.random.default_rng(3), 200)
    fewest, most = sparse_encoders.PLACES
    starts = set()
    for row, wanted in zip(shown, labels, strict=True):
        value = wanted[0]
        hidden = (wanted[1:] != IGNORED).nonzero()[:, 0] + 1
        stated = (row == value).nonzero()[:, 0]
        assert (wanted[hidden] == value).all()
        assert (row[hidden] == reminders.mask_token).all()
        assert len(stated) >= 1 <= len(hidden)
        assert fewest <= len(stated) + len(hidden) <= most
        places = torch.cat([stated, hidden]).sort().values
        assert (places.diff() >= 3).all()
        assert (row[places - 1] == row[places[0] - 1]).all()  # the label
        assert (row[places + 1] == reminders.ledger.comma).all()
        starts |= set((places - 1).tolist())
    assert starts == set(range(1, sparse_encoders.CONTEXT - 3))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_tokenizer_is_its_recipes_and_of_the_real_models_kind(recipe: ModuleType) -> None:
    kept = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / recipe.NAME)
    built = recipe.build_tokenizer()
    text = "In the beginning, the hacker wrote: Pet cat, and it was good."
    assert kept(text).input_ids == built(text).input_ids
    assert len(kept) == sparse_encoders.VOCABULARY
    kind = {"longformer": "RobertaTokenizer", "bigbird": "BigBirdTokenizer"}[recipe.NAME]
    assert type(kept).__name__ == kind
    assert kept.decode(kept(text).input_ids, skip_special_tokens=True).strip() == text


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_log_is_that_of_the_schedule(recipe: ModuleType) -> None:
    logs = json.loads((zoo.CHECKPOINTS / recipe.NAME / "log.json").read_text("utf8"))
    schedule = sparse_encoders.SCHEDULE
    for log in logs:
        assert [e["step"] for e in log] == list(range(0, schedule.steps + 1, schedule.log_every))
    assert MANIFEST[recipe.NAME]["val_loss"]["masked"] == logs[0][-1]["val_loss"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_the_recipe_says_is_what_the_manifest_says(recipe: ModuleType) -> None:
    describe = recipe.RECIPE.describe
    assert describe
    assert describe([]) == MANIFEST[recipe.NAME]
