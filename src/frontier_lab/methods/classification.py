"""What classifiers are measured by, and the baseline that knows no order of words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import roc_auc_score
from torch import Tensor

from frontier_lab.texts.labelled_text import Labelled


def auroc(scores: Tensor, labels: Tensor) -> float:
    """Probability that a positive example scores higher than a negative one; a tie counts half.

    Args:
        scores: ``[N]``, any float dtype.
        labels: ``[N]``, 0 or 1.

    Raises:
        ValueError: there is no positive example, or no negative one.
    """
    if not 0 < (labels == 1).sum() < len(labels):
        raise ValueError("labels: got one class only, wanted both")
    return float(roc_auc_score(labels, scores.float()))


class BagOfWords:
    """Logistic regression on which words occur: the baseline that knows no order.

    The fit is not scikit-learn's, which does not penalise the bias and goes on for longer: the committed
    numbers, which the cards print, would change in their third digit.

    Args:
        sentences: to fit on; a word that is not among theirs is ignored later.
        penalty: of the squared weights.
    """

    def __init__(self, sentences: Sequence[Labelled], penalty: float = 1e-4) -> None:
        self.vectorizer = CountVectorizer(binary=True, lowercase=False, token_pattern=r"\S+")
        self.vectorizer.fit([s.text for s in sentences])
        features = self._features([s.text for s in sentences])
        labels = torch.tensor([s.labels for s in sentences], dtype=torch.float32)
        self.weight = torch.zeros(features.shape[1], labels.shape[1], requires_grad=True)
        optimizer = torch.optim.LBFGS([self.weight], max_iter=60)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(features @ self.weight, labels)
            loss = loss + penalty * self.weight.square().sum()
            torch.autograd.backward(loss)
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        self.weight.requires_grad_(False)

    def _features(self, texts: Sequence[str]) -> Tensor:
        """Which words occur, and a one for the bias, ``[N, words + 1]``."""
        present = torch.from_numpy(self.vectorizer.transform(texts).toarray()).float()
        return torch.cat([present, torch.ones(len(texts), 1)], 1)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Probability of each label, ``[N, labels]``."""
        return (self._features(texts) @ self.weight).sigmoid()
