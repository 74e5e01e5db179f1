"""A linear filter of text, as a package carries one: weighted words, a line, and a sigmoid."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

Flags = Callable[[Sequence[str]], Tensor]
"""Gives the probability that a text is to be blocked, ``[N]``."""


class LinearFilter:
    """Mean of several calibrated lines on the tf-idf of words, each fitted on other folds.

    Args:
        folder: what ``storage.restricted_pickle`` wrote.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "linear.json").read_text("utf8"))
        self._tensors = load_file(folder / "model.safetensors")
        settings = facts["settings"] | {"ngram_range": tuple(facts["settings"]["ngram_range"])}
        self._vectorizer = TfidfVectorizer(vocabulary=facts["terms"], **settings)
        self._vectorizer.idf_ = self._tensors["idf"]

    def knows(self, word: str) -> bool:
        """Whether a word has a weight of its own."""
        return word in self._vectorizer.vocabulary_

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Probabilities ``[N]``, float64."""
        of = self._tensors
        lines = self._vectorizer.transform(texts) @ of["weights"].T + of["intercepts"]  # [N, parts]
        chances = 1 / (1 + np.exp(of["slopes"] * lines + of["shifts"]))
        return torch.from_numpy(chances.mean(1))


def load(folder: Path) -> Flags:
    """A linear filter from its folder, or in its stead a multi-label classifier: its highest label.

    Args:
        folder: of either; where the package is missing, ``hub.path`` gives a small BERT.
    """
    if (folder / "linear.json").is_file():
        return LinearFilter(folder)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def flags(texts: Sequence[str]) -> Tensor:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        highest: Tensor = model(**batch).logits.max(-1).values
        return highest.double().sigmoid()

    return flags
