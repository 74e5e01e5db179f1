"""Occupations and templates: balanced, and each pair of sentences differs in the pronoun alone."""

from __future__ import annotations

from frontier_lab.texts.occupations import AS_PRINTED, NEUTRAL, OWNER, SHARES, SUBJECT, TEMPLATES


def test_there_are_forty_occupations_half_of_which_most_workers_are_women_in() -> None:
    assert len(SHARES) == 40
    assert sum(share > 50 for share in SHARES.values()) == 20
    assert list(SHARES.values()) == sorted(SHARES.values())
    assert set(AS_PRINTED) <= set(SHARES)
    assert not set(NEUTRAL) & set(SHARES)


def test_each_pair_differs_in_the_pronoun_alone_and_begins_with_the_prefix() -> None:
    for template in TEMPLATES:
        man, woman = template.pair("baker")
        differ = [(a, b) for a, b in zip(man.split(), woman.split(), strict=True) if a != b]
        assert differ == [template.pronouns]
        assert man.startswith(f"{template.prefix('baker')} {template.pronouns[0]} ")
        assert not template.prefix("baker").endswith(" ")


def test_half_of_the_templates_ask_for_the_subject_and_half_for_the_owner() -> None:
    assert [each.pronouns for each in TEMPLATES] == [SUBJECT] * 6 + [OWNER] * 6
    assert len({each.text for each in TEMPLATES}) == 12
