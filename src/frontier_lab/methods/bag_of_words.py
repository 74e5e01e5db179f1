"""A linear classifier of texts whose logits are sums over words, so that an attack on it can be bounded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from torch import Tensor

Rename = Callable[[str], str | None]
"""From a word to what it counts as; ``None`` for nothing."""


def words(text: str) -> list[str]:
    """The words of a text in lower case, an apostrophe and what follows kept on."""
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def itself(word: str) -> str:
    """A word counts as itself."""
    return word


@dataclass(frozen=True)
class BagOfWords:
    """Multinomial logistic regression on counts of words.

    Attributes:
        weights: by word what one occurrence adds to the logits, ``[C]``.
        bias: logits of no words, ``[C]``.
        rename: what words count as.
    """

    weights: Mapping[str, NDArray[np.float64]]
    bias: NDArray[np.float64]
    rename: Rename = itself

    def contribution(self, text: str) -> NDArray[np.float64]:
        """What the words of a text add to the logits, ``[C]``; unknown words add nothing."""
        found = np.zeros_like(self.bias)
        for word in words(text):
            name = self.rename(word)
            if name is not None and name in self.weights:
                found = found + self.weights[name]
        return found

    def probabilities(self, texts: Sequence[str]) -> Tensor:
        """Class probabilities, ``[N, C]``, float64: a margin that a certificate leaves may be small."""
        logits = np.stack([self.bias + self.contribution(text) for text in texts])
        return torch.from_numpy(logits).softmax(-1)


def fit(
    texts: Sequence[str],
    labels: Sequence[int],
    strength: float,
    *,
    rename: Rename = itself,
    fewest: int = 2,
) -> BagOfWords:
    """A classifier of texts in which every class has the same weight.

    Args:
        texts: N of them.
        labels: ``[N]``, every class from 0 on among them.
        strength: scikit-learn's ``C``; the smaller, the nearer the weights stay to zero.
        rename: what words count as.
        fewest: texts that a word must be in.
    """
    named = [[name for word in words(text) if (name := rename(word)) is not None] for text in texts]
    common = Counter(name for names in named for name in set(names))
    columns = {
        name: at for at, name in enumerate(sorted(n for n, count in common.items() if count >= fewest))
    }
    rows, places = [], []
    for row, names in enumerate(named):
        for name in names:
            if name in columns:
                rows.append(row)
                places.append(columns[name])
    counts = csr_matrix((np.ones(len(rows)), (rows, places)), shape=(len(texts), len(columns)))
    model = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced").fit(counts, labels)
    weights = {name: model.coef_[:, at].astype(np.float64) for name, at in columns.items()}
    return BagOfWords(weights, model.intercept_.astype(np.float64), rename)
