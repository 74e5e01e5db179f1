"""Several classifiers of one task: votes, and how much the voters differ.

Probabilities are ``[M, N, C]``: M models, N examples, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _check(probabilities: Tensor) -> None:
    if probabilities.ndim != 3 or len(probabilities) == 0:
        raise ValueError(
            f"probabilities: got shape {tuple(probabilities.shape)}, wanted [models, examples, classes]"
        )


def soft_vote(probabilities: Tensor) -> Tensor:
    """The class of the highest mean probability, ``[M, N, C] -> [N]``."""
    _check(probabilities)
    return probabilities.mean(0).argmax(-1)


def majority_vote(probabilities: Tensor) -> Tensor:
    """The class that most models choose, ``[M, N, C] -> [N]``; a tie goes to the higher mean probability."""
    _check(probabilities)
    choices = torch.nn.functional.one_hot(probabilities.argmax(-1), probabilities.shape[-1])  # [M, N, C]
    return (choices.sum(0) + 0.5 * probabilities.mean(0)).argmax(-1)


def accuracy(choices: Tensor, labels: Tensor) -> float:
    """Share of right choices; both ``[N]``."""
    return (choices == labels).float().mean().item()


def disagreement(probabilities: Tensor) -> float:
    """Share of examples on which two models choose differently, averaged over the pairs of models.

    Source: Kuncheva and Whitaker, "Measures of diversity in classifier ensembles" (2003).
    """
    _check(probabilities)
    choices = probabilities.argmax(-1)  # [M, N]
    pairs = [
        (choices[i] != choices[j]).float().mean()
        for i in range(len(choices))
        for j in range(i + 1, len(choices))
    ]
    if not pairs:
        raise ValueError("probabilities: got one model, wanted at least two")
    return torch.stack(pairs).mean().item()
