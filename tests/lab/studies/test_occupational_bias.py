"""The study of occupations: whole, and a part of each kind measured again gives what is stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from frontier_lab.methods import pronouns
from frontier_lab.studies import occupational_bias as study
from frontier_lab.texts import pronoun_corpus
from frontier_lab.texts.occupations import SHARES, TEMPLATES

STORED = study.stored()


def test_every_table_has_a_number_for_every_template_and_person() -> None:
    shapes = {
        "log odds": (12, 40),
        "neutral": (12, 8),
        "sexed": (12, 20),
        "as printed": (12, 2),
        "perplexities": (2, 40, 2),
        "with tail": (2, 40, 2),
        "with odd tail": (2, 40, 2),
        "articles mended": (40, 2),
        "untrained": (3, 12, 40),
        "tokens": (40,),
    }
    assert shapes.keys() == STORED["smollm2"].keys() == study.SMOLLM2.keys()
    for name, shape in shapes.items():
        assert study.array(name).shape == shape
        assert np.isfinite(study.array(name)).all()


def test_words_that_say_the_sex_are_told_apart_in_every_sentence() -> None:
    found = study.array("sexed")
    assert (found[:, 10:].mean(1) - found[:, :10].mean(1) > 2).all()


def test_trained_weights_follow_the_shares_and_untrained_ones_do_not() -> None:
    shares = list(SHARES.values())
    assert stats.spearmanr(study.array("log odds").mean(0), shares).statistic > 0.6
    for untrained in study.array("untrained"):
        assert abs(stats.spearmanr(untrained.mean(0), shares).statistic) < 0.4


def test_an_article_is_mended_before_a_vowel_alone() -> None:
    assert study.article("He is a accountant.") == "He is an accountant."
    assert study.article("He is a baker.") == "He is a baker."


def test_every_corpus_was_measured_with_every_seed() -> None:
    assert list(STORED["corpora"]) == list(study.CORPORA)
    for runs in STORED["corpora"].values():
        assert len(runs) == len(study.SEEDS)
    for seed, shares in zip(study.SEEDS, STORED["shares"], strict=True):
        assert shares == list(pronoun_corpus.shares(seed).values())


def test_corpora_have_the_sentences_that_their_names_say() -> None:
    sizes = {name: len(study.corpus(name, 0)) for name in study.CORPORA}
    assert sizes == {name: study.SENTENCES * (1 if name in ("as it is", "neutral") else 2) for name in sizes}
    own = study.corpus("as it is", 0)
    assert study.corpus("twice", 0) == own + own
    for name in ("exchanged", "pronouns", "pronouns and nouns"):
        found = study.corpus(name, 0)
        assert found[: len(own)] == own
        assert all(a != b for a, b in zip(own, found[len(own) :], strict=True))
    with pytest.raises(ValueError, match="name: got 'shuffled', wanted one of as it is"):
        study.corpus("shuffled", 0)


def test_with_counterfactuals_both_forms_are_equally_frequent_after_every_occupation() -> None:
    found = study.corpus("pronouns", 0)
    for who in pronoun_corpus.OCCUPATIONS:
        after = [word for words in found if who in words for word in words if word in ("he", "she")]
        assert after.count("he") == after.count("she")


@pytest.mark.slow
def test_a_small_model_trained_again_is_measured_as_it_was() -> None:
    torch.set_num_threads(1)
    again = study.measured(study.trained("pronouns and nouns", 0), 0)
    was = STORED["corpora"]["pronouns and nouns"][0]
    assert np.array(again["relatives"]) == pytest.approx(np.array(was["relatives"]), abs=0.3)
    assert np.array(again["occupations"]) == pytest.approx(np.array(was["occupations"]), abs=0.3)
    assert again["loss"]["shares"] == pytest.approx(was["loss"]["shares"], abs=0.01)


@pytest.mark.real_model
def test_a_template_read_again_gives_what_is_stored() -> None:
    model, tokenizer = study.loaded()
    prefixes = [TEMPLATES[7].prefix(who) for who in SHARES]
    again = pronouns.log_odds(model, tokenizer, prefixes, TEMPLATES[7].pronouns).numpy()
    assert again == pytest.approx(study.array("log odds")[7], abs=0.01)
