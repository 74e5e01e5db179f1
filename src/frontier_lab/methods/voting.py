"""Several classifiers of one task: votes, averages, stacking, and how much the voters differ.

Probabilities are ``[M, N, C]``: M models, N examples, C classes; those of one model, or of an ensemble, are
``[N, C]``. Where examples come in groups (the sentences of a chapter), a score is the mean of the groups' own
means, so that no long group decides it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from torch import Tensor

FLOOR = 1e-6
"""The smallest probability whose logarithm is taken: half precision keeps none below 6e-8."""


def _check(probabilities: Tensor) -> None:
    if probabilities.ndim != 3 or len(probabilities) == 0:
        raise ValueError(
            f"probabilities: got shape {tuple(probabilities.shape)}, wanted [models, examples, classes]"
        )


def average(probabilities: Tensor) -> Tensor:
    """Mean of the models' probabilities, ``[M, N, C] -> [N, C]``.

    Its NLL is at most the mean of the models' NLL, example by example, for -log is convex (Jensen).
    """
    _check(probabilities)
    return probabilities.mean(0)


def log_average(probabilities: Tensor) -> Tensor:
    """Geometric mean of the models' probabilities, normalised, ``[M, N, C] -> [N, C]``.

    The softmax of the mean logits is the same. A class that one model all but excludes is excluded. Its NLL,
    too, is at most the mean of the models' NLL: geometric means sum to 1 at most, so normalising raises them.
    """
    _check(probabilities)
    return probabilities.clamp(min=FLOOR).log().mean(0).softmax(-1)


def soft_vote(probabilities: Tensor) -> Tensor:
    """The class of the highest mean probability, ``[M, N, C] -> [N]``."""
    return average(probabilities).argmax(-1)


def _votes(probabilities: Tensor) -> Tensor:
    """How many models choose each class, ``[M, N, C] -> [N, C]``."""
    _check(probabilities)
    return torch.nn.functional.one_hot(probabilities.argmax(-1), probabilities.shape[-1]).sum(0)


def majority_vote(probabilities: Tensor) -> Tensor:
    """The class that most models choose, ``[M, N, C] -> [N]``; a tie goes to the higher mean probability."""
    return (_votes(probabilities) + 0.5 * average(probabilities)).argmax(-1)


def tied(probabilities: Tensor) -> Tensor:
    """Where several classes share the most votes, so that these do not decide, ``[M, N, C] -> [N]``, bool."""
    votes = _votes(probabilities)
    return (votes == votes.max(-1, keepdim=True).values).sum(-1) > 1


def log_features(probabilities: Tensor) -> NDArray[np.float64]:
    """The models' log-probabilities side by side, ``[M, N, C] -> [N, M * C]``, as scikit-learn takes them."""
    _check(probabilities)
    logs = probabilities.double().clamp(min=FLOOR).log()
    found: NDArray[np.float64] = logs.transpose(0, 1).flatten(1).numpy()
    return found


def stacking(probabilities: Tensor, labels: Tensor, strength: float) -> LogisticRegression:
    """A logistic regression that combines the models, fitted on examples that these were not trained on.

    Args:
        probabilities: ``[M, N, C]``.
        labels: ``[N]``.
        strength: scikit-learn's ``C``; the smaller, the nearer the weights stay to zero.

    Source: Wolpert, "Stacked generalization" (1992); of probabilities as features, Ting and Witten, "Issues
        in stacked generalization" (1999).
    """
    stacker = LogisticRegression(C=strength, solver="newton-cholesky")  # few features: exact in a few steps
    return stacker.fit(log_features(probabilities), labels.numpy())


def stacked(stacker: LogisticRegression, probabilities: Tensor) -> Tensor:
    """Probabilities of a combination that ``stacking`` fitted, ``[M, N, C] -> [N, C]``, float32.

    Raises:
        ValueError: some class never was among the labels that it was fitted on.
    """
    if len(stacker.classes_) != probabilities.shape[-1]:
        raise ValueError(
            f"stacker: got {len(stacker.classes_)} classes in the labels, wanted {probabilities.shape[-1]}"
        )
    return torch.from_numpy(stacker.predict_proba(log_features(probabilities))).float()


def cross_fitted(
    probabilities: Tensor,
    labels: Tensor,
    folds: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    strength: float,
) -> Tensor:
    """What stacking gives for each example when fitted on the other folds alone, ``[N, C]``.

    Args:
        probabilities: ``[M, N, C]``.
        labels: ``[N]``.
        folds: places to fit on and places to predict, as ``split`` of scikit-learn's folds gives them. Where
            examples come in groups, ``GroupKFold``: in random folds each example is judged by others of its
            own group.
        strength: see ``stacking``.

    Raises:
        ValueError: some example is in no fold.
    """
    _check(probabilities)
    found = torch.full(probabilities.shape[1:], torch.nan)
    for fit, held_out in folds:
        stacker = stacking(probabilities[:, fit], labels[fit], strength)
        found[held_out] = stacked(stacker, probabilities[:, held_out])
    if found.isnan().any():
        raise ValueError(
            f"folds: {int(found.isnan().any(-1).sum())} examples are in none, wanted each in one"
        )
    return found


def tempered(probabilities: Tensor, temperature: float) -> Tensor:
    """Probabilities to the power of ``1 / temperature``, normalised, ``[N, C] -> [N, C]``; below 1, surer."""
    return (probabilities.clamp(min=FLOOR).log() / temperature).softmax(-1)


def temperature(probabilities: Tensor, labels: Tensor, groups: Tensor | None = None) -> float:
    """The temperature between 1/5 and 5 of least NLL on these examples.

    Args:
        probabilities: ``[N, C]``.
        labels: ``[N]``.
        groups: see ``score``.

    Source: Guo et al., "On calibration of modern neural networks" (2017). Of an ensemble it is chosen after
        averaging: Rahaman and Thiery, "Uncertainty quantification and deep ensembles" (2021).
    """
    return math.exp(
        minimize_scalar(
            lambda log: score(nll(tempered(probabilities, math.exp(log)), labels), groups),
            bounds=(-math.log(5), math.log(5)),
            method="bounded",
        ).x
    )


def nll(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Negative log-likelihood of each example's label, in nats, ``[..., N, C] -> [..., N]``."""
    chosen = probabilities.gather(-1, labels.expand(probabilities.shape[:-1]).unsqueeze(-1))
    return -chosen.squeeze(-1).clamp(min=FLOOR).log()


def by_group(values: Tensor, groups: Tensor) -> Tensor:
    """Mean of each group's values, ``[N] -> [G]``, float64, the groups in ascending order.

    Args:
        values: one for each example, any dtype.
        groups: the group of each example, ``[N]`` integers.
    """
    places = torch.from_numpy(np.unique(groups.numpy(), return_inverse=True)[1])
    return torch.bincount(places, weights=values.double()) / torch.bincount(places)


def score(values: Tensor, groups: Tensor | None = None) -> float:
    """Mean of a measure of each example, ``[N]``; with groups, of the groups' means."""
    return (values.double() if groups is None else by_group(values, groups)).mean().item()


def accuracy(choices: Tensor, labels: Tensor, groups: Tensor | None = None) -> float:
    """Share of right choices; all ``[N]``, see ``score``."""
    return score(choices == labels, groups)


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
