"""The data of ``ThresholdExplorer``: what the committed filters give, within its budget."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from frontier_lab.figure_data import threshold_explorer
from frontier_lab.figure_data.threshold_explorer import KINDS, sentences
from frontier_lab.texts.labelled_text import FOLK, TOXIC_LABELS

FILE = Path(__file__).parents[3] / "widgets" / "frontier_widgets" / "data" / "threshold_explorer.json"
DATA: dict[str, Any] = json.loads(FILE.read_text("utf8"))
LIMIT = 20_000


def unpacked(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_it_is_small_and_has_no_sentence_in_it() -> None:
    assert FILE.stat().st_size <= LIMIT
    text = FILE.read_text("utf8")
    assert not [s.text for _, s in sentences() if s.text in text]


def test_every_sentence_has_its_kind_its_labels_and_its_scores() -> None:
    shown = sentences()
    kinds, truth, groups = (unpacked(DATA[key]) for key in ("kinds", "truth", "groups"))
    assert [list(KINDS)[kind] for kind in kinds] == [kind for kind, _ in shown]
    assert [[bits >> at & 1 for at in range(5)] for bits in truth] == [list(s.labels) for _, s in shown]
    for (_, s), group in zip(shown, groups, strict=True):
        assert group == 255 or FOLK[group] in s.text
    assert np.bincount(groups)[: len(FOLK)].tolist() == [24] * len(FOLK)
    assert DATA["labels"] == list(TOXIC_LABELS)
    for each in DATA["filters"].values():
        assert len(unpacked(each["scores"])) == len(shown) * len(TOXIC_LABELS)
        assert all(slope > 0 for slope, _ in each["sigmoids"])


@pytest.mark.real_model
def test_the_committed_filters_give_it_again() -> None:
    fresh = threshold_explorer.build()
    for name, each in DATA["filters"].items():
        again = fresh["filters"][name]
        difference = unpacked(each["scores"]).astype(int) - unpacked(again["scores"])
        assert np.abs(difference).max() <= 1  # a step where rounding is near
        assert np.ravel(again["sigmoids"]) == pytest.approx(np.ravel(each["sigmoids"]), abs=0.01)
    assert {k: v for k, v in fresh.items() if k != "filters"} == {
        k: v for k, v in DATA.items() if k != "filters"
    }
