"""AUROC and the bag of words at points where they are known."""

from __future__ import annotations

import pytest
import torch

from frontier_lab.methods import classification
from frontier_lab.texts.labelled_text import Labelled


def test_auroc_counts_pairs() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    assert classification.auroc(torch.tensor([0.1, 0.2, 0.3, 0.4]), labels) == 1
    assert classification.auroc(torch.tensor([0.4, 0.3, 0.2, 0.1]), labels) == 0
    assert classification.auroc(torch.tensor([0.1, 0.3, 0.2, 0.4]), labels) == 0.75
    assert classification.auroc(torch.zeros(4), labels) == 0.5
    with pytest.raises(ValueError, match="labels: got one class only, wanted both"):
        classification.auroc(torch.zeros(4), torch.ones(4))


def test_a_bag_of_words_learns_words_and_no_order() -> None:
    plain = [Labelled("good x", (1,)), Labelled("bad x", (0,))] * 20
    words = classification.BagOfWords(plain)
    assert (words(["x good", "bad", "x new bad"]) > 0.5).flatten().tolist() == [True, False, False]
    order = [Labelled("a b", (1,)), Labelled("b a", (0,))] * 20
    assert classification.BagOfWords(order)(["a b"]).item() == pytest.approx(0.5, abs=1e-3)
