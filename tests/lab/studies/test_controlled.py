"""Controlled generation: judges and what steers share no chapter, and what is stored is measured again."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from frontier_lab.methods import constrained, decoding
from frontier_lab.methods.decoding import Control, Discriminator
from frontier_lab.methods.watermark import Watermark
from frontier_lab.studies import controlled as study
from frontier_lab.texts import bible_books
from frontier_lab.texts.bible_books import GROUPS
from frontier_lab.zoo.training.recipe import SEEDS

STORED = study.stored()
NEAR = 0.02
"""What another machine may move a mean of two texts by, where none of their tokens turns."""


def test_no_chapter_of_the_judges_is_among_those_that_steering_is_fitted_to() -> None:
    judged = {each.chapter for each in bible_books.balanced("train")}
    fitted = {each.chapter for each in study.fitted_to()}
    assert not judged & fitted
    assert {each.label for each in study.fitted_to()} == set(range(len(GROUPS)))
    assert {study.fitted_to()[at].chapter for at in study.drawn_chapters(1)} <= fitted


def test_every_method_has_every_seed_target_and_prompt() -> None:
    assert STORED["seeds"] == list(SEEDS)
    assert study.EACH * len(study.PROMPTS) * len(SEEDS) >= 60
    settings = set()
    for seed in STORED["compared"]:
        assert list(seed) == list(study.TARGETS)
        for entries in seed.values():
            settings.add(tuple((entry["method"], entry["setting"]) for entry in entries))
            for entry in entries:
                for measure in study.MEASURES:
                    assert len(entry[measure]) == len(study.PROMPTS)
                    assert np.isfinite(entry[measure]).all()
    assert len(settings) == 1


def test_a_prompt_is_two_tokens_and_begins_sentences_of_the_text() -> None:
    assert study.prompts(1).shape == (len(study.PROMPTS), 2)
    texts = [each.text for each in bible_books.sentences("train")]
    for prompt in study.PROMPTS:
        assert sum(text.startswith(prompt + " ") for text in texts) >= 10


def test_budgets_are_the_forward_passes_that_are_counted() -> None:
    llama, steers = (
        study.model().model,
        Discriminator(torch.ones(112), torch.ones(112), torch.ones(6, 112), torch.ones(6)),
    )
    controls: dict[str, Control] = {
        "plain": decoding.plain,
        "DExperts": partial(decoding.experts, expert=llama, anti_expert=llama),
        "FUDGE": partial(decoding.fudge, discriminator=steers, target=1, candidates=study.CANDIDATES),
        "PPLM": partial(decoding.pplm, discriminator=steers, target=1),
    }
    for name, control in controls.items():
        found = decoding.sample(llama, study.prompts(1)[:1], 2, seed=0, control=control)
        assert found.passes == study.passes(name, 1), name
        assert found.passes == study.passes(f"{name}, turned", 1), name
    assert study.passes("best of n, random score", 20) == 20


@pytest.mark.parametrize("target", study.TARGETS)
def test_plain_texts_are_measured_again(target: str) -> None:
    entry = STORED["compared"][0][target][0]
    assert entry["method"] == "plain"
    found = study.measured(study.draw(0).ids, GROUPS.index(target), 0)
    for measure in study.MEASURES:
        assert np.mean(found[measure]) == pytest.approx(np.mean(entry[measure]), abs=NEAR * 2), measure


def test_a_steering_vector_is_measured_again_and_pulls() -> None:
    target = GROUPS.index("letters")
    drawn = {(name, strength): one for name, strength, one in study.steering(target, 0)}
    found = study.measured(drawn["steering vector", 8].ids, target, 0)
    wanted = next(
        entry
        for entry in STORED["compared"][0]["letters"]
        if (entry["method"], entry["setting"]) == ("steering vector", 8)
    )
    assert np.mean(found["judge"]) == pytest.approx(np.mean(wanted["judge"]), abs=NEAR * 2)
    assert np.mean(found["nats"]) == pytest.approx(np.mean(wanted["nats"]), abs=NEAR * 5)


def test_committed_experts_are_the_trained_ones() -> None:
    target = GROUPS.index("letters")
    ids = study.draw(0).ids
    committed, trained = study.committed_experts(target), study.experts(target, 0)
    assert list(committed) == ["expert", "anti-expert"]
    for side, expert in committed.items():
        one, other = (decoding.log_probs(each, ids, 2).mean().item() for each in (expert, trained[side]))
        assert one == pytest.approx(other, abs=0.01)
    assert study.FILE.stat().st_size < 100_000


def test_a_turned_discriminator_and_a_random_direction_are_as_long_as_the_real_ones() -> None:
    steers = study.discriminator(0)
    assert steers.turned(0).weights.norm() == pytest.approx(steers.weights.norm().item(), rel=1e-5)
    states, layer = [], study.model().model.model.layers[0]
    vector = study.direction(GROUPS.index("poetry"), 0)
    hook = (
        study.model()
        .model.model.layers[1]
        .register_forward_pre_hook(lambda _, given: states.append(given[0][:, 0]))
    )
    with torch.no_grad():
        study.model().model(study.prompts(1))
        with decoding.steered(layer, vector):
            study.model().model(study.prompts(1))
    hook.remove()
    assert (states[1] - states[0]).norm(dim=-1).mean().item() == pytest.approx(vector.norm().item(), rel=1e-3)


def test_the_distortion_of_a_constraint_is_measured_again() -> None:
    own, entry = study.model(), STORED["distorted"][1]
    ids = torch.tensor(own.tokenizer(study.BEFORE[0]).input_ids)
    matching = constrained.Matching(entry["pattern"], own.tokenizer, len(ids))
    found = constrained.matches(own.model, ids, matching)
    assert [each.text for each in found] == entry["texts"]
    assert [each.masked for each in found] == pytest.approx(entry["masked"][0], abs=2e-3)
    assert [each.own for each in found] == pytest.approx(entry["own"][0], rel=0.02)


def test_a_texts_green_tokens_are_counted_again() -> None:
    entry = STORED["watermarked"][0][2]
    mark = Watermark(study.model().model.config.vocab_size, entry["strength"])
    drawn = decoding.sample(
        study.model().model, study.prompts(), 25, seed=0, processors=[*study.processors(), mark]
    ).ids
    found = mark.count(drawn[:, 1:])
    assert found.green.float().mean() == pytest.approx(np.mean(entry["25"]["green"]), abs=0.5)
    assert found.counted.float().mean() == pytest.approx(np.mean(entry["25"]["counted"]), abs=0.5)


def test_what_is_not_stored_is_said() -> None:
    with pytest.raises(ValueError, match="wanted one that is stored"):
        study.values("plain", 2, "letters")


def test_every_key_of_a_watermark_has_its_own_shares() -> None:
    keyed = STORED["keyed"]
    assert len(keyed) == study.MARKS
    whole, half = (np.array([each[name] for each in keyed]) for name in ("whole", "half"))
    assert (whole >= half).all()
    assert len(set(half)) > 5


def test_a_key_s_shares_are_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "MARKS", 1)
    (found,) = study.keyed()
    assert found["whole"] == pytest.approx(STORED["keyed"][0]["whole"], abs=0.03)
    assert found["half"] == pytest.approx(STORED["keyed"][0]["half"], abs=0.1)
