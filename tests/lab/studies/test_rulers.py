"""Ten trainings and six judges: nobody judges what it was fitted to, and what is stored is said again."""

from __future__ import annotations

import numpy as np
import pytest

from frontier_lab.studies import alignment, controlled, rulers
from frontier_lab.texts import bible_books

STORED = rulers.stored()


def test_everything_is_stored() -> None:
    assert STORED["seeds"] == list(rulers.SEEDS)
    assert set(STORED["people"]) == set(rulers.NAMES)
    assert len(STORED["reference"]) == len(rulers.SEEDS)
    for runs in STORED["runs"].values():
        assert len(runs) == len(rulers.SEEDS)
        for run in runs:
            assert [entry["step"] for entry in run] == list(alignment.STEPS)
            for entry in run:
                for name in (*rulers.NAMES, *alignment.MEASURES):
                    assert len(entry[name]) == len(alignment.JUDGED)
    assert all(0 <= rank <= 1 for each in STORED["ranks"] for name in rulers.NAMES for rank in each[name])
    assert rulers.values("chosen", "words, other").shape == (3, len(alignment.JUDGED))
    with pytest.raises(ValueError, match="got 'DPO' at 160"):
        rulers.values("DPO", "words, other")
    with pytest.raises(ValueError, match="got 'words, new'"):
        rulers.ruler("words, new")


def test_sentences_of_people_are_read_by_who_did_not_know_them() -> None:
    """The proxy's own sentences are of other chapters; the others are fitted again without each fold."""
    chapters = {each.chapter for each in alignment.written()[1]}
    assert not chapters & {each.chapter for each in bible_books.balanced("train")}
    assert chapters <= {each.chapter for each in controlled.fitted_to()}
    folds = {chapter: rulers.fold(chapter) for chapter in chapters}
    assert set(folds.values()) == set(range(rulers.FOLDS))


def test_who_was_fitted_to_a_sentence_knows_it_too_well() -> None:
    """Why the folds are needed: with the chapters in what it was fitted to, the count of words says more."""
    texts, sentences = alignment.written()
    own = np.array([each.label == alignment.TARGET for each in sentences])
    fitted = rulers.ruler("words, other")(texts)[own].mean()
    assert fitted > 1.5 * np.mean(STORED["people"]["words, other"]["own"])


def test_a_count_of_words_says_again_what_is_stored() -> None:
    texts = alignment.read(alignment.judged_texts(alignment.reference(), 0))
    for name in ("words, same", "words, other"):
        found = np.mean(rulers.ruler(name)(texts))
        assert found == pytest.approx(np.mean(STORED["reference"][0][name]), abs=0.03), name


def test_people_do_not_repeat_themselves() -> None:
    assert np.mean(STORED["repeats"]) < 0.02
    assert np.mean([np.mean(each["alike"]) for each in STORED["reference"]]) < 0.1


def test_the_first_three_runs_are_those_of_the_other_study() -> None:
    for seed in range(3):
        for name in ("proxy", "judges", "alike"):
            known = alignment.stored()["trained"]["RLOO, free"][seed][0][name]
            assert np.mean(STORED["runs"]["RLOO, free"][seed][0][name]) == pytest.approx(
                np.mean(known), abs=0.03
            )
