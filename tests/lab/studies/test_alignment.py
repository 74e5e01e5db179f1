"""Raising a reward: drawing, preferring and choosing are as they say; what is stored is measured again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from frontier_lab.studies import alignment as study
from frontier_lab.studies import controlled
from frontier_lab.zoo.training.recipe import SEEDS

STORED = study.stored()


def test_nothing_is_judged_on_prompts_that_were_trained_on() -> None:
    assert not set(study.TRAINED) & set(study.JUDGED)
    assert study.prompts(study.JUDGED, 2).shape == (2 * len(study.JUDGED), 2)
    assert study.prompts(study.TRAINED, 1).shape == (len(study.TRAINED), 2)


def test_the_reference_is_the_model_at_a_lower_temperature() -> None:
    ids = study.prompts(study.JUDGED, 1)
    with torch.no_grad():
        own = controlled.model().model(input_ids=ids).logits
        sharper = study.reference()(input_ids=ids).logits
    torch.testing.assert_close(sharper, own / study.TEMPERATURE, rtol=1e-4, atol=1e-4)


def test_preferences_follow_their_rule() -> None:
    gap = torch.tensor([2.0]).expand(4000)
    generator = torch.Generator().manual_seed(0)
    assert study.prefers("always", gap, generator).all()
    assert study.prefers("drawn", gap, generator).float().mean().item() == pytest.approx(0.881, abs=0.02)
    assert study.prefers("coin", gap, generator).float().mean().item() == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="always, drawn or coin"):
        study.prefers("never", gap, generator)


def test_pairs_are_of_one_prompt_and_of_two_texts() -> None:
    asked, first, second = study.pairs(0, 3)
    assert len(asked) == study.ROWS // 2
    assert (first != second).all()
    assert torch.bincount(asked).tolist() == [2] * len(study.TRAINED)


def test_everything_is_stored() -> None:
    assert STORED["seeds"] == list(SEEDS)
    assert list(STORED["trained"]) == list(study.METHODS)
    for runs in STORED["trained"].values():
        for run in runs:
            assert [entry["step"] for entry in run] == list(study.STEPS)
            for entry, name in itertools.product(run, study.MEASURES):
                assert len(entry[name]) == len(study.JUDGED)
                assert np.isfinite(entry[name]).all()
    assert [(v["method"], v["rate"], v["beta"]) for v in STORED["varied"]] == list(study.VARIED)
    assert [entry["n"] for entry in STORED["choosing"][0]] == list(study.COUNTS)
    with pytest.raises(ValueError, match="got 'DPO' at 160"):
        study.values("DPO", 160, "proxy")


def test_the_reference_is_judged_again() -> None:
    found = study.judged(study.reference(), 0)
    assert found["kl"] == [0.0] * len(study.JUDGED)
    for name in ("proxy", "judges", "words", "nats"):
        assert np.mean(found[name]) == pytest.approx(np.mean(STORED["reference"][0][name]), abs=0.04), name


def test_a_step_of_training_does_what_is_stored() -> None:
    """Ten steps of DPO and of RLOO move as far from the reference as they did, and as far up."""
    for name in ("DPO, always", "RLOO"):
        found = study.judged(study.trained(name, 0, (10,))[0][1], 0)
        wanted = STORED["trained"][name][0][0]
        assert wanted["step"] == 10
        assert np.mean(found["kl"]) == pytest.approx(np.mean(wanted["kl"]), rel=0.2), name
        assert np.mean(found["proxy"]) == pytest.approx(np.mean(wanted["proxy"]), abs=0.05), name


def test_judges_know_the_target_where_people_wrote_it() -> None:
    people = STORED["people"]
    assert "words" not in people["own"]  # it was fitted to these chapters
    for name in ("proxy", "judges"):
        assert np.mean(people["own"][name]) > 3 * np.mean(people["others"][name])
