"""Nine sentence classifiers combined: averages, votes, stacking, temperatures, and how the folds leak.

All from the probabilities that ``studies.ensembles`` keeps. Whatever is chosen or fitted (the best model,
temperatures, stacking and its strength) is so on the chapters ``stack``, and judged on ``test``.
``python -m frontier_lab.studies.ensemble_rules`` prints how the rules compare, seed by seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedKFold
from torch import Tensor

from frontier_lab.claims.estimates import Estimate, resampled
from frontier_lab.methods import voting
from frontier_lab.studies.ensembles import NAMES, Held, Read, best, read
from frontier_lab.zoo.training.recipe import SEEDS

PRINTED_WEIGHTS = (0.4, 0.35, 0.25)
"""Of the logits of BERT, RoBERTa and DistilBERT, as the chapter's first edition has them for "stacking"."""

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of stacking, as scikit-learn's ``C``: the smaller, the nearer the weights stay to zero."""
FOLDS = 5

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
Trio = tuple[int, int, int]
"""Seeds of three models, one of each class."""


def grouped(read: Read) -> Folds:
    """Folds that no chapter crosses."""
    return list(GroupKFold(FOLDS).split(read.labels, read.labels, read.chapters))


def shuffled(read: Read, seed: int) -> Folds:
    """Folds of sentences drawn at random, each with its share of every group of books."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return list(folds.split(read.labels, read.labels))


def strength(models: Tensor, read: Read) -> float:
    """The strength of stacking with the least NLL on chapters that it was not fitted on, of ``STRENGTHS``.

    Args:
        models: what is combined, ``[M, N, 6]``.
        read: their sentences.
    """
    folds = grouped(read)
    losses = [read.loss(voting.cross_fitted(models, read.labels, folds, each)) for each in STRENGTHS]
    return STRENGTHS[int(np.argmin(losses))]


def fitted(fit: Tensor, new: Tensor, strength: float) -> Tensor:
    """Probabilities on ``test`` by stacking fitted on ``stack``: ``[M, N, 6]`` of each, to ``[N', 6]``."""
    return voting.stacked(voting.stacking(fit, read("stack").labels, strength), new)


def tempered(fit: Tensor, new: Tensor) -> Tensor:
    """Probabilities on ``test`` at the temperature chosen on ``stack``: ``[N, 6]`` each, to ``[N', 6]``."""
    stack = read("stack")
    return voting.tempered(new, voting.temperature(fit, stack.labels, stack.chapters))


def trio(part: Held, seeds: Trio) -> Tensor:
    """One model of each class, ``[3, N, 6]``: of each class the one with its seed."""
    return read(part).probabilities[range(len(NAMES)), seeds]


def combined(seeds: Trio, strengths: tuple[float, float, float] | None = None) -> dict[str, Tensor]:
    """What each rule makes of a trio on ``test``, ``[N, 6]``; of a vote one for its choice.

    ``recalibrated`` is stacking of a single model, or of the average: what that gains, stacking does not gain
    by combining.

    Args:
        seeds: of the trio's models, in the order of ``NAMES``.
        strengths: of stacking, of the recalibrated best model, and of the recalibrated average; without them
            ``strength`` chooses each on ``stack``.
    """
    stack, fit, new = read("stack"), trio("stack", seeds), trio("test", seeds)
    one = max(range(len(NAMES)), key=lambda at: stack.accuracy(fit[at].argmax(-1)))
    weights = torch.tensor(PRINTED_WEIGHTS)[:, None, None]
    mean_fit, mean = voting.average(fit), voting.average(new)
    majority = torch.nn.functional.one_hot(voting.majority_vote(new), new.shape[-1]).float()
    stacked = {
        "stacking": (fit, new),
        "best, recalibrated": (fit[one][None], new[one][None]),
        "average, recalibrated": (mean_fit[None], mean[None]),
    }
    chosen = strengths or [strength(models, stack) for models, _ in stacked.values()]
    return {
        **dict(zip(NAMES, new, strict=True)),
        "best": new[one],
        "average": mean,
        "log average": voting.log_average(new),
        "majority": majority,
        "printed weights": (new.clamp(min=voting.FLOOR).log() * weights).sum(0).softmax(-1),
        **{rule: fitted(*pair, each) for (rule, pair), each in zip(stacked.items(), chosen, strict=True)},
        "best, tempered": tempered(fit[one], new[one]),
        "average, tempered": tempered(mean_fit, mean),
        "log average, tempered": tempered(voting.log_average(fit), voting.log_average(new)),
    }


def difference(after: Tensor, before: Tensor, chapters: Tensor) -> Estimate:
    """Mean paired difference of two measures of the same sentences, ``[N]`` each, resampled by chapters."""
    return resampled((after.double() - before.double()).numpy(), "text", chapters.numpy())


def subsets(part: Held = "test") -> Iterator[tuple[tuple[tuple[str, int], ...], dict[str, float]]]:
    """Every subset of the nine models, as pairs of class and seed, with what averaging and voting give."""
    found = read(part)
    models = list(product(range(len(NAMES)), range(len(SEEDS))))
    for count in range(1, len(models) + 1):
        for chosen in combinations(models, count):
            stack = torch.stack([found.probabilities[at] for at in chosen])
            mean = voting.average(stack)
            yield (
                tuple((NAMES[name], SEEDS[seed]) for name, seed in chosen),
                {
                    "accuracy": found.accuracy(mean.argmax(-1)),
                    "majority": found.accuracy(voting.majority_vote(stack)),
                    "nll": found.loss(mean),
                    "members' accuracy": float(np.mean([found.accuracy(each.argmax(-1)) for each in stack])),
                    "members' nll": float(np.mean([found.loss(each) for each in stack])),
                    "disagreement": voting.disagreement(stack) if count > 1 else 0.0,
                },
            )


def leak(models: Tensor, read: Read, strength: float, repeats: int = 5) -> dict[str, Tensor]:
    """How often stacking is right on each sentence, ``[N]``, judged by folds of each kind.

    Args:
        models: what is stacked, ``[M, N, 6]``.
        read: the sentences that it is fitted on and judged on, fold by fold.
        strength: the same for both kinds.
        repeats: draws of the random folds.
    """

    def right(folds: Folds) -> Tensor:
        found = voting.cross_fitted(models, read.labels, folds, strength)
        return (found.argmax(-1) == read.labels).double()

    return {
        "random folds": torch.stack([right(shuffled(read, seed)) for seed in range(repeats)]).mean(0),
        "whole chapters": right(grouped(read)),
    }


COMPARED = (
    ("average", "mean member"),
    ("average", "best"),
    ("majority", "best"),
    ("average", "majority"),
    ("log average", "average"),
    ("printed weights", "average"),
    ("stacking", "average"),
    ("stacking", "average, recalibrated"),
    ("stacking", "best, recalibrated"),
    ("best, recalibrated", "best"),
)
"""Pairs of rules whose accuracy is compared."""


def lines() -> Iterator[str]:
    """The table of the rules, seed by seed, with intervals over chapters."""
    test, stack = read("test"), read("stack")
    for seed in SEEDS:
        found = combined((seed, seed, seed))
        models = test.of_seed(seed)
        right = {rule: (each.argmax(-1) == test.labels).double() for rule, each in found.items()}
        right["mean member"] = torch.stack([right[name] for name in NAMES]).mean(0)
        ties = voting.tied(models).double().mean().item()
        chosen = strength(stack.of_seed(seed), stack)
        yield f"seed {seed}: best on stack {best(seed)}, ties {ties:.3f}, strength {chosen}"
        for rule, each in found.items():
            loss = "" if rule == "majority" else f"  NLL {test.loss(each):.3f}"
            sure = voting.score(each.max(-1).values, test.chapters)
            yield f"  {rule:24s} accuracy {test.accuracy(each.argmax(-1)):.3f}{loss}  sure {sure:.3f}"
        for after, before in COMPARED:
            yield f"  {after} - {before}: {_interval(difference(right[after], right[before], test.chapters))}"
        mean = torch.stack([voting.nll(each, test.labels) for each in models]).mean(0)
        losses = {rule: voting.nll(each, test.labels) for rule, each in found.items()} | {"mean member": mean}
        for after, before in (
            ("average", "mean member"),
            ("average", "best"),
            ("log average", "average"),
            ("average, tempered", "average"),
            ("log average, tempered", "average, tempered"),
            ("average, tempered", "best, tempered"),
            ("stacking", "average, tempered"),
        ):
            found_difference = difference(losses[after], losses[before], test.chapters)
            yield f"  NLL, {after} - {before}: {_interval(found_difference)}"
        for rule, pair in {
            "average": (voting.average(stack.of_seed(seed)), voting.average(models)),
            "log average": (voting.log_average(stack.of_seed(seed)), voting.log_average(models)),
        }.items():
            on_stack = voting.temperature(pair[0], stack.labels, stack.chapters)
            on_test = voting.temperature(pair[1], test.labels, test.chapters)
            yield f"  temperature of the {rule}: {on_stack:.2f} (of test, for comparison: {on_test:.2f})"
        for part in (stack, test):
            judged = leak(part.of_seed(seed), part, chosen)
            scores = {kind: voting.score(each, part.chapters) for kind, each in judged.items()}
            apart = difference(judged["random folds"], judged["whole chapters"], part.chapters)
            yield f"  folds on {len(part.labels)} sentences: {scores}, apart {_interval(apart)}"


def _interval(found: Estimate) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


if __name__ == "__main__":
    print(*lines(), sep="\n")
