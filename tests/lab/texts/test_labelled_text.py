"""Sentences with labels: what they say is what they are labelled, and parts hold back what they promise."""

from __future__ import annotations

import pytest

from frontier_lab.texts import labelled_text
from frontier_lab.texts.labelled_text import Labelled


def test_known_sentences_have_their_labels() -> None:
    found = {s.text: s.labels for part in ("train", "seen") for s in labelled_text.opinions(part, 9000, 5)}
    for text, labels in found.items():
        if text.startswith(("what a", "i found the")):
            assert labels[0] == any(word in labelled_text.GOOD for word in text.split())
        if text.startswith("nobody could call"):
            assert labels[0] == any(word in labelled_text.BAD for word in text.split())
        if " but " in text:
            assert labels[0] == (text.split()[-1] in labelled_text.GOOD)
    assert not set(labelled_text.GOOD) & set(labelled_text.BAD)
    for remark in labelled_text.remarks("train", 2000, 1):
        toxic, insult, threat, obscene, attack = remark.labels
        assert toxic == (insult or threat or obscene or attack)
        assert obscene == any(word in labelled_text.OATHS for word in remark.text.split())
        if "i will repair" in remark.text and " and " not in remark.text:
            assert not toxic


@pytest.mark.parametrize("draw", [labelled_text.opinions, labelled_text.remarks])
def test_parts_hold_back_what_they_say(draw: object) -> None:
    assert callable(draw)
    parts: dict[str, list[Labelled]] = {part: draw(part, 3000, 0) for part in labelled_text.PARTS}
    texts = {part: {s.text for s in found} for part, found in parts.items()}
    for part in ("seen", "unseen", "words"):
        assert not texts["train"] & texts[part] or (part == "words" and draw is labelled_text.remarks)
    if draw is labelled_text.opinions:
        vocabulary = {word for text in texts["train"] for word in text.split()}
        assert not vocabulary & {*labelled_text.GOOD[-4:], *labelled_text.BAD[-4:]}
    assert draw("seen", 50, 0) == draw("seen", 50, 0) != draw("seen", 50, 1)
    with pytest.raises(ValueError, match="part: got 'test', wanted one of train, seen, unseen, words"):
        draw("test", 1, 0)
