"""The association test where its outcome is known, and the ten published tests on the committed vectors."""

from __future__ import annotations

import numpy as np
import pytest

from frontier_lab.methods import weat
from frontier_lab.texts import association_tests
from frontier_lab.texts.association_tests import TESTS, AssociationTest, vectors, words

RNG = np.random.default_rng(0)
A = np.array([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0]])
B = np.array([[0.0, 0.1, 1.0], [0.0, -0.1, 1.0]])


def groups(test: AssociationTest) -> tuple[weat.Rows, ...]:
    x, y, a, b = (vectors(words(name)) for name in (*test.targets, *test.attributes))
    return x, y, a, b


def test_a_target_at_the_first_attributes_is_associated_with_them_and_length_does_not_matter() -> None:
    found = weat.associations(np.array([[1.0, 0, 0], [0, 0, 5.0], [0, 1.0, 0]]), A, B)
    assert found[0] > 0.9
    assert found[1] == pytest.approx(-found[0])
    assert found[2] == pytest.approx(0)


def test_an_effect_changes_its_sign_with_the_groups_and_with_the_attributes() -> None:
    x, y, a, b = (RNG.normal(size=(n, 5)) for n in (6, 7, 4, 3))
    size = weat.effect_size(weat.associations(x, a, b), weat.associations(y, a, b))
    assert size == pytest.approx(-weat.effect_size(weat.associations(y, a, b), weat.associations(x, a, b)))
    assert size == pytest.approx(-weat.effect_size(weat.associations(x, b, a), weat.associations(y, b, a)))


def test_groups_that_do_not_overlap_have_the_largest_effect_and_the_smallest_p_value() -> None:
    x, y = np.full(4, 1.0) + RNG.normal(0, 1e-6, 4), np.zeros(4) + RNG.normal(0, 1e-6, 4)
    assert weat.effect_size(x, y) == pytest.approx(2 * np.sqrt(7 / 8), rel=1e-4)
    assert weat.p_value(x, y) == pytest.approx(1 / 70)
    assert weat.p_value(y, x) == 1


def test_drawn_splits_agree_with_counted_ones_and_never_give_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.normal(0.5, 1, 8), RNG.normal(0, 1, 8)
    counted = weat.p_value(x, y)
    monkeypatch.setattr(weat, "EXACT", 0)
    assert weat.p_value(x, y) == pytest.approx(counted, abs=0.02)
    assert weat.p_value(x + 9, y, samples=99) == 0.01


def test_without_a_difference_p_values_are_even() -> None:
    found = [weat.p_value(*np.split(RNG.normal(size=12), 2)) for _ in range(300)]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_the_difference_is_the_same_when_targets_and_attributes_change_places() -> None:
    x, y, a, b = groups(TESTS[0])
    of_targets = weat.associations(x, a, b).mean() - weat.associations(y, a, b).mean()
    of_attributes = weat.associations(a, x, y).mean() - weat.associations(b, x, y).mean()
    assert of_targets == pytest.approx(of_attributes)


def test_a_resampled_effect_is_that_of_the_words_drawn() -> None:
    x, y, a, b = (RNG.normal(size=(n, 5)) for n in (6, 7, 4, 3))
    drawn = weat.resampled(x, y, a, b, samples=1, seed=3)
    generator = np.random.default_rng(3)
    times = [
        generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), 1)[0] for rows in (a, b, x, y)
    ]
    a2, b2, x2, y2 = (np.repeat(rows, n, axis=0) for rows, n in zip((a, b, x, y), times, strict=True))
    assert drawn[0] == pytest.approx(
        weat.effect_size(weat.associations(x2, a2, b2), weat.associations(y2, a2, b2))
    )


def test_an_interval_over_all_words_is_wider_than_over_the_targets_alone() -> None:
    wide = weat.resampled(*groups(TESTS[6]))
    narrow = weat.resampled(*groups(TESTS[6]), attributes=False)
    assert np.ptp(np.percentile(wide, [2.5, 97.5])) > 2 * np.ptp(np.percentile(narrow, [2.5, 97.5]))


def test_vectors_without_a_direction_or_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="first: got a vector of length 0"):
        weat.associations(A, A * 0, B)
    with pytest.raises(ValueError, match=r"second: got shape \(2, 2\), wanted \[N, 3\]"):
        weat.associations(A, A, B[:, :2])


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_every_published_effect_has_its_sign_on_other_vectors(test: AssociationTest) -> None:
    x, y, a, b = groups(test)
    one, other = weat.associations(x, a, b), weat.associations(y, a, b)
    assert weat.effect_size(one, other) > 0.8
    assert weat.p_value(one, other) < 0.05


def test_with_the_word_that_is_not_the_studys_the_tenth_test_would_look_like_none() -> None:
    test = TESTS[9]
    young = ["Bill" if word == "Billy" else word for word in words(test.targets[0])]
    _, y, a, b = groups(test)
    wrong = weat.associations(vectors(young), a, b), weat.associations(y, a, b)
    assert weat.p_value(*wrong) > 0.05
    assert association_tests.missing(young) == []
