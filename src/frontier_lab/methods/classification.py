"""What classifiers are measured by, and the baseline that knows no order of words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
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
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        raise ValueError("labels: got one class only, wanted both")
    higher = (positive[:, None] > negative).float() + 0.5 * (positive[:, None] == negative).float()
    return higher.mean().item()


class BagOfWords:
    """Logistic regression on which words occur: the baseline that knows no order.

    Args:
        sentences: to fit on; a word that is not among theirs is ignored later.
        penalty: of the squared weights.
    """

    def __init__(self, sentences: Sequence[Labelled], penalty: float = 1e-4) -> None:
        words = sorted({word for s in sentences for word in s.text.split()})
        self.place = {word: at for at, word in enumerate(words)}
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
        features = torch.zeros(len(texts), len(self.place) + 1)
        features[:, -1] = 1  # the bias
        for row, text in enumerate(texts):
            for word in text.split():
                if word in self.place:
                    features[row, self.place[word]] = 1
        return features

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Probability of each label, ``[N, labels]``."""
        return (self._features(texts) @ self.weight).sigmoid()
