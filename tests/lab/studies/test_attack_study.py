"""What is kept of the attacks on nine classifiers is theirs, its parts agree, and some of it comes again."""

from __future__ import annotations

import numpy as np
import pytest

from frontier_lab.methods import attacks, bag_of_words
from frontier_lab.studies import attacks as study
from frontier_lab.studies import ensembles
from frontier_lab.studies.attacks import NAMES, REPEATS, TABLES, UNKNOWN, array
from frontier_lab.texts import bible_books
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.recipe import SEEDS

TEXTS, LABELS, CHAPTERS = classifiers.examples("test")
FEW = [
    at
    for chapter in sorted(set(CHAPTERS.tolist()))[::12]
    for at in (chapter == CHAPTERS).nonzero().flatten().tolist()
]
"""Places of the sentences of a few chapters, of several groups of books."""


def test_the_victims_are_right_where_the_classifiers_of_the_other_study_are() -> None:
    kept = ensembles.read("test").probabilities.argmax(-1) == LABELS
    for table in TABLES:
        right = array(f"{table} right")
        assert right.shape == (len(NAMES) if table == "strict" else 1, len(SEEDS), len(TEXTS))
        assert (right != kept.numpy()[: len(right)]).mean() < 0.003  # near ties: the others were not rounded
    assert NAMES[0] == study.CLOSER


@pytest.mark.parametrize("table", TABLES)
def test_only_what_was_right_is_attacked_and_no_more_is_asked_than_counted(table: str) -> None:
    right = array(f"{table} right")
    most = np.array([each.most for each in study.threat("test", table)])
    for kind in ("greedy", "shuffled"):
        succeeded, queries = array(f"{table} {kind} succeeded"), array(f"{table} {kind} queries")
        changed = array(f"{table} {kind} changed")
        assert not (succeeded & ~right).any()
        assert not queries[~right].any()
        assert (changed <= most).all()
        assert (changed[succeeded] > 0).all()
    assert (array(f"{table} random") <= REPEATS).all()
    assert not array(f"{table} random")[array(f"{table} greedy queries") == 0].any()


def test_nothing_succeeds_where_everything_was_tried_in_vain() -> None:
    least = array("strict least")
    in_vain = least == 0
    assert in_vain.mean() > 0.1
    for kind in ("greedy succeeded", "shuffled succeeded", "random", "as many", "long"):
        assert not array(f"strict {kind}")[in_vain].any()
    known = (least > 0) & (least < UNKNOWN)
    succeeded = array("strict greedy succeeded") & known
    assert (array("strict greedy changed")[succeeded] >= least[succeeded]).all()


def test_sentences_of_few_texts_were_searched_whole_and_no_others() -> None:
    small = np.array([each.size() <= study.FEW_TEXTS for each in study.threat("test", "strict")])
    assert ((array("strict least") < UNKNOWN) == (array("strict right") & small)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_classifiers_fall_to_the_attacks_as_is_kept(name: str) -> None:
    texts, of = [TEXTS[at] for at in FEW], [study.threat("test", "strict")[at] for at in FEW]
    score = study.victim(name, SEEDS[0]).remembering()
    found = study.attacked(score, texts, LABELS[FEW], of, whole=False)
    kept = {kind: array(f"strict {kind}")[NAMES.index(name), 0][FEW] for kind in found}
    assert (found["right"] != kept["right"]).sum() <= 1
    for kind in ("greedy succeeded", "shuffled succeeded"):
        if kind.startswith("greedy"):
            assert (found[kind] != kept[kind]).sum() <= 2
        assert abs(found[kind].mean() - kept[kind].mean()) < 0.1
    asked = found["greedy queries"], kept["greedy queries"]
    assert (asked[0] != asked[1]).sum() <= 3
    chosen = [place for place, at in enumerate(FEW) if kept["right"][place] and of[place].size() <= 50]
    whole = attacks.run([attacks.exhaustive(of[at], int(LABELS[FEW[at]])) for at in chosen], score)
    least = array("strict least")[NAMES.index(name), 0]
    assert sum(len(each.swaps) != least[FEW[at]] for at, each in zip(chosen, whole, strict=True)) <= 1


@pytest.mark.parametrize("table", TABLES)
def test_the_certificates_are_those_of_the_linear_model(table: str) -> None:
    model = study.linear_model(study.stored()["best strength"])
    name = f"linear {table} C {study.stored()['best strength']}"
    for at in range(0, len(TEXTS), 7):
        of, label = study.threat("test", table)[at], int(LABELS[at])
        margins = [m for m, _ in attacks.worst_case(of, label, model.contribution, model.bias)]
        assert array(f"{name} right")[at] == (margins[0] > 0)
        broken = [changed for changed, margin in enumerate(margins) if margin <= 0]
        assert array(f"{name} least")[at] == (broken[0] if broken else 0)


@pytest.mark.parametrize("table", TABLES)
def test_no_greedy_search_passes_a_certificate_and_few_sentences_lie_between(table: str) -> None:
    for strength in study.STRENGTHS:
        name = f"linear {table} C {strength}"
        certified = array(f"{name} right") & (array(f"{name} least") == 0)
        left = array(f"{name} greedy")
        assert not (certified & ~left).any()
        assert (left & ~certified).mean() < 0.03


@pytest.mark.parametrize("table", TABLES)
def test_what_counts_words_alike_that_swaps_exchange_cannot_be_deceived_by_these_swaps(table: str) -> None:
    for defence in ("one for all", "unswappable"):
        name = f"linear {table} {defence}, {table}"
        assert not array(f"{name} least")[array(f"{name} right")].any()
    stands_for = study.representatives(table)
    for of, text in zip(study.threat("test", table), TEXTS, strict=True):
        for at, options in of.options.items():
            (word,) = bag_of_words.words(of.words[at])
            for option in options:
                (other,) = bag_of_words.words(option)
                assert stands_for[word] == stands_for[other], text


def test_the_strength_was_chosen_on_the_other_part() -> None:
    assert study.best_strength() == study.stored()["best strength"]


def test_triggers_stand_beside_as_many_random_prefixes() -> None:
    for name in NAMES:
        for seed in SEEDS:
            found = study.stored()["triggers"][f"{name}, {seed}"]
            assert found["best random"]["tried"] >= found["trigger"]["tried"]
            assert len(found["trigger"]["words"]) == study.TRIGGER
    assert (array("trigger any") <= study.PREFIXES).all()
    assert (array("trigger none") == array("strict right")).all()


def test_every_defence_trains_on_as_many_texts_and_only_one_asks_the_model() -> None:
    for found in study.stored()["asked"].values():
        assert [defence for defence, asked in found.items() if asked] == ["adversarial"]
        a_step = found["adversarial"] / study.HARDENING.steps
        trained_on = 2 * study.HARDENING.batch_size
        assert 3 * trained_on + a_step < study.LONGER * 3 * trained_on  # a backward pass is worth two more


def test_every_defence_is_kept_and_nothing_withstands_more_than_it_reads_right() -> None:
    for defence in study.DEFENCES:
        right, left = array(f"defence {defence} right"), array(f"defence {defence} greedy")
        assert right.shape == (1, len(SEEDS), len(TEXTS))
        assert not (left & ~right).any()
        assert left[array(f"defence {defence} least") == 0].all()


def test_parts_are_drawn_apart() -> None:
    assert not {s.text for s in bible_books.balanced("train")} & set(TEXTS)
