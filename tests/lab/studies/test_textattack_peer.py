"""TextAttack and our own attack, under one threat, end with the same texts after as many queries."""

from __future__ import annotations

from frontier_lab.studies import textattack_peer as peer

STORED = peer.stored()["targets"]


def test_the_same_sentences_were_attacked() -> None:
    assert [each["at"] for each in STORED] == [each.at for each in peer.targets()]
    assert len(STORED) == peer.MOST


def test_textattack_ends_where_our_attack_ends() -> None:
    for target, ours, theirs in zip(peer.targets(), peer.ours(peer.targets()), STORED, strict=True):
        assert theirs["text"] == target.of.text(ours.swaps), target.at
        assert theirs["succeeded"] == ours.succeeded, target.at
        assert theirs["queries"] == ours.queries, target.at


def test_some_attacks_succeed_and_some_fail() -> None:
    assert 10 < sum(each["succeeded"] for each in STORED) < peer.MOST - 10
